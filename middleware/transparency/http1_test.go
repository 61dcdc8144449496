package transparency

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

func httpServers() family {
	return family{title: "HTTP servers", about: "A raw client writes the bytes of the requests and reads those of the responses. Messages in which net/http names its\n" +
		"caller name the middleware's recorder; their text is the same otherwise.",
		columns: append(handlers(), onConnect, onGateway, onCoder, onGorilla),
		rows:    slices.Concat(http1Rows(), writerRows(), endingRows(), http2Rows(), apiRows(), websocketRows())}
}

// answer is a script of one request and its handler.
func answer(request string, h func(*exchange, http.ResponseWriter, *http.Request)) func(*exchange, string) {
	return func(x *exchange, column string) {
		s := x.serve(x.mount(column, func(w http.ResponseWriter, r *http.Request) { h(x, w, r) }))
		x.dial(s).through(column).send(request).end()
	}
}

func http1Rows() []row {
	all := handlers()
	return []row{
		{feature: "HTTP/1.1, two requests on a connection", cells: on(answer(
			"POST /things/7?a=b HTTP/1.1\nHost: shop\nContent-Length: 3\nX-Mine: 1\n\nabc"+get, describeRequest), all...)},
		{feature: "HTTP/1.0", cells: on(answer("GET /things/7 HTTP/1.0\n\n", describeRequest), all...)},
		{feature: "Content-Length of a short body", cells: on(answer(get, func(_ *exchange, w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "short")
		}), all...)},
		{feature: "chunked body", cells: on(answer(get, func(_ *exchange, w http.ResponseWriter, _ *http.Request) {
			for i := range 3 {
				_, _ = io.WriteString(w, strings.Repeat(fmt.Sprint(i), 3000))
			}
		}), all...)},
		{feature: "chunked request with trailers", cells: on(answer(
			"POST /things/7 HTTP/1.1\nHost: shop\nTransfer-Encoding: chunked\nTrailer: X-Sum\nConnection: close\n\n3\nabc\n0\nX-Sum: 9\n\n", describeRequest), all...)},
		{feature: "HEAD", cells: on(answer("HEAD /things/7 HTTP/1.1\nHost: shop\nConnection: close\n\n", func(x *exchange, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5")
			n, err := io.WriteString(w, "short")
			x.note("handler", "Write: %d, %s", n, describe(err))
		}), all...)},
		{feature: "204 and 304", cells: on(func(x *exchange, column string) {
			for _, code := range []int{http.StatusNoContent, http.StatusNotModified} {
				answer(get, func(x *exchange, w http.ResponseWriter, _ *http.Request) {
					w.WriteHeader(code)
					n, err := w.Write([]byte("x"))
					x.note("handler", "Write: %d, %s", n, describe(err))
				})(x, column)
			}
		}, all...)},
		{feature: "SSE with Flush", cells: on(sse, all...)},
		{feature: "trailers, announced", cells: on(answer(get, func(_ *exchange, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-Sum")
			_, _ = io.WriteString(w, "body")
			w.Header().Set("X-Sum", "9")
		}), all...)},
		{feature: "trailers, http.TrailerPrefix", cells: on(answer(get, func(_ *exchange, w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "body")
			_ = http.NewResponseController(w).Flush()
			w.Header().Set(http.TrailerPrefix+"X-Late", "1")
		}), all...)},
		{feature: "upgrade, both ways, half-close", cells: on(upgrade, all...)},
	}
}

// describeRequest records what the handler sees of a request.
func describeRequest(x *exchange, w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	x.note("handler", "%s %s %s %s, host %s, length %d, encoding %v, close %v, body %q, %s", r.Method, r.URL, r.RequestURI, r.Proto, r.Host,
		r.ContentLength, r.TransferEncoding, r.Close, body, describe(err))
	h := r.Header.Clone()
	for _, a := range added { // a proxy in front of this handler is measured
		if a.track == "request" {
			h.Del(a.header)
		}
	}
	x.note("handler", "header %v, trailer %v", h, r.Trailer)
	_, _ = io.WriteString(w, "seen")
}

// sse sends each event after the client has seen the one before.
func sse(x *exchange, column string) {
	seen := make(chan struct{})
	s := x.serve(x.mount(column, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
			<-seen
		}
	}))
	c := x.dial(s).through(column).send(get)
	for i := range 3 {
		c.until(fmt.Sprintf("data: %d", i))
		seen <- struct{}{}
	}
	c.end()
}

// upgrade talks both ways after a 101. The client then ends its side, and the server
// answers that.
func upgrade(x *exchange, column string) {
	s := x.serve(x.mount(column, func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		x.call("handler", "Hijack", err)
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello\n")
		_ = rw.Flush()
		for {
			line, err := rw.ReadString('\n')
			if err != nil {
				x.note("handler", "read %q, %v", line, err)
				break
			}
			fmt.Fprintf(rw, "echo %s", line)
			_ = rw.Flush()
		}
		_, _ = rw.WriteString("bye\n")
		_ = rw.Flush()
	}))
	c := x.dial(s).through(column).send("GET /things/7 HTTP/1.1\nHost: shop\nConnection: Upgrade\nUpgrade: echo\n\n").until("hello")
	c.sendRaw("one\n").until("echo one").sendRaw("two\n").until("echo two").halfClose().end()
}
