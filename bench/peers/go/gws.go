package main

import (
	"bytes"
	"log"
	"net/http"

	"github.com/lxzan/gws"
)

// gws. The loop is that of its example `echo`. It has no better one: `ParallelEnabled` and `WriteAsync` cost a
// task a message, and the former loses the order. `--broadcast` is its Broadcaster.
type gwsServer struct {
	gws.BuiltinEventHandler
	options
	hall hall[*gws.Conn]
}

func newGws(o options) http.Handler {
	if o.best() {
		log.Fatal("gws has one loop: --loop plain")
	}
	handler := &gwsServer{options: o}
	takeover := o.deflate == "takeover"
	upgrader := gws.NewUpgrader(handler, &gws.ServerOption{
		CheckUtf8Enabled: true,
		Recovery:         gws.Recovery,
		PermessageDeflate: gws.PermessageDeflate{
			Enabled:               o.deflate != "off",
			Level:                 o.level,
			ServerContextTakeover: takeover,
			ClientContextTakeover: takeover,
		},
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		socket, err := upgrader.Upgrade(w, r)
		if err != nil {
			log.Print("upgrade: ", err)
			return
		}
		go socket.ReadLoop() // as it recommends, so that the request is freed
	})
}

func (s *gwsServer) OnOpen(socket *gws.Conn) {
	if s.broadcast {
		s.hall.join(socket)
	}
}

func (s *gwsServer) OnClose(socket *gws.Conn, _ error) {
	if s.broadcast {
		s.hall.leave(socket)
	}
}

func (s *gwsServer) OnPing(socket *gws.Conn, payload []byte) {
	_ = socket.WritePong(payload)
}

func (s *gwsServer) OnMessage(socket *gws.Conn, message *gws.Message) {
	defer message.Close()
	if !s.broadcast {
		_ = socket.WriteMessage(message.Opcode, message.Bytes())
		return
	}
	// It sends later, when the message's own memory may be another's.
	broadcaster := gws.NewBroadcaster(message.Opcode, bytes.Clone(message.Bytes()))
	defer broadcaster.Close()
	s.hall.each(func(socket *gws.Conn) { _ = broadcaster.Broadcast(socket) })
}
