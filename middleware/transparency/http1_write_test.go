package transparency

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"
)

// writerRows are about what a handler does with its ResponseWriter.
func writerRows() []row {
	all := handlers()
	return []row{
		{feature: "methods of the ResponseWriter, by reflection", cells: on(answer(get, func(x *exchange, w http.ResponseWriter, _ *http.Request) {
			x.note("handler", "%s", methods(w))
		}), all...)},
		{feature: "Range, http.ServeContent", cells: on(serveFile("GET /things/7 HTTP/1.1\nHost: shop\nRange: bytes=10-19,50000-50009\nConnection: close\n\n"), all...)},
		{feature: "ReadFrom, sendfile", cells: on(serveFile(get), all...)},
		{feature: "103 Early Hints", cells: on(answer(get, func(_ *exchange, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "</style.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Del("Link")
			w.WriteHeader(http.StatusAccepted)
		}), all...)},
		{feature: "100-continue", cells: on(func(x *exchange, column string) {
			s := x.serve(x.mount(column, func(w http.ResponseWriter, r *http.Request) { describeRequest(x, w, r) }))
			x.dial(s).through(column).send("POST /things/7 HTTP/1.1\nHost: shop\nExpect: 100-continue\nContent-Length: 3\nConnection: close\n\n").
				until("100 Continue").sendRaw("abc").end()
		}, all...)},
		{feature: "Expect that the handler refuses", cells: on(func(x *exchange, column string) {
			s := x.serve(x.mount(column, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusExpectationFailed) }))
			x.dial(s).send("POST /things/7 HTTP/1.1\nHost: shop\nExpect: 100-continue\nContent-Length: 3\n\n").halfClose().end()
		}, routers...)},
		{feature: "Hijack with buffered data", cells: on(func(x *exchange, column string) {
			s := x.serve(x.mount(column, func(w http.ResponseWriter, r *http.Request) {
				conn, rw, err := w.(http.Hijacker).Hijack()
				x.must(err)
				defer conn.Close()
				line, err := rw.ReadString('\n')
				x.note("handler", "%q %s", line, describe(err))
				_, err = w.Write([]byte("late"))
				x.call("handler", "Write", err)
				_, _, err = http.NewResponseController(w).Hijack()
				x.note("handler", "Hijack again: %v", err)
				_, err = r.Body.Read(make([]byte, 1))
				x.call("handler", "Read", err)
				_, _ = io.WriteString(conn, "raw\n")
			}))
			x.dial(s).send("GET /things/7 HTTP/1.1\nHost: shop\n\nPRI * early\n").end()
		}, routers...)},
		{feature: "http.ResponseController: deadlines", cells: on(answer(get, func(x *exchange, w http.ResponseWriter, _ *http.Request) {
			c := http.NewResponseController(w)
			x.call("handler", "SetReadDeadline", c.SetReadDeadline(time.Now().Add(time.Hour)))
			x.call("handler", "SetWriteDeadline", c.SetWriteDeadline(time.Now().Add(time.Hour)))
			x.call("handler", "Flush", c.Flush())
		}), all...)},
		{feature: "http.ResponseController: error of Flush", cells: on(func(x *exchange, column string) {
			done := make(chan struct{})
			s := x.serve(x.mount(column, func(w http.ResponseWriter, _ *http.Request) {
				defer close(done)
				c := http.NewResponseController(w)
				x.call("handler", "SetWriteDeadline", c.SetWriteDeadline(time.Unix(1, 0)))
				_, err := io.WriteString(w, "never sent")
				x.call("handler", "Write", err)
				x.call("handler", "Flush", c.Flush())
			}))
			x.dial(s).send(get).end()
			<-done
		}, routers...)},
		{feature: "http.ResponseController: EnableFullDuplex", cells: on(fullDuplex, routers...)},
		{feature: "http.MaxBytesReader, 413 closes the connection", cells: on(tooLarge(http.StatusRequestEntityTooLarge), plain, onChi, onMux)},
		{feature: "http.MaxBytesReader, 413 on another writer", intended: "connection closes", cells: on(tooLargeOther(http.StatusRequestEntityTooLarge, true), onGin, onEcho)},
		{feature: "http.MaxBytesReader, another status", intended: "connection stays open", cells: on(tooLargeOther(http.StatusBadRequest, false), plain, onChi, onMux)},
		{feature: "second WriteHeader", cells: on(superfluous, all...)},
		{feature: "more than Content-Length", cells: on(answer(get, func(x *exchange, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "2")
			n, err := io.WriteString(w, "abc")
			x.note("handler", "Write: %d %s", n, describe(err))
			x.note("handler", "is ErrContentLength: %v", err == http.ErrContentLength)
			_, err = io.WriteString(w, "ab")
			x.call("handler", "Write", err)
		}), routers...)},
		{feature: "the handler's own X-Correlation-ID", cells: on(answer(get, func(_ *exchange, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Correlation-ID", "mine")
			_, _ = io.WriteString(w, "mine")
		}), all...)},
		{feature: "X-Correlation-ID added by the handler", cells: on(answer(get, func(_ *exchange, w http.ResponseWriter, _ *http.Request) {
			w.Header().Add("X-Correlation-ID", "mine")
			w.Header().Add("X-Correlation-ID", "and yours")
		}), all...)},
		{feature: "headers set with their own case, Date left out", cells: on(answer(get, func(_ *exchange, w http.ResponseWriter, _ *http.Request) {
			w.Header()["x-lower"] = []string{"1"}
			w.Header()["Date"] = nil
			w.Header()["Content-Type"] = nil
			_, _ = io.WriteString(w, "x")
		}), routers...)},
	}
}

// methods returns the exported methods of a writer, but for Unwrap, by which
// http.ResponseController finds the writer within, and Result, which a test calls on its
// own httptest.ResponseRecorder.
func methods(w http.ResponseWriter) string {
	t := reflect.TypeOf(w)
	var names []string
	for i := range t.NumMethod() {
		names = append(names, t.Method(i).Name)
	}
	return strings.Join(slices.DeleteFunc(names, func(n string) bool { return n == "Unwrap" || n == "Result" }), " ")
}

func serveFile(request string) func(*exchange, string) {
	return func(x *exchange, column string) {
		file := filepath.Join(x.TempDir(), "things.txt")
		x.must(os.WriteFile(file, []byte(strings.Repeat("0123456789", 10_000)), 0o600))
		x.must(os.Chtimes(file, time.Unix(1e9, 0), time.Unix(1e9, 0)))
		answer(request, func(x *exchange, w http.ResponseWriter, r *http.Request) {
			f, err := os.Open(file)
			x.must(err)
			defer f.Close()
			w.Header()["Content-Type"] = []string{"multipart/x-none"}
			http.ServeContent(w, r, "things.txt", time.Unix(1e9, 0), f)
		})(x, column)
	}
}

func fullDuplex(x *exchange, column string) {
	s := x.serve(x.mount(column, func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		x.call("handler", "EnableFullDuplex", c.EnableFullDuplex())
		for range 2 {
			b := make([]byte, 3)
			_, err := io.ReadFull(r.Body, b)
			x.call("handler", "Read", err)
			fmt.Fprintf(w, "got %s\n", b)
			x.call("handler", "Flush", c.Flush())
		}
	}))
	x.dial(s).send("POST /things/7 HTTP/1.1\nHost: shop\nContent-Length: 6\nConnection: close\n\n").sendRaw("abc").until("got abc").sendRaw("def").end()
}

// tooLarge sends two requests on a connection. The body of the first is too large.
func tooLarge(status int) func(*exchange, string) {
	return answer("POST /things/7 HTTP/1.1\nHost: shop\nContent-Length: 64\n\n"+strings.Repeat("x", 64)+get,
		func(x *exchange, w http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 8))
			x.call("handler", "Read", err)
			if err != nil {
				http.Error(w, "too large", status)
			}
		})
}

// tooLargeOther asserts on the documented difference. http.MaxBytesReader closes the
// connection of the server's own writer only, and the middleware does so for every 413.
func tooLargeOther(status int, closes bool) func(*exchange, string) {
	return func(x *exchange, column string) {
		inner := newExchange(x.T, x.measured)
		tooLarge(status)(inner, column)
		if closed := strings.Count(inner.transcript(), "HTTP/1.1 ") == 1; closed != (closes == x.measured) {
			x.Errorf("closed: %v\n%s", closed, inner.transcript())
		}
		x.note("handler", "compared by the script")
	}
}

func superfluous(x *exchange, column string) {
	answer(get, func(_ *exchange, w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		w.WriteHeader(http.StatusTeapot)
	})(x, column)
}
