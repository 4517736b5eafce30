// The test client: the script of ../README.md through gorilla/websocket.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

const (
	deadline      = 60 * time.Second
	closeDeadline = 10 * time.Second
	mib           = 1 << 20
	pattern       = "añ€🌍"
)

// report is the one line on stdout.
type report struct {
	Peer        string   `json:"peer"`
	OK          bool     `json:"ok"`
	Subprotocol *string  `json:"subprotocol,omitempty"`
	Extensions  *string  `json:"extensions,omitempty"`
	Steps       []string `json:"steps,omitempty"`
	Close       *closing `json:"close,omitempty"`
	Step        string   `json:"step,omitempty"`
	Error       string   `json:"error,omitempty"`
}

type closing struct {
	Code   int    `json:"code"`
	Reason string `json:"reason"`
}

// item is what arrived: a message, a Pong, or the end.
type item struct {
	kind int // as in the library; PongMessage for a Pong
	data []byte
	err  error
}

// client is one socket and what arrived on it.
type client struct {
	socket *websocket.Conn
	inbox  chan item
}

// read fills the inbox until the connection ends.
func (c *client) read() {
	c.socket.SetPongHandler(func(payload string) error {
		c.inbox <- item{kind: websocket.PongMessage, data: []byte(payload)}
		return nil
	})
	for {
		kind, data, err := c.socket.ReadMessage()
		c.inbox <- item{kind, data, err}
		if err != nil {
			return
		}
	}
}

func (c *client) expect(kind int, data []byte) error {
	got := <-c.inbox
	switch {
	case got.err != nil:
		return got.err
	case got.kind != kind:
		return fmt.Errorf("opcode %d came back, %d was expected", got.kind, kind)
	case len(got.data) != len(data):
		return fmt.Errorf("the echo has %d bytes, %d were sent", len(got.data), len(data))
	case !bytes.Equal(got.data, data):
		return errors.New("the echo has other bytes than were sent")
	}
	return nil
}

func (c *client) echo(kind int, data []byte) error {
	if err := c.socket.WriteMessage(kind, data); err != nil {
		return err
	}
	return c.expect(kind, data)
}

func (c *client) text(text string) error   { return c.echo(websocket.TextMessage, []byte(text)) }
func (c *client) binary(data []byte) error { return c.echo(websocket.BinaryMessage, data) }

func (c *client) ping(payload string) error {
	return c.socket.WriteControl(websocket.PingMessage, []byte(payload), time.Now().Add(closeDeadline))
}

// fragments sends the pieces as one text message, and a Ping before the second piece if it has a payload.
// The library ends a frame when its write buffer (4096 bytes) is full; it cannot send an empty fragment.
func (c *client) fragments(first, second, pingPayload string) error {
	writer, err := c.socket.NextWriter(websocket.TextMessage)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(writer, first); err != nil {
		return err
	}
	if pingPayload != "" {
		if err := c.ping(pingPayload); err != nil {
			return err
		}
	}
	if _, err := io.WriteString(writer, second); err != nil {
		return err
	}
	return writer.Close()
}

func numbered(length int) []byte {
	data := make([]byte, length)
	for i := range data {
		data[i] = byte((31 * i) % 251)
	}
	return data
}

// similar gives the JSON text number i: like those before it, and longer.
func similar(i int) string {
	items := make([]string, 1+i*i/2)
	for id := range items {
		value := (7*id*id + 13*i) % 1000
		items[id] = fmt.Sprintf(`{"id":%d,"name":"sensor %d","value":%d,"state":"ok"}`, id, id, value)
	}
	return "[" + strings.Join(items, ",") + "]"
}

// random gives binaries of these lengths, one after the other from a generator: nothing in them repeats.
func random(lengths ...int) [][]byte {
	x := uint32(1)
	all := make([][]byte, len(lengths))
	for i, length := range lengths {
		all[i] = make([]byte, length)
		for j := range all[i] {
			x = (x*1103515245 + 12345) & 0x7fffffff
			all[i][j] = byte(x >> 16)
		}
	}
	return all
}

// steps are those between the opening and the close, in their order.
var steps = []struct {
	name string
	run  func(*client) error
}{
	{"text", func(c *client) error { return c.text("hello") }},
	{"empty text", func(c *client) error { return c.text("") }},
	{"non-ASCII text", func(c *client) error { return c.text("Grüße, κόσμε, 世界, 🌍") }},
	{"binary", func(c *client) error {
		data := make([]byte, 256)
		for i := range data {
			data[i] = byte(i)
		}
		return c.binary(data)
	}},
	{"empty binary", func(c *client) error { return c.binary(nil) }},
	{"length boundaries", func(c *client) error {
		for _, length := range []int{125, 126, 127, 65535, 65536} {
			if err := c.binary(numbered(length)); err != nil {
				return err
			}
		}
		return nil
	}},
	{"1 MiB text", func(c *client) error { return c.text(strings.Repeat(pattern, mib/10) + "añ€") }},
	{"1 MiB binary", func(c *client) error { return c.binary(numbered(mib)) }},
	{"fragmented text", func(c *client) error {
		whole := strings.Repeat(pattern, 1000)
		if err := c.fragments(whole, "", ""); err != nil {
			return err
		}
		return c.expect(websocket.TextMessage, []byte(whole))
	}},
	{"ping", func(c *client) error {
		if err := c.ping("how far?"); err != nil {
			return err
		}
		return c.expect(websocket.PongMessage, []byte("how far?"))
	}},
	{"ping between fragments", func(c *client) error {
		before := strings.Repeat("before ", 1000)
		if err := c.fragments(before, "after", "between"); err != nil {
			return err
		}
		if err := c.expect(websocket.PongMessage, []byte("between")); err != nil {
			return err
		}
		return c.expect(websocket.TextMessage, []byte(before+"after"))
	}},
	{"burst", func(c *client) error {
		for i := 0; i < 100; i++ {
			if err := c.socket.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, "burst %d", i)); err != nil {
				return err
			}
		}
		for i := 0; i < 100; i++ {
			if err := c.expect(websocket.TextMessage, fmt.Appendf(nil, "burst %d", i)); err != nil {
				return err
			}
		}
		return nil
	}},
	{"similar texts", func(c *client) error {
		for i := 0; i < 60; i++ {
			if err := c.text(similar(i)); err != nil {
				return err
			}
		}
		return nil
	}},
	{"random binaries", func(c *client) error {
		for _, data := range random(50, 500, 5000, 50_000, 100_000) {
			if err := c.binary(data); err != nil {
				return err
			}
		}
		return nil
	}},
	{"empty messages", func(c *client) error {
		if err := c.text(""); err != nil {
			return err
		}
		if err := c.binary(nil); err != nil {
			return err
		}
		if err := c.text(""); err != nil {
			return err
		}
		return c.text(similar(9))
	}},
}

// open also gives the extensions of the server's answer.
func open(url, ca string, subprotocols []string, compress bool) (*client, string, error) {
	dialer := websocket.Dialer{Subprotocols: subprotocols, EnableCompression: compress, HandshakeTimeout: closeDeadline}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, "", err
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, "", fmt.Errorf("%s holds no certificate", ca)
		}
		dialer.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	socket, response, err := dialer.Dial(url, nil)
	if err != nil {
		return nil, "", err
	}
	if len(subprotocols) > 0 && socket.Subprotocol() != subprotocols[0] {
		return nil, "", fmt.Errorf("the subprotocol is %q", socket.Subprotocol())
	}
	socket.SetReadLimit(maxMessage)
	c := &client{socket, make(chan item, 256)}
	go c.read()
	return c, response.Header.Get("Sec-WebSocket-Extensions"), nil
}

// close sends a Close, awaits the server's, and then the end of TCP.
func (c *client) close() (*closing, error) {
	message := websocket.FormatCloseMessage(4001, "done")
	if err := c.socket.WriteControl(websocket.CloseMessage, message, time.Now().Add(closeDeadline)); err != nil {
		return nil, err
	}
	end := time.Now().Add(closeDeadline)
	if err := c.socket.SetReadDeadline(end); err != nil {
		return nil, err
	}
	var answer *websocket.CloseError
	if got := <-c.inbox; !errors.As(got.err, &answer) {
		return nil, fmt.Errorf("no Close came back, but: %w", got.err)
	}
	if answer.Code != 4001 {
		return nil, fmt.Errorf("the close came back with the code %d", answer.Code)
	}
	if n, err := c.socket.NetConn().Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("after the Close came %d bytes and: %w", n, err)
	}
	return &closing{answer.Code, answer.Text}, nil
}

func script(url, ca string, subprotocols []string, compress bool, step *string) (report, error) {
	c, extensions, err := open(url, ca, subprotocols, compress)
	if err != nil {
		return report{}, err
	}
	defer c.socket.Close()
	names := []string{"opening"}
	for _, next := range steps {
		*step = next.name
		if err := next.run(c); err != nil {
			return report{}, err
		}
		names = append(names, next.name)
	}
	*step = "close"
	closed, err := c.close()
	if err != nil {
		return report{}, err
	}
	chosen := c.socket.Subprotocol()
	done := report{OK: true, Extensions: &extensions, Steps: append(names, "close"), Close: closed}
	if chosen != "" {
		done.Subprotocol = &chosen
	}
	return done, nil
}

func peerName() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/gorilla/websocket" {
			return "gorilla/websocket " + module.Version
		}
	}
	return "gorilla/websocket"
}

func runClient(url, ca string, subprotocols []string, compress bool) int {
	type outcome struct {
		report report
		err    error
	}
	step := "opening"
	done := make(chan outcome, 1)
	go func() {
		r, err := script(url, ca, subprotocols, compress, &step)
		done <- outcome{r, err}
	}()
	var result report
	select {
	case o := <-done:
		result = o.report
		if o.err != nil {
			result = report{Step: step, Error: o.err.Error()}
		}
	case <-time.After(deadline):
		result = report{Step: "?", Error: "not done after " + deadline.String()}
	}
	result.Peer = peerName()
	line, err := json.Marshal(result)
	if err != nil {
		panic(err) // strings and numbers alone
	}
	fmt.Println(string(line))
	if !result.OK {
		return 1
	}
	return 0
}
