package transparency

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"
)

// endingRows are about how a request ends, and about what is around the handler.
func endingRows() []row {
	all := handlers()
	return []row{
		{feature: "panic with http.ErrAbortHandler", cells: on(answer(get, func(_ *exchange, w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "begun")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}), all...)},
		{feature: "panic, nothing written", cells: on(answer(get, func(*exchange, http.ResponseWriter, *http.Request) { panic("boom") }), all...)},
		{feature: "panic after the header", cells: on(answer(get, func(_ *exchange, w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusAccepted)
			_ = http.NewResponseController(w).Flush()
			panic(io.ErrShortBuffer)
		}), routers...)},
		{feature: "panic that a middleware around recovers", cells: on(func(x *exchange, column string) {
			h := x.mount(column, func(http.ResponseWriter, *http.Request) { panic(io.ErrShortBuffer) })
			s := x.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer func() {
					p := recover()
					x.note("around", "%T %v, the same value: %v", p, p, p == io.ErrShortBuffer)
					w.WriteHeader(http.StatusBadGateway)
				}()
				h.ServeHTTP(w, r)
			}))
			x.dial(s).send(get).end()
		}, routers...)},
		{feature: "http.TimeoutHandler around", cells: on(func(x *exchange, column string) {
			done := make(chan struct{})
			h := x.mount(column, func(w http.ResponseWriter, r *http.Request) {
				defer close(done)
				x.note("handler", "%s", methods(w))
				<-r.Context().Done()
				x.call("handler", "context", r.Context().Err())
				for { // the answer is sent a moment later
					if _, err := io.WriteString(w, "late"); err != nil {
						x.call("handler", "Write", err)
						return
					}
				}
			})
			x.dial(x.serve(http.TimeoutHandler(h, time.Millisecond, "too late"))).send(get).end()
			<-done
		}, routers...)},
		{feature: "http.TimeoutHandler around, in time", cells: on(func(x *exchange, column string) {
			h := x.mount(column, func(w http.ResponseWriter, r *http.Request) { describeRequest(x, w, r) })
			x.dial(x.serve(http.TimeoutHandler(h, time.Hour, "too late"))).send(get).end()
		}, routers...)},
		{feature: "http.TimeoutHandler within", cells: on(func(x *exchange, column string) {
			within := http.TimeoutHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), time.Millisecond, "too late")
			x.dial(x.serve(x.mount(column, within.ServeHTTP))).send(get).end()
		}, routers...)},
		{feature: "the client leaves", cells: on(leave, all...)},
		{feature: "CloseNotify", cells: on(closeNotify, plain, onChi, onGin, onMux)},
		{feature: "the client ends its side", cells: on(func(x *exchange, column string) {
			s := x.serve(x.mount(column, func(w http.ResponseWriter, r *http.Request) {
				<-r.Context().Done()
				x.call("handler", "context", context.Cause(r.Context()))
				_, _ = io.WriteString(w, "still there")
			}))
			x.dial(s).send(get).halfClose().end()
		}, routers...)},
		{feature: "body shorter than announced", cells: on(func(x *exchange, column string) {
			s := x.serve(x.mount(column, func(w http.ResponseWriter, r *http.Request) {
				_, err := io.ReadAll(r.Body)
				x.call("handler", "Read", err)
				w.WriteHeader(http.StatusBadRequest)
			}))
			x.dial(s).send("POST /things/7 HTTP/1.1\nHost: shop\nContent-Length: 9\n\nabc").halfClose().end()
		}, routers...)},
		{feature: "Read after the handler, Close of the body", cells: on(afterwards, routers...)},
		{feature: "temporary files of a multipart form", cells: on(multipartForm, routers...)},
		{feature: "what a handler around sees of the request", cells: on(around, routers...)},
		{feature: "Server.Shutdown with a request in flight", cells: on(shutdown, routers...)},
		{feature: "httptest.ResponseRecorder, but for its Result", cells: on(func(x *exchange, column string) {
			w := httptest.NewRecorder()
			x.mount(column, func(w http.ResponseWriter, r *http.Request) {
				x.note("handler", "%s", methods(w))
				x.call("handler", "Flush", http.NewResponseController(w).Flush())
				x.call("handler", "SetReadDeadline", http.NewResponseController(w).SetReadDeadline(time.Time{}))
				describeRequest(x, w, r)
			}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/things/7", nil))
			var head strings.Builder
			x.must(w.Result().Header.Write(&head))
			x.note("response", "Code: %d\n%s\n%s\nflushed %v", w.Code, &head, w.Body, w.Flushed)
		}, routers...)},
	}
}

func leave(x *exchange, column string) {
	done := make(chan struct{})
	s := x.serve(x.mount(column, func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		_, _ = io.WriteString(w, "begun")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		x.call("handler", "context", context.Cause(r.Context()))
	}))
	c := x.dial(s).send(get).until("begun")
	x.must(c.conn.Close())
	<-done
}

func closeNotify(x *exchange, column string) {
	done := make(chan struct{})
	s := x.serve(x.mount(column, func(w http.ResponseWriter, _ *http.Request) {
		defer close(done)
		gone := w.(http.CloseNotifier).CloseNotify() //nolint:staticcheck // gin's Context.Stream asserts it
		_, _ = io.WriteString(w, "begun")
		w.(http.Flusher).Flush()
		x.note("handler", "gone: %v", <-gone)
	}))
	c := x.dial(s).send(get).until("begun")
	x.must(c.conn.Close())
	<-done
}

func afterwards(x *exchange, column string) {
	var body io.ReadCloser
	s := x.serve(x.mount(column, func(w http.ResponseWriter, r *http.Request) {
		body = r.Body
		x.note("handler", "NoBody: %v", r.Body == http.NoBody)
		x.call("handler", "Close", r.Body.Close())
		_, err := r.Body.Read(make([]byte, 1))
		x.call("handler", "Read", err)
		w.WriteHeader(http.StatusAccepted)
	}))
	x.dial(s).send("POST /things/7 HTTP/1.1\nHost: shop\nContent-Length: 3\nConnection: close\n\nabc").end()
	_, err := body.Read(make([]byte, 1))
	x.call("afterwards", "Read", err)
	x.dial(s).send(get).end()
}

func multipartForm(x *exchange, column string) {
	x.Setenv("TMPDIR", x.TempDir())
	s := x.serve(x.mount(column, func(w http.ResponseWriter, r *http.Request) {
		x.call("handler", "ParseMultipartForm", r.ParseMultipartForm(1))
		f, h, err := r.FormFile("file")
		x.must(err)
		_, onDisk := f.(*os.File)
		x.note("handler", "%s %d bytes, on disk %v", h.Filename, h.Size, onDisk)
		_ = f.Close()
	}))
	const part = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n"
	body := part + strings.Repeat("x", 11<<20) + "\r\n--b--\r\n"
	c := x.dial(s)
	c.send("POST /things/7 HTTP/1.1\nHost: shop\nConnection: close\nContent-Type: multipart/form-data; boundary=b\nTransfer-Encoding: chunked\n\n")
	c.sendRaw(fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)).end()
	s.Close()
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	x.must(err)
	x.note("afterwards", "%d files", len(left))
}

// around is a handler around the measured one that reads what that one parsed.
func around(x *exchange, column string) {
	h := x.mount(column, func(_ http.ResponseWriter, r *http.Request) {
		x.must(r.ParseForm())
		r.Header.Set("X-Mark", "from within")
	})
	s := x.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r)
		x.note("around", "pattern %q, form %v, post form %v, mark %q", r.Pattern, r.Form, r.PostForm, r.Header.Get("X-Mark"))
	}))
	x.dial(s).send("POST /things/7?a=1 HTTP/1.1\nHost: shop\nContent-Type: application/x-www-form-urlencoded\nContent-Length: 3\nConnection: close\n\nb=2").end()
}

func shutdown(x *exchange, column string) {
	begun, release := make(chan struct{}), make(chan struct{})
	s := x.serve(x.mount(column, func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-release
		_, _ = io.WriteString(w, "served")
	}))
	c := x.dial(s).send("GET /things/7 HTTP/1.1\nHost: shop\n\n")
	<-begun
	stopped := make(chan error)
	go func() { stopped <- s.Config.Shutdown(context.Background()) }()
	for { // until the listener is closed
		conn, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			break
		}
		_ = conn.Close()
	}
	close(release)
	c.end()
	x.call("server", "Shutdown", <-stopped)
}
