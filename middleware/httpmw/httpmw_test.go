package httpmw_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/httpmw"
)

// service is one measured HTTP server with its log and metrics at hand.
type service struct {
	*hop.Telemetry
	log *bytes.Buffer
	reg *prometheus.Registry
}

func newService(t *testing.T, name string) service {
	t.Helper()
	s := service{log: &bytes.Buffer{}, reg: prometheus.NewRegistry()}
	tel, err := hop.New(hop.WithServiceName(name), hop.WithRegistry(s.reg), hop.WithZerolog(zerolog.New(s.log)))
	if err != nil {
		t.Fatal(err)
	}
	s.Telemetry = tel
	return s
}

// sum returns the _sum and _count of the family's series with the given labels.
func (s service) sum(t *testing.T, family string, labels map[string]string) (float64, uint64) {
	t.Helper()
	mfs, err := s.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var total float64
	var count uint64
	for _, mf := range mfs {
		if mf.GetName() != family {
			continue
		}
	next:
		for _, m := range mf.GetMetric() {
			have := map[string]string{}
			for _, l := range m.GetLabel() {
				have[l.GetName()] = l.GetValue()
			}
			for k, v := range labels {
				if have[k] != v {
					continue next
				}
			}
			total += m.GetHistogram().GetSampleSum()
			count += m.GetHistogram().GetSampleCount()
		}
	}
	return total, count
}

func TestSelfTimeExcludesTheCallAndEntryTravels(t *testing.T) {
	back := newService(t, "back")
	backMux := http.NewServeMux()
	backMux.HandleFunc("GET /stock/{id}", func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(60 * time.Millisecond)
		_, _ = io.WriteString(w, "7")
	})
	backServer := httptest.NewServer(httpmw.Handler(backMux, httpmw.WithTelemetry(back.Telemetry)))
	defer backServer.Close()

	front := newService(t, "front")
	client := &http.Client{Transport: httpmw.Transport(nil, httpmw.WithTelemetry(front.Telemetry), httpmw.WithDependency("back"))}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /page/{id}", func(w http.ResponseWriter, r *http.Request) {
		req, _ := http.NewRequestWithContext(r.Context(), http.MethodGet, backServer.URL+"/stock/7", nil)
		resp, err := client.Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		_, _ = io.Copy(w, resp.Body)
	})
	// A middleware that copies the request must not cost the route.
	copying := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { mux.ServeHTTP(w, r.Clone(r.Context())) })
	frontServer := httptest.NewServer(httpmw.Handler(copying, httpmw.WithTelemetry(front.Telemetry), httpmw.WithMux(mux)))
	defer frontServer.Close()

	req, _ := http.NewRequest(http.MethodGet, frontServer.URL+"/page/7", nil)
	req.Header.Set("X-Correlation-ID", "abc-1")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := resp.Header.Get("X-Correlation-ID"); got != "abc-1" {
		t.Errorf("echoed correlation ID %q", got)
	}
	frontServer.Close()
	backServer.Close()
	entry := map[string]string{"entry": "GET /page/{id}"}
	self, n := front.sum(t, "hop_self_duration_seconds", entry)
	whole, _ := front.sum(t, "hop_duration_seconds", entry)
	wait, _ := front.sum(t, "hop_wait_duration_seconds", map[string]string{"dependency": "back", "dependency_kind": "http"})
	if n != 1 || wait < .06 || self > whole-wait+1e-6 {
		t.Errorf("front: n=%d self=%v wait=%v whole=%v", n, self, wait, whole)
	}
	if self, n := back.sum(t, "hop_self_duration_seconds", entry); n != 1 || self < .06 {
		t.Errorf("back: the entry's self time is %v in %d, want 0.06 in 1", self, n)
	}
	if !strings.Contains(back.log.String(), `"correlation_id":"abc-1"`) {
		t.Errorf("back's log: %s", back.log)
	}
}
