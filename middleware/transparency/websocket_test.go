package transparency

import (
	"context"
	"net/http"
	"strings"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
)

const (
	onCoder   = "coder/websocket"
	onGorilla = "gorilla/websocket"
)

// websocketRows talk with the client of the same library, which is not measured.
func websocketRows() []row {
	return []row{{feature: "WebSocket: text, binary, ping, close with a code", cells: map[string]func(*exchange){onCoder: talkCoder, onGorilla: talkGorilla}}}
}

func talkCoder(x *exchange) {
	done := make(chan struct{})
	s := x.serve(x.measure(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		c, err := coder.Accept(w, r, &coder.AcceptOptions{Subprotocols: []string{"things"}})
		if x.call("handler", "Accept", err); err != nil {
			return
		}
		for {
			kind, b, err := c.Read(context.Background())
			if err != nil {
				x.note("handler", "%v", coder.CloseStatus(err))
				return
			}
			x.call("handler", "Write", c.Write(context.Background(), kind, b))
		}
	})))
	c, resp, err := coder.Dial(x.Context(), s.URL, &coder.DialOptions{Subprotocols: []string{"things"}})
	x.must(err)
	x.handshake(resp)
	for _, kind := range []coder.MessageType{coder.MessageText, coder.MessageBinary} {
		x.call("client", "Write", c.Write(x.Context(), kind, []byte(strings.Repeat("x", 70_000/int(kind)))[:20_000]))
		got, b, err := c.Read(x.Context())
		x.note("client", "%v %d bytes %v", got, len(b), err)
	}
	x.call("client", "Close", c.Close(coder.StatusGoingAway, "enough"))
	<-done
}

func talkGorilla(x *exchange) {
	done := make(chan struct{})
	s := x.serve(x.measure(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		c, err := (&gorilla.Upgrader{Subprotocols: []string{"things"}}).Upgrade(w, r, http.Header{"X-Mine": {"1"}})
		if x.call("handler", "Upgrade", err); err != nil {
			return
		}
		defer c.Close()
		for {
			kind, b, err := c.ReadMessage()
			if err != nil {
				x.call("handler", "ReadMessage", err)
				return
			}
			x.call("handler", "WriteMessage", c.WriteMessage(kind, b))
		}
	})))
	c, resp, err := (&gorilla.Dialer{Subprotocols: []string{"things"}}).Dial("ws"+strings.TrimPrefix(s.URL, "http"), nil)
	x.must(err)
	defer c.Close()
	x.handshake(resp)
	c.SetPongHandler(func(s string) error { x.note("client", "pong %s", s); return nil })
	x.must(c.WriteMessage(gorilla.PingMessage, []byte("p")))
	for _, kind := range []int{gorilla.TextMessage, gorilla.BinaryMessage} {
		x.call("client", "WriteMessage", c.WriteMessage(kind, []byte(strings.Repeat("x", 20_000))))
		got, b, err := c.ReadMessage()
		x.note("client", "%d %d bytes %v", got, len(b), err)
	}
	x.must(c.WriteMessage(gorilla.CloseMessage, gorilla.FormatCloseMessage(gorilla.CloseGoingAway, "enough")))
	_, _, err = c.ReadMessage()
	x.call("client", "ReadMessage", err)
	<-done
}

// handshake records the response of an upgrade, but for the accepted key, which is random.
func (x *exchange) handshake(resp *http.Response) {
	h := resp.Header.Clone()
	h.Del("Sec-WebSocket-Accept")
	var b strings.Builder
	x.must(h.Write(&b))
	x.note("response", "Status: %s\n%s", resp.Status, &b)
}
