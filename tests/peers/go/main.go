// The command line of the gorilla/websocket peer; ../README.md has the contract.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
)

const usage = `usage: peer server [--port N] [--cert FILE --key FILE] [--subprotocol P]... [DEFLATE]
       peer client URL [--ca FILE] [--subprotocol P]... [DEFLATE]
DEFLATE: --deflate off|no-takeover; the library has no context takeover, and no window bits
`

// maxMessage is the largest message either role takes.
const maxMessage = 16 << 20

// list is a flag that may be given more than once.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

func usageError() {
	fmt.Fprint(os.Stderr, usage)
	os.Exit(2)
}

func main() {
	if len(os.Args) < 2 {
		usageError()
	}
	var subprotocols list
	flags := flag.NewFlagSet("peer", flag.ExitOnError)
	flags.Var(&subprotocols, "subprotocol", "a subprotocol; may be repeated")
	compress := false
	flags.Func("deflate", "off or no-takeover", func(mode string) error {
		if mode != "off" && mode != "no-takeover" {
			return errors.New("the library knows off and no-takeover")
		}
		compress = mode == "no-takeover"
		return nil
	})
	switch os.Args[1] {
	case "server":
		port := flags.Int("port", 0, "the port; 0 for a free one")
		cert := flags.String("cert", "", "certificate chain (PEM)")
		key := flags.String("key", "", "private key (PEM)")
		_ = flags.Parse(os.Args[2:]) // ExitOnError
		if err := runServer(*port, *cert, *key, subprotocols, compress); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "client":
		if len(os.Args) < 3 {
			usageError()
		}
		ca := flags.String("ca", "", "certificate authority (PEM)")
		_ = flags.Parse(os.Args[3:]) // ExitOnError
		os.Exit(runClient(os.Args[2], *ca, subprotocols, compress))
	default:
		usageError()
	}
}
