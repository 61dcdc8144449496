package console

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query/jaeger/jaegertest"
	"github.com/tenhop/tenhop/query/prometheus/promtest"
	"github.com/tenhop/tenhop/trace"
)

// gone returns the URL of a server that does not answer.
func gone() string {
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	return srv.URL
}

// TestSharedIncidentNeedsNoBackEnd: the link to an incident opens with its diagnosis when
// metrics, traces and logs are gone.
func TestSharedIncidentNeedsNoBackEnd(t *testing.T) {
	c := newConsole(t, newBackends(t), func(cfg *Config) {
		cfg.Incidents, cfg.Prometheus, cfg.Jaeger, cfg.Loki = kept{stored(t)}, gone(), gone(), gone()
	})
	if w := do(c, "GET", "/incidents/i-1", "", "Accept", "text/html"); w.Code != http.StatusOK {
		t.Errorf("the page: %d", w.Code)
	}
	v := decode[IncidentView](t, do(c, "GET", "/api/incidents/i-1", ""))
	if v.Diagnosis == nil || v.Diagnosis.Findings[0].Hop != "payment" || len(v.Said) == 0 || len(v.Runbooks) == 0 {
		t.Errorf("the incident is %+v", v)
	}
}

// TestSharedDiagnosisWithoutTraces: the link to a diagnosis names the same hop when the traces of
// its time are gone, or their source does not answer.
func TestSharedDiagnosisWithoutTraces(t *testing.T) {
	shop, now := slowShop()
	prom := promtest.Serve(t, shop.Began, now, shop.Targets()...)
	for why, jaeger := range map[string]string{"no traces": jaegertest.Serve(t).URL, "no answer": gone()} {
		c := newConsole(t, newBackends(t), func(cfg *Config) { cfg.Prometheus, cfg.Jaeger, cfg.Loki = prom.URL, jaeger, "" })
		w := do(c, "GET", fmt.Sprintf("/api/diagnose?entry=POST+%%2Fpay&from=%d&to=%d", shop.Began.UnixMilli(), now.UnixMilli()), "")
		if w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", why, w.Code, w.Body)
			continue
		}
		if v := decode[DiagnosisView](t, w); v.Verdict != result.Spike || len(v.Findings) == 0 || v.Findings[0].Hop != "payment" {
			t.Errorf("%s: %s %s, %+v", why, v.Verdict, v.Why, v.Findings)
		}
	}
}

// TestSearchWaitsForSpans: a search by correlation ID waits for a trace that is on its way. Without
// wait it does not.
func TestSearchWaitsForSpans(t *testing.T) {
	at := time.Now().Add(-time.Second).Truncate(time.Microsecond)
	stored := jaegertest.Serve(t, trace.Trace{ID: "0000000000000000000000000000000a", Spans: []trace.Span{
		{ID: "0000000000000001", Service: "gateway", Operation: "POST /pay", Kind: "server", Start: at, Duration: time.Millisecond, Attributes: map[string]string{"correlation_id": "c-7"}}}})
	var searched atomic.Int32
	jaeger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/traces" && searched.Add(1) < 3 {
			fmt.Fprint(w, `{"data":[]}`)
			return
		}
		stored.Config.Handler.ServeHTTP(w, r)
	}))
	t.Cleanup(jaeger.Close)
	c := newConsole(t, newBackends(t), func(cfg *Config) { cfg.Jaeger = jaeger.URL })
	query := url.Values{"correlation": {"c-7"}}
	if found := decode[[]Found](t, do(c, "GET", "/api/traces?"+query.Encode(), "")); len(found) != 0 {
		t.Errorf("at once: %+v", found)
	}
	query.Set("wait", "10s")
	if found := decode[[]Found](t, do(c, "GET", "/api/traces?"+query.Encode(), "")); len(found) != 1 || found[0].TraceID != "0000000000000000000000000000000a" || searched.Load() != 3 {
		t.Errorf("after %d searches: %+v", searched.Load(), found)
	}
}
