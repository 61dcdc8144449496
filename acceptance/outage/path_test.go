package outage

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// path is the way from the services to the OTLP receiver. It fails in a chosen manner.
type path struct {
	address, target string

	mu       sync.Mutex
	mode     string
	listener net.Listener
	conns    map[net.Conn]bool
	answers  *http.Server
	handed   chan net.Conn // to answers
	closed   chan struct{} // when answers end
}

func newPath(t *testing.T, target string) *path {
	t.Helper()
	p := &path{target: target, conns: map[net.Conn]bool{}, handed: make(chan net.Conn), closed: make(chan struct{})}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true) // gRPC
	p.answers = &http.Server{Handler: http.HandlerFunc(p.answer), Protocols: &protocols}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.address = l.Addr().String()
	p.listener = l
	go p.accept(l)
	go func() { _ = p.answers.Serve(handedListener{p}) }()
	t.Cleanup(func() { p.set(t, "absent"); _ = p.answers.Close() })
	return p
}

// handedListener accepts the connections that are to be answered.
type handedListener struct{ *path }

func (l handedListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.handed:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept, for which Server.Close waits. The server calls it once.
func (l handedListener) Close() error   { close(l.closed); return nil }
func (l handedListener) Addr() net.Addr { return &net.TCPAddr{} }

// set changes the manner of failing and cuts all connections.
func (p *path) set(t *testing.T, mode string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode = mode
	for c := range p.conns {
		c.Close()
	}
	clear(p.conns)
	switch {
	case mode == "absent" && p.listener != nil:
		p.listener.Close()
		p.listener = nil
	case mode != "absent" && p.listener == nil:
		l, err := net.Listen("tcp", p.address)
		if err != nil {
			t.Fatal(err)
		}
		p.listener = l
		go p.accept(l)
	}
}

func (p *path) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		mode := p.mode
		p.conns[c] = true
		p.mu.Unlock()
		switch mode {
		case "refusing":
			_ = c.(*net.TCPConn).SetLinger(0)
			c.Close()
		case "tarpit": // it reads and never answers
			go func() { _, _ = io.Copy(io.Discard, c) }()
		case "429", "503":
			select {
			case p.handed <- c:
			case <-p.closed:
				c.Close()
			}
		case "slow disk":
			go p.forward(c, 1500*time.Millisecond)
		default:
			go p.forward(c, 0)
		}
	}
}

func (p *path) forward(c net.Conn, delay time.Duration) {
	defer c.Close()
	up, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer up.Close()
	go func() { _, _ = io.Copy(up, c); up.Close() }()
	buf := make([]byte, 32<<10)
	for {
		n, err := up.Read(buf)
		if n > 0 {
			time.Sleep(delay)
			if _, err := c.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// answer refuses a request by its protocol.
func (p *path) answer(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	busy := p.mode == "429"
	p.mu.Unlock()
	_, _ = io.Copy(io.Discard, r.Body)
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Grpc-Status", map[bool]string{true: "8", false: "14"}[busy])
		return
	}
	w.WriteHeader(map[bool]int{true: http.StatusTooManyRequests, false: http.StatusServiceUnavailable}[busy])
}

// scrapers asks for the metrics of an address on many connections and reads no answer.
func scrapers(ctx context.Context, address string) {
	for range 20 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return
		}
		_ = c.(*net.TCPConn).SetReadBuffer(4096)
		_, _ = io.WriteString(c, strings.Repeat("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 50))
		context.AfterFunc(ctx, func() { c.Close() })
	}
}

// TestPathEnds closes a path that has answered, which the end of a test waits for.
func TestPathEnds(t *testing.T) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		t.Run("path", func(t *testing.T) {
			p := newPath(t, "127.0.0.1:1")
			p.set(t, "503")
			resp, err := client.Get("http://" + p.address)
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("answered %s", resp.Status)
			}
		})
	}()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Error("the path does not end")
	}
}
