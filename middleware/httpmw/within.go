package httpmw

import (
	"net/http"
	"reflect"
	"runtime"
	"sync/atomic"
	"unsafe"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// WithinRouter returns a middleware that sets the route of a request from within a
// router, for routers that call their middleware once the request is matched or tell the
// pattern afterwards. Handler goes around the router, so that requests without a route
// are measured too:
//
//	r := mux.NewRouter() // gorilla
//	r.Use(httpmw.WithinRouter(func(r *http.Request) string {
//		pattern, _ := mux.CurrentRoute(r).GetPathTemplate()
//		return pattern
//	}))
//	http.ListenAndServe(":8080", httpmw.Handler(r))
//
// pattern is called when the route is needed and after the handler; "" means that it is
// not known. WithinRouter panics for a nil function.
func WithinRouter(pattern func(*http.Request) string) func(http.Handler) http.Handler {
	if pattern == nil {
		panic("httpmw: WithinRouter: nil function")
	}
	return func(next http.Handler) http.Handler { return &within{pattern: pattern, next: next} }
}

type within struct {
	pattern func(*http.Request) string
	next    http.Handler
}

// ServeHTTP implements http.Handler.
func (m *within) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	withinEntry.note()
	st, ok := adapter.FromContext(r.Context()).Local().(*state)
	if !ok {
		m.next.ServeHTTP(w, r)
		return
	}
	st.mu.Lock()
	st.within, st.routed = m, r
	st.mu.Unlock()
	defer func() {
		if p := m.pattern(r); p != "" {
			st.mu.Lock()
			st.inner = routeOf(p)
			st.mu.Unlock()
		}
	}()
	m.next.ServeHTTP(w, r)
}

// entryPoint is the entry point of a function that notes it when it first runs.
type entryPoint struct{ pc atomic.Uintptr }

var serveEntry, withinEntry, askEntry entryPoint

func (e *entryPoint) note() {
	if e.pc.Load() != 0 {
		return
	}
	if pc, _, _, ok := runtime.Caller(1); ok {
		e.pc.Store(runtime.FuncForPC(pc).Entry())
	}
}

// onStack reports whether the caller runs in the goroutine of the function, where a
// router's writes to the request can be read.
func (e *entryPoint) onStack() bool {
	entry := e.pc.Load()
	if entry == 0 {
		return false
	}
	var pcs [64]uintptr
	for skip := 3; ; skip += len(pcs) {
		n := runtime.Callers(skip, pcs[:])
		for _, pc := range pcs[:n] {
			if f := runtime.FuncForPC(pc - 1); f != nil && f.Entry() == entry {
				return true
			}
		}
		if n < len(pcs) {
			return false
		}
	}
}

// muxIn returns the ServeMux that a handler is or wraps in a field, as that of
// http.TimeoutHandler does, or nil. Handlers that are functions do not tell.
func muxIn(h http.Handler) *http.ServeMux { return muxOf(reflect.ValueOf(h), maxWrappers) }

// maxWrappers is the maximum number of handlers and pointers around a mux.
const maxWrappers = 16

var (
	handlerType = reflect.TypeFor[http.Handler]()
	muxType     = reflect.TypeFor[http.ServeMux]()
)

func muxOf(v reflect.Value, depth int) *http.ServeMux {
	if depth == 0 || !v.IsValid() {
		return nil
	}
	switch v.Kind() {
	case reflect.Interface:
		return muxOf(v.Elem(), depth-1)
	case reflect.Pointer:
		if v.Type().Elem() == muxType && !v.IsNil() {
			return (*http.ServeMux)(unsafe.Pointer(v.Pointer())) // the field may be unexported
		}
		return muxOf(v.Elem(), depth-1)
	case reflect.Struct:
	default:
		return nil
	}
	inner := -1
	for i := range v.NumField() {
		if v.Type().Field(i).Type.Implements(handlerType) {
			if inner >= 0 {
				return nil // it chooses between several
			}
			inner = i
		}
	}
	if inner < 0 {
		return nil
	}
	return muxOf(v.Field(inner), depth-1)
}
