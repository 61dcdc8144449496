package transparency

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// http2Rows run over TLS unless they say h2c.
func http2Rows() []row {
	all := handlers()
	return []row{
		{feature: "h2 over TLS", cells: on(http2Script(true, ask("POST", "abc"), describeRequest), all...)},
		{feature: "h2c", cells: on(http2Script(false, ask("POST", "abc"), describeRequest), all...)},
		{feature: "h2: HEAD", cells: on(http2Script(true, ask("HEAD", ""), describeRequest), all...)},
		{feature: "h2: trailers both ways", cells: on(http2Script(true, func(x *exchange, c *http.Client, url string) {
			r, err := http.NewRequest(http.MethodPost, url, io.MultiReader(strings.NewReader("abc")))
			x.must(err)
			r.Trailer = http.Header{"X-Sum": {"9"}}
			do(x, c, r)
		}, func(x *exchange, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Trailer", "X-Announced")
			describeRequest(x, w, r)
			w.Header().Set("X-Announced", "1")
			w.Header().Set(http.TrailerPrefix+"X-Late", "2")
		}), all...)},
		{feature: "h2: 103 and 100-continue", cells: on(http2Script(true, func(x *exchange, c *http.Client, url string) {
			r, err := http.NewRequest(http.MethodPost, url, strings.NewReader("abc"))
			x.must(err)
			r.Header.Set("Expect", "100-continue")
			do(x, c, r)
		}, func(x *exchange, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", "</style.css>")
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Del("Link")
			describeRequest(x, w, r)
		}), routers...)},
		{feature: "h2: request and response at once, Flush", cells: on(http2Script(true, conversation, func(x *exchange, w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusAccepted)
			for {
				x.call("handler", "Flush", http.NewResponseController(w).Flush())
				b := make([]byte, 4)
				if _, err := io.ReadFull(r.Body, b); err != nil {
					x.call("handler", "Read", err)
					return
				}
				_, _ = w.Write(b)
			}
		}), routers...)},
		{feature: "h2: methods of the ResponseWriter, by reflection", cells: on(http2Script(true, ask("GET", ""), func(x *exchange, w http.ResponseWriter, _ *http.Request) {
			x.note("handler", "%s", methods(w))
		}), all...)},
		{feature: "h2: http.ResponseController", cells: on(http2Script(true, ask("GET", ""), func(x *exchange, w http.ResponseWriter, _ *http.Request) {
			c := http.NewResponseController(w)
			x.call("handler", "EnableFullDuplex", c.EnableFullDuplex())
			x.call("handler", "SetReadDeadline", c.SetReadDeadline(time.Now().Add(time.Hour)))
			x.call("handler", "SetWriteDeadline", c.SetWriteDeadline(time.Now().Add(time.Hour)))
		}), routers...)},
		{feature: "h2: http.Pusher", cells: on(pushes, plain, onChi, onMux)},
		{feature: "h2: panic", cells: on(http2Script(true, func(x *exchange, c *http.Client, url string) {
			ask("GET", "")(x, c, url)
			x.await("server log", "the stack") // written after the answer
		}, func(*exchange, http.ResponseWriter, *http.Request) { panic("boom") }), routers...)},
		{feature: "h2: panic with http.ErrAbortHandler", cells: on(http2Script(true, ask("GET", ""), func(_ *exchange, w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "begun")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}), routers...)},
		{feature: "h2: the client cancels", cells: on(cancels, routers...)},
		{feature: "h2: http.MaxBytesReader", cells: on(http2Script(true, ask("POST", strings.Repeat("x", 64)), func(x *exchange, w http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 8))
			x.call("handler", "Read", err)
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		}), routers...)},
	}
}

// http2Script is a script of a client and its handler over HTTP/2.
func http2Script(secure bool, client func(*exchange, *http.Client, string), h func(*exchange, http.ResponseWriter, *http.Request)) func(*exchange, string) {
	return func(x *exchange, column string) {
		s := x.serveHTTP2(x.mount(column, func(w http.ResponseWriter, r *http.Request) { h(x, w, r) }), secure)
		client(x, x.http2Client(secure), s.URL+"/things/7")
	}
}

// http2Client returns a client whose connections are recorded.
func (x *exchange) http2Client(secure bool) *http.Client {
	// http.Transport speaks HTTP/2 only over a *tls.Conn, which a recorded connection is not.
	t := &http2.Transport{AllowHTTP: true, DisableCompression: true}                                      //nolint:staticcheck // see above
	t.DialTLSContext = func(ctx context.Context, network, addr string, c *tls.Config) (net.Conn, error) { //nolint:staticcheck // see above
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		x.rename(addr, "server")
		if !secure {
			return x.tap(conn), nil
		}
		return x.tap(tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})), nil
	}
	x.Cleanup(t.CloseIdleConnections) //nolint:staticcheck // see above
	return &http.Client{Transport: t}
}

// ask sends one request.
func ask(method, body string) func(*exchange, *http.Client, string) {
	return func(x *exchange, c *http.Client, url string) {
		r, err := http.NewRequest(method, url, strings.NewReader(body))
		x.must(err)
		do(x, c, r)
	}
}

// do records what a client sees of a response.
func do(x *exchange, c *http.Client, r *http.Request) {
	resp, err := c.Do(r)
	if err != nil {
		x.call("client", "Do", err)
		return
	}
	body, err := io.ReadAll(resp.Body)
	x.note("client", "%s %q, length %d, %s, uncompressed %v", resp.Status, body, resp.ContentLength, describe(err), resp.Uncompressed)
	x.note("client", "trailer %v, close %s", resp.Trailer, describe(resp.Body.Close()))
}

// conversation waits for each echo before it goes on.
func conversation(x *exchange, c *http.Client, url string) {
	pr, pw := io.Pipe()
	r, err := http.NewRequest(http.MethodPost, url, pr)
	x.must(err)
	resp, err := c.Do(r)
	x.must(err)
	for i := range 3 {
		_, err := fmt.Fprintf(pw, "msg%d", i)
		x.must(err)
		b := make([]byte, 4)
		_, err = io.ReadFull(resp.Body, b)
		x.note("client", "%s, %s", b, describe(err))
	}
	x.must(pw.Close())
	rest, err := io.ReadAll(resp.Body)
	x.note("client", "%q, %s", rest, describe(err))
}

func cancels(x *exchange, column string) {
	done := make(chan struct{})
	http2Script(true, func(x *exchange, c *http.Client, url string) {
		ctx, cancel := context.WithCancel(x.Context())
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		x.must(err)
		resp, err := c.Do(r)
		x.must(err)
		cancel()
		_, err = io.ReadAll(resp.Body)
		x.call("client", "Read", err)
		<-done
	}, func(x *exchange, w http.ResponseWriter, r *http.Request) {
		defer close(done)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		x.call("handler", "context", context.Cause(r.Context()))
	})(x, column)
}

// pushes asks for a page that pushes another. The client speaks in frames, since Go's
// refuses pushes.
func pushes(x *exchange, column string) {
	s := x.serveHTTP2(x.mount(column, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/things/8" {
			_, _ = io.WriteString(w, "pushed")
			return
		}
		x.call("handler", "Push", w.(http.Pusher).Push("/things/8", &http.PushOptions{Header: http.Header{"X-Mine": {"1"}}}))
		_, _ = io.WriteString(w, "page")
	}), true)
	conn := x.tap(dialTLS(x, s))
	_, err := io.WriteString(conn, http2.ClientPreface)
	x.must(err)
	fr := http2.NewFramer(conn, conn)
	x.must(fr.WriteSettings(http2.Setting{ID: http2.SettingEnablePush, Val: 1}))
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", s.Listener.Addr().String()}, {":path", "/things/7"}} {
		x.must(enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}))
	}
	x.must(fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true}))
	for ended := 0; ended < 2; {
		f, err := fr.ReadFrame()
		x.must(err)
		if d, ok := f.(*http2.DataFrame); ok && d.StreamEnded() {
			ended++
		}
	}
}

func dialTLS(x *exchange, s *httptest.Server) net.Conn {
	conn, err := tls.Dial("tcp", s.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	x.must(err)
	x.Cleanup(func() { _ = conn.Close() })
	return conn
}
