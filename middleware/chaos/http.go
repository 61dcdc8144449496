package chaos

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Handler returns a handler that applies the faults and then calls next. Wrap it in
// httpmw.Handler, so that a fault adds to the hop's self time. The operation is the
// method and the pattern that next, a *http.ServeMux, has for the request.
//
// With a nil Injector it returns next. It panics for a nil next.
func (i *Injector) Handler(next http.Handler) http.Handler {
	if next == nil {
		panic("chaos: Handler: nil handler")
	}
	if i == nil {
		return next
	}
	mux, _ := next.(*http.ServeMux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(i.snapshot()) > 0 {
			pattern := r.Pattern
			if mux != nil {
				_, pattern = mux.Handler(r)
			}
			if slash := strings.IndexByte(pattern, '/'); slash > 0 {
				pattern = pattern[slash:]
			}
			err := i.Apply(r.Context(), r.Method+" "+pattern, r)
			var e *Error
			switch {
			case errors.As(err, &e):
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(e.HTTP)
				_ = json.NewEncoder(w).Encode(map[string]string{"error": e.Error()})
				return
			case errors.Is(err, context.DeadlineExceeded): // of the server: the client waits for an answer
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			case err != nil:
				return // the client is gone
			}
		}
		next.ServeHTTP(w, r)
	})
}

// Transport returns a transport that applies the faults of a dependency and then calls
// next. Give it to httpmw.Transport, so that a fault adds to the wait for the dependency.
// An error fault responds with its status. A nil next is http.DefaultTransport; with a nil
// Injector Transport returns next.
func (i *Injector) Transport(next http.RoundTripper, dependency string) http.RoundTripper {
	if next == nil {
		next = http.DefaultTransport
	}
	if i == nil {
		return next
	}
	return transport{next, i, dependency}
}

type transport struct {
	next       http.RoundTripper
	faults     *Injector
	dependency string
}

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	err := t.faults.ApplyCall(r.Context(), t.dependency)
	if err == nil {
		return t.next.RoundTrip(r)
	}
	if r.Body != nil {
		r.Body.Close()
	}
	var e *Error
	if !errors.As(err, &e) {
		return nil, err
	}
	return &http.Response{Status: strconv.Itoa(e.HTTP) + " " + http.StatusText(e.HTTP), StatusCode: e.HTTP, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

// CloseIdleConnections closes those of next.
func (t transport) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// AdminHandler serves GET, POST and DELETE /chaos, DELETE /chaos/{id} and GET /chaos/kinds
// to callers with "Authorization: Bearer <token>". Without WithToken, and with a nil
// Injector, it responds with 404 to everything. With POST /chaos?hold=true the fault lasts
// until the caller closes the connection, or dies, and for its duration at most.
func (i *Injector) AdminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /chaos", func(w http.ResponseWriter, _ *http.Request) {
		faults, sealed := i.List()
		answer(w, http.StatusOK, map[string]any{"faults": faults, "sealed": sealed})
	})
	mux.HandleFunc("POST /chaos", func(w http.ResponseWriter, r *http.Request) {
		var f Fault
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&f); err != nil {
			answer(w, http.StatusBadRequest, map[string]string{"error": "the body is not a fault: " + err.Error()})
			return
		}
		if _, err := dec.Token(); !errors.Is(err, io.EOF) {
			answer(w, http.StatusBadRequest, map[string]string{"error": "there is more after the fault"})
			return
		}
		id, err := i.Inject(f)
		if err != nil {
			answer(w, http.StatusUnprocessableEntity, map[string]string{"error": err.Error()})
			return
		}
		answer(w, http.StatusCreated, map[string]string{"id": id})
		if r.URL.Query().Get("hold") == "true" {
			i.hold(w, r, id)
		}
	})
	mux.HandleFunc("GET /chaos/kinds", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"kinds": i.Kinds()})
	})
	mux.HandleFunc("DELETE /chaos", func(w http.ResponseWriter, _ *http.Request) {
		i.Clear("")
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /chaos/{id}", func(w http.ResponseWriter, r *http.Request) {
		if !i.Clear(r.PathValue("id")) {
			answer(w, http.StatusNotFound, map[string]string{"error": "no such fault"})
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if i == nil || i.token == "" {
			http.NotFound(w, r)
			return
		}
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || subtle.ConstantTimeCompare([]byte(token), []byte(i.token)) != 1 {
			answer(w, http.StatusUnauthorized, map[string]string{"error": "missing or wrong token: send Authorization: Bearer <token>"})
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// hold waits until the caller of a request is gone or a fault is over, and removes the
// fault.
func (i *Injector) hold(w http.ResponseWriter, r *http.Request, id string) {
	defer i.Clear(id)
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Time{}) // the server's limits are for requests that end
	_ = c.SetWriteDeadline(time.Time{})
	if c.Flush() != nil {
		return
	}
	for _, a := range i.snapshot() {
		if a.ID == id {
			select {
			case <-r.Context().Done():
			case <-a.state.ctx.Done():
			}
		}
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
