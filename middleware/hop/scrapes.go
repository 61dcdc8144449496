package hop

import (
	"bytes"
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// readTimeout bounds the time in which a scraper reads a response. It applies to servers
// without a WriteTimeout.
const readTimeout = 10 * time.Second

// scrapes serves metrics. It makes one response at a time, in memory, so that a scraper that
// does not read delays no other one. Requests that wait for the same form of the metrics get
// one response.
type scrapes struct {
	next        http.Handler
	readTimeout time.Duration
	making      chan struct{} // has room for the scrape that is being made

	mu      sync.Mutex
	waiting map[string]*scrape // not begun, by the form
}

func newScrapes(next http.Handler, readTimeout time.Duration) *scrapes {
	return &scrapes{next: next, readTimeout: readTimeout, making: make(chan struct{}, 1), waiting: map[string]*scrape{}}
}

// ServeHTTP implements http.Handler.
func (s *scrapes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	one := s.join(r)
	select {
	case <-one.done:
	case <-r.Context().Done():
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
	_, _ = w.Write(one.body.Bytes()) // the scraper is gone if it fails
	_ = c.Flush()
}

// join returns the scrape that answers a request. It begins later than this call.
func (s *scrapes) join(r *http.Request) *scrape {
	form := strings.Join(slices.Concat([]string{r.URL.RawQuery}, r.Header["Accept"], []string{""}, r.Header["Accept-Encoding"]), "\n")
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.waiting[form]
	if one == nil {
		one = &scrape{done: make(chan struct{}), header: http.Header{}}
		s.waiting[form] = one
		detached := r.Clone(context.WithoutCancel(r.Context()))
		detached.Body = http.NoBody
		go s.answer(form, one, detached)
	}
	return one
}

func (s *scrapes) answer(form string, one *scrape, r *http.Request) {
	s.making <- struct{}{}
	s.mu.Lock()
	delete(s.waiting, form)
	s.mu.Unlock()
	defer func() {
		one.panicked = recover() // it is that of the requests
		close(one.done)
		<-s.making
	}()
	s.next.ServeHTTP(one, r)
}

// scrape is a response in memory. It implements http.ResponseWriter.
type scrape struct {
	done     chan struct{} // closed when it is complete
	header   http.Header
	code     int
	body     bytes.Buffer
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
