// The echo server: gorilla/websocket on net/http.
package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

func echo(socket *websocket.Conn) error {
	for {
		kind, message, err := socket.ReadMessage()
		if err != nil {
			return err
		}
		if err := socket.WriteMessage(kind, message); err != nil {
			return err
		}
	}
}

func control(socket *websocket.Conn, kind int, payload []byte) error {
	return socket.WriteControl(kind, payload, time.Now().Add(10*time.Second))
}

func closeAtOnce(socket *websocket.Conn) error {
	if err := control(socket, websocket.CloseMessage, websocket.FormatCloseMessage(4002, "bye ☂")); err != nil {
		return err
	}
	return echo(socket) // reads until the client's Close
}

func pingFirst(socket *websocket.Conn) error {
	socket.SetPongHandler(func(payload string) error {
		socket.SetPongHandler(nil)
		return socket.WriteMessage(websocket.TextMessage, []byte("pong: "+payload))
	})
	if err := control(socket, websocket.PingMessage, []byte("are you there?")); err != nil {
		return err
	}
	return echo(socket)
}

// fragmentBuffer makes "one, zwei, ☂" three frames: the library ends a frame when its write buffer is full.
const fragmentBuffer = 5

func fragmentsFirst(socket *websocket.Conn) error {
	writer, err := socket.NextWriter(websocket.TextMessage)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(writer, "one, zwei, "); err != nil {
		return err
	}
	if err := control(socket, websocket.PingMessage, []byte("between")); err != nil {
		return err
	}
	if _, err := io.WriteString(writer, "☂"); err != nil {
		return err
	}
	if err := writer.Close(); err != nil {
		return err
	}
	return echo(socket)
}

func drop(socket *websocket.Conn) error {
	return socket.NetConn().Close()
}

var routes = map[string]func(*websocket.Conn) error{
	"/":          echo,
	"/close":     closeAtOnce,
	"/ping":      pingFirst,
	"/fragments": fragmentsFirst,
	"/drop":      drop,
}

// choose returns the client's first subprotocol that the server knows.
// The library's own choice would be the server's first.
func choose(r *http.Request, known []string) []string {
	for _, offered := range websocket.Subprotocols(r) {
		for _, name := range known {
			if name == offered {
				return []string{name}
			}
		}
	}
	return nil
}

func handler(subprotocols []string, compress bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/refuse" {
			http.Error(w, "refused by the application", http.StatusForbidden)
			return
		}
		run, known := routes[r.URL.Path]
		if !known {
			http.NotFound(w, r)
			return
		}
		upgrader := websocket.Upgrader{
			Subprotocols:      choose(r, subprotocols),
			EnableCompression: compress,
			CheckOrigin:       func(*http.Request) bool { return true },
		}
		if r.URL.Path == "/fragments" {
			upgrader.WriteBufferSize = fragmentBuffer
		}
		socket, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			log.Print(err)
			return
		}
		defer socket.Close()
		socket.SetReadLimit(maxMessage)
		if err := run(socket); err != nil {
			log.Printf("%s: %v", r.URL.Path, err)
		}
	}
}

func runServer(port int, cert, key string, subprotocols []string, compress bool) error {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	fmt.Printf("listening %d\n", listener.Addr().(*net.TCPAddr).Port)
	server := &http.Server{
		Handler:           handler(subprotocols, compress),
		ReadHeaderTimeout: 10 * time.Second,
		// WebSocket needs HTTP/1.1 here: the library does not know RFC 8441.
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	if cert != "" {
		return server.ServeTLS(listener, cert, key)
	}
	return server.Serve(listener)
}
