package browsertest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"
)

// front serves the canned page, with another answer where handle gives one.
func front(t *testing.T, handle func(http.ResponseWriter, *http.Request) bool) string {
	t.Helper()
	behind, err := url.Parse(canned(t))
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(behind)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !handle(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	t.Cleanup(srv.CloseClientConnections) // the stream
	return srv.URL
}

// TestSharedIncident opens the link to an incident when nothing but the stored incident is left:
// it shows all of it, and its trace is not found.
func TestSharedIncident(t *testing.T) {
	url := front(t, func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/api/") || strings.HasPrefix(r.URL.Path, "/api/incidents/") {
			return false
		}
		w.WriteHeader(http.StatusNotFound)
		_ = json.NewEncoder(w).Encode(object{"error": "it is no longer stored"})
		return true
	})
	p := open(t, "light")
	p.visit(url + "/incidents/0191a1")
	p.wait(10*time.Second, ".known", "Customers feel")
	seen := text(p)
	for _, want := range []string{"POST /checkout takes 555 ms on average", "payment in Payment/Charge", "payment runs version 2.0.1", "runbook slow-hop", "posted: payment", "Findings", "Quantiles"} {
		if !strings.Contains(seen, want) {
			t.Errorf("the incident does not show %q:\n%s", want, seen)
		}
	}
	p.click(".known a.mono", "4bf92f35")
	p.wait(10*time.Second, ".failure", "Not found")
	p.clean()
}

// TestSearchByCorrelation asks the console to wait for spans that are on their way, says so
// meanwhile, and shows them.
func TestSearchByCorrelation(t *testing.T) {
	asked, arrived := make(chan string, 1), make(chan struct{})
	url := front(t, func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/api/traces" {
			asked <- r.URL.RawQuery
			<-arrived
		}
		return false
	})
	p := open(t, "light")
	p.visit(url + "/search?correlation=c-7")
	p.wait(10*time.Second, ".loading", "spans on their way are waited for")
	if q := <-asked; !strings.Contains(q, "correlation=c-7") || !strings.Contains(q, "wait=10s") {
		t.Errorf("asked for %s", q)
	}
	close(arrived)
	p.wait(10*time.Second, ".found li", "")
	p.clean()
}
