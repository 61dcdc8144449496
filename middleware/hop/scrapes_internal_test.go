package hop

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
)

// slowCollector takes a second, and counts how often it is asked, and by how many at once.
type slowCollector struct{ asked, now, most atomic.Int64 }

func (c *slowCollector) Describe(chan<- *prometheus.Desc) {}

func (c *slowCollector) Collect(chan<- prometheus.Metric) {
	c.asked.Add(1)
	if n := c.now.Add(1); n > c.most.Load() {
		c.most.Store(n)
	}
	time.Sleep(time.Second)
	c.now.Add(-1)
}

// TestScrapesAtOnce makes one response at a time, and not one for each request.
func TestScrapesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, c := prometheus.NewRegistry(), &slowCollector{}
		tel, err := New(WithRegistry(reg))
		if err != nil {
			t.Fatal(err)
		}
		reg.MustRegister(c)
		var wg sync.WaitGroup
		for range 40 {
			wg.Go(func() {
				w := httptest.NewRecorder()
				tel.MetricsHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
				if w.Code != http.StatusOK {
					t.Errorf("answered %d: %s", w.Code, w.Body)
				}
			})
		}
		wg.Wait()
		if c.most.Load() > 1 || c.asked.Load() > 2 {
			t.Errorf("the metrics were gathered %d times, %d at once", c.asked.Load(), c.most.Load())
		}
	})
}

// TestScrapersThatLeave asks for different forms, and for parameters that make no form, while
// a scrape is made. Requests that are canceled leave nothing to make.
func TestScrapersThatLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, c := prometheus.NewRegistry(), &slowCollector{}
		tel, err := New(WithRegistry(reg))
		if err != nil {
			t.Fatal(err)
		}
		reg.MustRegister(c)
		h := tel.MetricsHandler()
		scrape := func(ctx context.Context, target, accept string) *httptest.ResponseRecorder {
			w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, target, nil)
			r.Header.Set("Accept", accept)
			h.ServeHTTP(w, r)
			return w
		}
		var first, others sync.WaitGroup
		first.Go(func() { scrape(t.Context(), "/metrics", "") })
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		for n := range 100 {
			others.Go(func() { scrape(ctx, fmt.Sprintf("/metrics?x=%d", n), "") })
			others.Go(func() { scrape(ctx, "/metrics", fmt.Sprintf("text/plain;q=0.%d", n+1)) })
		}
		synctest.Wait()
		cancel()
		others.Wait()
		began := time.Now()
		if w := scrape(t.Context(), "/metrics", ""); w.Code != http.StatusOK {
			t.Errorf("answered %d: %s", w.Code, w.Body)
		}
		first.Wait()
		if took := time.Since(began); took > 2*time.Second || c.asked.Load() != 2 {
			t.Errorf("the metrics were gathered %d times, want 2; a scrape took %v", c.asked.Load(), took)
		}
	})
}

// TestScrapesOfManyForms answers those that wait, and refuses those that are too many.
func TestScrapesOfManyForms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var made atomic.Int64
		h := newScrapes(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			made.Add(1)
			names := r.URL.Query()["name[]"]
			slices.Sort(names)
			_, _ = fmt.Fprintf(w, "%q %s", slices.Compact(names), r.Header.Get("Accept"))
		}), time.Second)
		var mu sync.Mutex
		codes := map[int]int{}
		var wg sync.WaitGroup
		scrape := func(target, accept, want string) {
			wg.Go(func() {
				w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, target, nil)
				r.Header.Set("Accept", accept)
				h.ServeHTTP(w, r)
				if w.Code == http.StatusOK && w.Body.String() != want {
					t.Errorf("%s as %q: %s, want %s", target, accept, w.Body, want)
				}
				mu.Lock()
				defer mu.Unlock()
				codes[w.Code]++
			})
		}
		scrape("/metrics", "", "[] ") // is made while the others wait
		synctest.Wait()
		scrape("/metrics?name[]=b&name[]=a&x=1", "", `["a" "b"] `)
		scrape("/metrics?name[]=a&x=2&name[]=b", "", `["a" "b"] `)
		scrape("/metrics?name[]=a%22%20%22b", "", `["a\" \"b"] `)
		for n := range maxWaiting - 2 {
			scrape("/metrics", fmt.Sprint(n), fmt.Sprintf("[] %d", n))
		}
		synctest.Wait()
		for n := range 100 {
			scrape("/metrics", fmt.Sprint(1000+n), "")
		}
		wg.Wait()
		if want := map[int]int{http.StatusOK: maxWaiting + 2, http.StatusServiceUnavailable: 100}; !maps.Equal(codes, want) || made.Load() != maxWaiting+1 {
			t.Errorf("answers %v, want %v; %d scrapes were made, want %d", codes, want, made.Load(), maxWaiting+1)
		}
		scrape("/metrics", "later", "[] later")
		wg.Wait()
		if codes[http.StatusOK] != maxWaiting+3 {
			t.Errorf("afterwards: %v", codes)
		}
	})
}

// TestScrapersThatDoNotRead neither delay another scraper nor keep their connections.
func TestScrapersThatDoNotRead(t *testing.T) {
	page := bytes.Repeat([]byte("a"), 8<<20)
	mux := http.NewServeMux()
	mux.Handle("/metrics", newScrapes(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(page) }), 300*time.Millisecond))
	mux.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) { time.Sleep(time.Second) })
	ended := make(chan struct{}, 100)
	srv := httptest.NewUnstartedServer(mux)
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateClosed {
			ended <- struct{}{}
		}
	}
	srv.Start()
	defer srv.Close()
	const stalled = 20
	for range stalled {
		c, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, strings.Repeat("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 50)); err != nil {
			t.Fatal(err)
		}
	}
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for _, path := range []string{"/metrics", "/slow"} { // on one connection: the limit is that of one response
		resp, err := client.Get(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s, %v", path, resp.Status, err)
		}
	}
	late := time.After(20 * time.Second)
	for n := range stalled {
		select {
		case <-ended:
		case <-late:
			t.Fatalf("%d of %d connections stay open", stalled-n, stalled)
		}
	}
}

// reader is a ResponseWriter that calls read with what is written.
type reader struct {
	header http.Header
	read   func([]byte)
}

func (r *reader) Header() http.Header { return r.header }
func (r *reader) WriteHeader(int)     {}
func (r *reader) Write(b []byte) (int, error) {
	r.read(b)
	return len(b), nil
}

// TestScrapesReuseMemory makes a page in the memory of the last one.
func TestScrapesReuseMemory(t *testing.T) {
	page := bytes.Repeat([]byte("a"), 100<<10)
	h := newScrapes(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for line := range slices.Chunk(page, 1<<10) {
			_, _ = w.Write(line)
		}
	}), time.Second)
	scrape := func() {
		n := 0
		h.ServeHTTP(&reader{http.Header{}, func(b []byte) { n += len(b) }}, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		if n != len(page) {
			t.Fatalf("%d bytes, want %d", n, len(page))
		}
	}
	scrape()
	const scrapes = 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range scrapes {
		scrape()
	}
	runtime.ReadMemStats(&after)
	if n := (after.TotalAlloc - before.TotalAlloc) / scrapes; n > uint64(len(page)/2) {
		t.Errorf("a scrape of %d bytes allocates %d bytes", len(page), n)
	}
}

// TestScrapersReadTheirOwnPage makes further pages while a scraper reads its own, which two
// requests share.
func TestScrapersReadTheirOwnPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pages := byte('a')
		h := newScrapes(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(time.Second)
			_, _ = w.Write(bytes.Repeat([]byte{pages}, 100))
			pages++
		}), time.Second)
		var wg sync.WaitGroup
		scrape := func(reads time.Duration, want string) {
			wg.Go(func() {
				h.ServeHTTP(&reader{http.Header{}, func(b []byte) {
					time.Sleep(reads)
					if got := string(b); got != strings.Repeat(want, 100) {
						t.Errorf("a page is %q, want %s", got, want)
					}
				}}, httptest.NewRequest(http.MethodGet, "/metrics", nil))
			})
			synctest.Wait()
		}
		scrape(0, "a")
		scrape(0, "b") // both wait for the second page
		scrape(time.Minute, "b")
		time.Sleep(5 * time.Second)
		for _, want := range []string{"c", "d", "e"} {
			scrape(0, want)
			time.Sleep(2 * time.Second)
		}
		wg.Wait()
	})
}

func BenchmarkScrape(b *testing.B) {
	tel, err := New(WithRegistry(prometheus.NewRegistry()), WithServiceName("shop"))
	if err != nil {
		b.Fatal(err)
	}
	d, err := tel.Core().RequestHistogram("test_duration_seconds", "Durations.", "operation")
	if err != nil {
		b.Fatal(err)
	}
	for n := range 50 {
		for _, took := range []time.Duration{time.Millisecond, 5 * time.Millisecond, 30 * time.Millisecond, time.Second} {
			d.With(fmt.Sprint(n)).Observe(took, time.Now(), trace.SpanContext{})
		}
	}
	h, r := tel.MetricsHandler(), httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited")
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n = 0
		h.ServeHTTP(&reader{http.Header{}, func(b []byte) { n += len(b) }}, r)
	}
	b.ReportMetric(float64(n), "bytes/page")
}

// failingWriter is a response that cannot be written.
type failingWriter struct{ http.ResponseWriter }

func (failingWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// The memory of a response that could not be written is not that of the next one: HTTP/2 may
// still read it.
func TestFailedResponsesKeepTheirMemory(t *testing.T) {
	page := bytes.Repeat([]byte("x"), 1000)
	s := newScrapes(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(page) }), time.Second)
	for failed, want := range map[bool]bool{true: false, false: true} {
		s.spare = nil
		var w http.ResponseWriter = httptest.NewRecorder()
		if failed {
			w = failingWriter{w}
		}
		s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		if kept := s.spare != nil; kept != want {
			t.Errorf("a response that could not be written %v: its memory is kept %v", failed, kept)
		}
	}
}
