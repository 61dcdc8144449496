package hop

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
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
