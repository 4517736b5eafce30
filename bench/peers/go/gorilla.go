package main

import (
	"bytes"
	"log"
	"net/http"
	"sync"

	"github.com/gorilla/websocket"
)

// gorilla/websocket. The plain loop is that of its example `echo`. The best one is what its documentation says
// of buffers: writes share a pool, and a message is read into memory that the connection has already.
type gorilla struct {
	options
	upgrader websocket.Upgrader
	hall     hall[*gorillaMember]
}

func newGorilla(o options) http.Handler {
	if o.deflate == "takeover" {
		log.Fatal("gorilla/websocket has no context takeover: --deflate no-takeover")
	}
	g := &gorilla{options: o}
	g.upgrader.EnableCompression = o.deflate != "off"
	if o.best() {
		g.upgrader.WriteBufferPool = &sync.Pool{}
	}
	return g
}

func (g *gorilla) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := g.upgrader.Upgrade(w, r, nil)
	if err != nil {
		log.Print("upgrade: ", err)
		return
	}
	defer conn.Close()
	if g.level != 0 {
		if err := conn.SetCompressionLevel(g.level); err != nil {
			log.Print("level: ", err)
			return
		}
	}
	switch {
	case g.broadcast:
		err = g.attend(conn)
	case g.best():
		err = echoInPlace(conn)
	default:
		err = echoGorilla(conn)
	}
	if !websocket.IsCloseError(err, websocket.CloseNormalClosure, websocket.CloseGoingAway) {
		log.Print("connection dropped: ", err)
	}
}

func echoGorilla(conn *websocket.Conn) error {
	for {
		kind, message, err := conn.ReadMessage()
		if err != nil {
			return err
		}
		if err := conn.WriteMessage(kind, message); err != nil {
			return err
		}
	}
}

func echoInPlace(conn *websocket.Conn) error {
	var message bytes.Buffer
	for {
		kind, reader, err := conn.NextReader()
		if err != nil {
			return err
		}
		message.Reset()
		if _, err := message.ReadFrom(reader); err != nil {
			return err
		}
		if err := conn.WriteMessage(kind, message.Bytes()); err != nil {
			return err
		}
	}
}

// One connection of a broadcast: as in its example `chat`, a channel and a goroutine that writes.
type gorillaMember struct {
	conn  *websocket.Conn
	queue chan *websocket.PreparedMessage
}

func (g *gorilla) attend(conn *websocket.Conn) error {
	member := &gorillaMember{conn, make(chan *websocket.PreparedMessage, queueLength)}
	g.hall.join(member)
	go member.write()
	defer func() {
		g.hall.leave(member)
		close(member.queue)
	}()
	for {
		kind, message, err := conn.ReadMessage()
		if err != nil {
			return err
		}
		prepared, err := websocket.NewPreparedMessage(kind, message)
		if err != nil {
			return err
		}
		g.hall.each(func(member *gorillaMember) {
			select {
			case member.queue <- prepared:
			default: // It does not read: its connection ends, and with it its place.
				member.conn.Close()
			}
		})
	}
}

func (m *gorillaMember) write() {
	for message := range m.queue {
		if err := m.conn.WritePreparedMessage(message); err != nil {
			m.conn.Close()
			return
		}
	}
}
