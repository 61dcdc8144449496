package httpmw

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// router finds the patterns of requests. The zero value reads http.Request.Pattern.
type router struct {
	fn      func(*http.Request) string // of WithRouteFunc
	mux     *http.ServeMux             // of WithMux
	next    *http.ServeMux             // the one that the measured handler is or wraps
	learned *learned
}

// early returns the pattern of a request whose handler may still be chosen, in another
// goroutine. It never reads a field that the router writes meanwhile. in and routed are
// the last WithinRouter that served the request, and its request.
func (rt *router) early(r *http.Request, in *within, routed *http.Request) string {
	if rt.fn != nil {
		if askEntry.onStack() {
			return "" // the function itself asks for the operation
		}
		if p := rt.ask(r); p != "" {
			return p
		}
	}
	if in != nil && withinEntry.onStack() {
		if p := in.pattern(routed); p != "" {
			return p
		}
	}
	if rt.mux != nil {
		if p := lookup(rt.mux, r); p != "" && routeOf(p) != "/" {
			return p // as behind does; a walk of the stack costs more than the lookup
		}
	}
	pattern := ""
	if serveEntry.onStack() {
		pattern = r.Pattern
	}
	switch {
	case rt.mux != nil:
		return behind(rt.mux, r, pattern)
	case pattern != "":
		return pattern
	case rt.next != nil:
		return behind(rt.next, r, "")
	}
	return rt.learned.lookup(r)
}

// ask calls the function of WithRouteFunc.
//
//go:noinline
func (rt *router) ask(r *http.Request) string {
	askEntry.note()
	return rt.fn(r)
}

// final returns the pattern of a request whose handler has returned. What the user
// said counts more than the pattern on the request, which may be an outer mux's.
func (rt *router) final(r *http.Request) string {
	if rt.fn != nil {
		if p := rt.ask(r); p != "" {
			return p
		}
	}
	if rt.mux != nil {
		if p := behind(rt.mux, r, r.Pattern); p != "" {
			return p
		}
	}
	if r.Pattern == "" && rt.next != nil {
		return behind(rt.next, r, "")
	}
	if r.Pattern != "" && rt.fn == nil && rt.mux == nil && rt.next == nil {
		rt.learned.add(r.Pattern)
	}
	return r.Pattern
}

func lookup(mux *http.ServeMux, r *http.Request) string {
	_, pattern := mux.Handler(r)
	return pattern
}

// behind returns the pattern of a mux that may be behind http.StripPrefix: the prefix
// of the outer mux's pattern and the inner pattern.
func behind(mux *http.ServeMux, r *http.Request, outerPattern string) string {
	whole := lookup(mux, r)
	if whole != "" && routeOf(whole) != "/" {
		return whole
	}
	prefix := ""
	if outer := routeOf(outerPattern); len(outer) > 1 && strings.HasSuffix(outer, "/") {
		prefix = outer[:len(outer)-1]
	}
	path := r.URL.Path
	if prefix != "" {
		if rest, ok := strings.CutPrefix(path, prefix); ok {
			if p := lookupPath(mux, r, rest); p != "" && routeOf(p) != "/" {
				return prefix + routeOf(p)
			}
		}
	}
	if whole != "" {
		return whole
	}
	if len(path) > maxPath {
		return ""
	}
	for range maxPrefix { // a prefix that no pattern names
		i := strings.IndexByte(strings.TrimPrefix(path, "/"), '/')
		if i < 0 {
			return ""
		}
		path = strings.TrimPrefix(path, "/")[i:]
		if p := lookupPath(mux, r, path); p != "" {
			return p
		}
	}
	return ""
}

// Bounds of the search behind a prefix that no pattern names. Each of its segments costs
// a lookup of the path, and the client chooses both.
const (
	maxPrefix = 8    // segments
	maxPath   = 4096 // bytes
)

func lookupPath(mux *http.ServeMux, r *http.Request, path string) string {
	if !strings.HasPrefix(path, "/") {
		return ""
	}
	return lookup(mux, &http.Request{Method: r.Method, Host: r.Host, URL: &url.URL{Path: path}})
}

// learned holds the patterns seen on requests, for a mux within other handlers. It
// answers calls that other goroutines than the handler's make. It also holds the
// procedures seen.
type learned struct {
	mu    sync.RWMutex
	known map[string]bool
	mux   http.ServeMux

	procedures map[string]bool // paths that are routes
}

// maxLearned is the maximum number of patterns.
const maxLearned = 2048

func (l *learned) add(pattern string) {
	l.mu.RLock()
	have := l.known[pattern] || len(l.known) >= maxLearned
	l.mu.RUnlock()
	if have {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known == nil {
		l.known = map[string]bool{}
	}
	if l.known[pattern] {
		return
	}
	l.known[pattern] = true
	defer func() { _ = recover() }() // not a ServeMux pattern, or in conflict with one of another mux
	l.mux.Handle(pattern, http.NotFoundHandler())
}

func (l *learned) lookup(r *http.Request) string {
	l.mu.RLock()
	none := len(l.known) == 0
	l.mu.RUnlock()
	if none {
		return ""
	}
	return lookup(&l.mux, r)
}

// procedure returns the route of an RPC below a service's pattern, as ConnectRPC
// mounts one: the path, when it is the pattern and a method's name. The name is the
// caller's, so the number of such routes is bounded: beyond it the pattern is the route.
func (l *learned) procedure(route string, r *http.Request) string {
	if len(route) < 3 || route[len(route)-1] != '/' || r.Method != http.MethodPost && r.Method != http.MethodGet {
		return route
	}
	name, ok := strings.CutPrefix(r.URL.Path, route)
	if !ok || !identifier(name) || !isRPC(r) || strings.IndexByte(route, '{') >= 0 {
		return route
	}
	path := clip(r.URL.Path)
	l.mu.RLock()
	known, full := l.procedures[path], len(l.procedures) >= maxProcedures
	l.mu.RUnlock()
	if known {
		return path
	}
	if full {
		return route
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.procedures == nil {
		l.procedures = map[string]bool{}
	}
	if len(l.procedures) >= maxProcedures && !l.procedures[path] {
		return route
	}
	l.procedures[path] = true
	return path
}

// maxProcedures is the maximum number of procedures of a handler. It leaves room in the
// families for the other routes.
const maxProcedures = 256

func identifier(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		letter, later := c >= 'a' && c <= 'z', s[i] >= '0' && s[i] <= '9' || s[i] == '_'
		if !letter && (i == 0 || !later) {
			return false
		}
	}
	return s != ""
}

// isRPC reports whether a request is of gRPC, gRPC-Web or Connect.
func isRPC(r *http.Request) bool {
	if len(r.Header["Connect-Protocol-Version"]) > 0 {
		return true
	}
	t := ""
	if v := r.Header["Content-Type"]; len(v) > 0 {
		t = v[0]
	}
	return strings.HasPrefix(t, "application/grpc") || strings.HasPrefix(t, "application/connect+") || t == "application/proto" ||
		r.Method == http.MethodGet && strings.HasPrefix(r.URL.RawQuery, "connect=v1")
}
