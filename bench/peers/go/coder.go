package main

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"

	"github.com/coder/websocket"
)

// coder/websocket. The plain loop is that of its example `echo`, where a message goes from a Reader to a Writer.
// The best one uses Read and Write: a message is one frame and one write.
type coder struct {
	options
	accept websocket.AcceptOptions
}

func newCoder(o options) http.Handler {
	if o.broadcast {
		log.Fatal("coder/websocket has no way to send a message to many: --library gorilla or gws")
	}
	if o.level != 0 {
		log.Fatal("coder/websocket has no choice of the level: leave --level out")
	}
	modes := map[string]websocket.CompressionMode{
		"off":         websocket.CompressionDisabled,
		"no-takeover": websocket.CompressionNoContextTakeover,
		"takeover":    websocket.CompressionContextTakeover,
	}
	return &coder{o, websocket.AcceptOptions{CompressionMode: modes[o.deflate]}}
}

func (c *coder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, &c.accept)
	if err != nil {
		log.Print("accept: ", err)
		return
	}
	defer conn.CloseNow()
	// It takes 32 KiB at most unless it is told so.
	conn.SetReadLimit(maxMessage)
	echo := echoStreamed
	if c.best() {
		echo = echoWhole
	}
	for ctx := context.Background(); err == nil; {
		err = echo(ctx, conn)
	}
	var closed websocket.CloseError
	if !errors.As(err, &closed) {
		log.Print("connection dropped: ", err)
	}
}

func echoStreamed(ctx context.Context, conn *websocket.Conn) error {
	kind, reader, err := conn.Reader(ctx)
	if err != nil {
		return err
	}
	writer, err := conn.Writer(ctx, kind)
	if err != nil {
		return err
	}
	if _, err := io.Copy(writer, reader); err != nil {
		return err
	}
	return writer.Close()
}

func echoWhole(ctx context.Context, conn *websocket.Conn) error {
	kind, message, err := conn.Read(ctx)
	if err != nil {
		return err
	}
	return conn.Write(ctx, kind, message)
}
