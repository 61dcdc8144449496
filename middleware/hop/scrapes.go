package hop

import (
	"bytes"
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// readTimeout bounds the time in which a scraper reads a response. It applies to servers
// without a WriteTimeout.
const readTimeout = 10 * time.Second

// maxKept is the capacity in bytes up to which the memory of a response is used for the next
// one.
const maxKept = 1 << 20

// maxWaiting bounds the forms of the metrics that requests wait for. A scraper always asks
// for the same one.
const maxWaiting = 16

// scrapes serves metrics. It makes one response at a time, in memory, so that a scraper that
// does not read delays no other one. Requests that wait for the same form of the metrics get
// one response. A request that is canceled while it waits leaves nothing to do.
type scrapes struct {
	next        http.Handler
	readTimeout time.Duration
	making      chan struct{} // has room for the scrape that is being made

	mu      sync.Mutex
	waiting map[string]*scrape // not begun, by the form
	spare   *bytes.Buffer      // of a response that all its requests have read; nil without
}

func newScrapes(next http.Handler, readTimeout time.Duration) *scrapes {
	return &scrapes{next: next, readTimeout: readTimeout, making: make(chan struct{}, 1), waiting: map[string]*scrape{}}
}

// ServeHTTP implements http.Handler. It answers 503 if requests wait for too many forms.
func (s *scrapes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	form := formOf(r)
	one := s.join(form)
	if one == nil {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many scrapes are waiting", http.StatusServiceUnavailable)
		return
	}
	defer s.leave(form, one)
	select {
	case <-one.done:
	case <-r.Context().Done():
	case s.making <- struct{}{}:
		if r.Context().Err() == nil && s.begin(form, one) {
			s.answer(one, r)
		}
		<-s.making
	}
	if r.Context().Err() != nil {
		return
	}
	if one.panicked != nil {
		panic(one.panicked)
	}
	for name, values := range one.header {
		w.Header()[name] = slices.Clone(values)
	}
	w.Header().Set("Content-Length", strconv.Itoa(one.body.Len()))
	c := http.NewResponseController(w)
	if server, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok && server.WriteTimeout == 0 &&
		c.SetWriteDeadline(time.Now().Add(s.readTimeout)) == nil {
		defer func() { _ = c.SetWriteDeadline(time.Time{}) }() // the connection may have other requests
	}
	w.WriteHeader(cmp.Or(one.code, http.StatusOK))
	if _, err := w.Write(one.body.Bytes()); err != nil { // the scraper is gone
		s.mu.Lock()
		one.lent = true // HTTP/2 may read it still
		s.mu.Unlock()
	}
	_ = c.Flush()
}

// formOf returns what the response to a request depends on: the names of metrics to which
// it is limited, its format and its encoding.
func formOf(r *http.Request) string {
	var names []string
	if r.URL.RawQuery != "" {
		names = r.URL.Query()["name[]"]
		slices.Sort(names)
	}
	var buf [512]byte
	form := buf[:0]
	for _, values := range [][]string{slices.Compact(names), r.Header["Accept"], r.Header["Accept-Encoding"]} {
		for _, v := range values {
			form = strconv.AppendQuote(form, v)
		}
		form = append(form, ' ')
	}
	return string(form)
}

// join returns the scrape that answers a request for a form, or nil if requests wait for too
// many others. The scrape has not begun.
func (s *scrapes) join(form string) *scrape {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.waiting[form]
	if one == nil {
		if len(s.waiting) >= maxWaiting {
			return nil
		}
		one = &scrape{done: make(chan struct{}), header: http.Header{}}
		s.waiting[form] = one
	}
	one.requests++
	return one
}

// leave takes a request from a scrape. A scrape that has not begun is dropped with its last
// request, and the memory of one that was made is kept for the next.
func (s *scrapes) leave(form string, one *scrape) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one.requests--; one.requests > 0 {
		return
	}
	if s.waiting[form] == one {
		delete(s.waiting, form)
	}
	if one.body != nil && !one.lent && one.body.Cap() <= maxKept {
		one.body.Reset()
		s.spare = one.body
	}
}

// begin reports whether a scrape is still to be made. Requests no longer join it.
func (s *scrapes) begin(form string, one *scrape) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting[form] != one {
		return false
	}
	delete(s.waiting, form)
	if one.body, s.spare = s.spare, nil; one.body == nil {
		one.body = &bytes.Buffer{}
	}
	return true
}

// answer makes a scrape, for all requests that have joined it. It does not end with the
// request in which it runs.
func (s *scrapes) answer(one *scrape, r *http.Request) {
	detached := r.Clone(context.WithoutCancel(r.Context()))
	detached.Body = http.NoBody
	defer func() {
		one.panicked = recover() // it is that of the requests
		close(one.done)
	}()
	s.next.ServeHTTP(one, detached)
}

// scrape is a response in memory. It implements http.ResponseWriter.
type scrape struct {
	requests int           // that wait for it, guarded by scrapes.mu
	lent     bool          // the body may be read after the last request, guarded by scrapes.mu
	done     chan struct{} // closed when it is complete
	header   http.Header
	code     int
	body     *bytes.Buffer // nil before it has begun
	panicked any
}

var _ http.ResponseWriter = (*scrape)(nil)

// Header implements http.ResponseWriter.
func (s *scrape) Header() http.Header { return s.header }

// WriteHeader implements http.ResponseWriter.
func (s *scrape) WriteHeader(code int) { s.code = cmp.Or(s.code, code) }

// Write implements http.ResponseWriter.
func (s *scrape) Write(b []byte) (int, error) {
	s.WriteHeader(http.StatusOK)
	return s.body.Write(b)
}
