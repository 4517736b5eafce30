// Echo and broadcast servers on gorilla/websocket, coder/websocket and gws.
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
)

// The command line, as all contestants have it.
type options struct {
	loop      string
	broadcast bool
	deflate   string
	level     int
}

func (o options) best() bool { return o.loop == "best" }

// Each library's handler of requests.
var libraries = map[string]func(options) http.Handler{
	"gorilla": newGorilla,
	"coder":   newCoder,
	"gws":     newGws,
}

func main() {
	log.SetFlags(0)
	var o options
	library := flag.String("library", "", "gorilla, coder or gws")
	listen := flag.String("listen", "127.0.0.1:9001", "address to listen on; port 0 lets the system choose one")
	cert := flag.String("cert", "", "PEM file with the certificate chain; serves wss instead of ws")
	key := flag.String("key", "", "PEM file with the certificate's private key")
	flag.StringVar(&o.loop, "loop", "plain", "plain, or best where the library has it")
	flag.BoolVar(&o.broadcast, "broadcast", false, "send every message to all connections instead (gorilla, gws)")
	flag.StringVar(&o.deflate, "deflate", "off", "compression to agree to: off, no-takeover or takeover")
	flag.IntVar(&o.level, "level", 0, "compression level, 1 to 9, or the library's own (gorilla, gws)")
	flag.Parse()

	handler, known := libraries[*library]
	switch {
	case !known:
		log.Fatal("--library is gorilla, coder or gws")
	case o.loop != "plain" && o.loop != "best":
		log.Fatal("--loop is plain or best")
	case o.deflate != "off" && o.deflate != "no-takeover" && o.deflate != "takeover":
		log.Fatal("--deflate is off, no-takeover or takeover")
	case (*cert == "") != (*key == ""):
		log.Fatal("--cert and --key go together")
	}
	if err := serve(*listen, *cert, *key, handler(o)); err != nil {
		log.Fatal(err)
	}
}

// Go sets TCP_NODELAY on every connection by itself.
func serve(listen, cert, key string, handler http.Handler) error {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	scheme := "ws"
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return err
		}
		scheme = "wss"
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{pair}})
	}
	if _, err := fmt.Fprintf(os.Stdout, "listening on %s://%s\n", scheme, listener.Addr()); err != nil {
		return err
	}
	return http.Serve(listener, handler)
}
