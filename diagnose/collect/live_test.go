package collect_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/collect"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query/jaeger/jaegertest"
	"github.com/tenhop/tenhop/query/prometheus/promtest"
	"github.com/tenhop/tenhop/trace"
)

// world is a shop whose payment became slow forty seconds ago.
func world() (promtest.Shop, time.Time) {
	now := time.Now()
	return promtest.Shop{Began: now.Add(-280 * time.Second), Onset: now.Add(-40 * time.Second), Slow: .3}, now
}

// requests are traces of the shop, one a second; payment takes what slow says.
func requests(shop promtest.Shop, now time.Time) []trace.Trace {
	var out []trace.Trace
	for at := shop.Began; at.Before(now.Add(-time.Second)); at = at.Add(time.Second) {
		took, region := 20*time.Millisecond, "us"
		if at.After(shop.Onset) {
			took, region = 320*time.Millisecond, "eu"
		}
		out = append(out, trace.Trace{ID: fmt.Sprintf("%032x", at.Unix()), Spans: []trace.Span{
			{ID: "1", Service: "gateway", Operation: "POST /pay", Kind: "server", Start: at, Duration: took + 6*time.Millisecond},
			{ID: "2", Parent: "1", Service: "payment", Operation: "POST /charge", Kind: "server", Start: at.Add(2 * time.Millisecond), Duration: took,
				Attributes: map[string]string{"region": region}},
		}})
	}
	return out
}

func run(t *testing.T, cfg collect.Config) result.Result {
	t.Helper()
	res, err := collect.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestBothSources(t *testing.T) {
	shop, now := world()
	prom := promtest.Serve(t, shop.Began, now, shop.Targets()...)
	jaeger := jaegertest.Serve(t, requests(shop, now)...)
	res := run(t, collect.Config{Prometheus: prom.URL, Jaeger: jaeger.URL})
	if res.Verdict != result.Spike || res.Findings[0].Hop != "payment" || res.Findings[0].Kind != result.KindSelf {
		t.Fatalf("%s: %+v", res.Verdict, res.Findings)
	}
	f := res.Findings[0]
	if len(f.Exemplars) != 3 {
		t.Errorf("exemplars %v, want three", f.Exemplars)
	}
	if len(f.Attributes) == 0 || f.Attributes[0].Key != "region" || f.Attributes[0].Value != "eu" {
		t.Errorf("attributes %+v, want region eu", f.Attributes)
	}
	for _, s := range res.Sources {
		if !s.OK || s.Read == 0 {
			t.Errorf("source %+v", s)
		}
	}
}

// A Jaeger that does not answer costs its own share of the time, not the
// metrics' answer.
func TestHungJaeger(t *testing.T) {
	shop, now := world()
	prom := promtest.Serve(t, shop.Began, now, shop.Targets()...)
	for name, hangs := range map[string]string{"at once": "/api/services", "at the search": "/api/traces"} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan struct{})
			jaeger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.URL.Path, hangs) {
					<-ended
				}
				_, _ = w.Write([]byte(`{"data":["gateway","payment"]}`))
			}))
			defer jaeger.Close()
			defer close(ended)
			res := run(t, collect.Config{Prometheus: prom.URL, Jaeger: jaeger.URL, Timeout: 5 * time.Second})
			if res.Verdict != result.Spike || res.Findings[0].Hop != "payment" {
				t.Errorf("%s: %s, %+v", res.Verdict, res.Why, res.Findings)
			}
			if s := res.Sources[1]; s.OK || !strings.Contains(s.Error, "no answer within") {
				t.Errorf("the result does not say that Jaeger was left out: %+v", s)
			}
			if s := res.Sources[0]; !s.OK {
				t.Errorf("prometheus paid for it: %+v", s)
			}
		})
	}
}

// An error names each back end that did not answer, and does not claim that it had nothing.
func TestBothSourcesFail(t *testing.T) {
	ended := make(chan struct{})
	hung := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/services" {
			<-ended
		}
		_, _ = w.Write([]byte(`{"data":["gateway","payment"]}`))
	}))
	defer hung.Close()
	defer close(ended)
	_, err := collect.Run(t.Context(), collect.Config{Prometheus: hung.URL, Jaeger: hung.URL, Timeout: 2 * time.Second})
	if err == nil || !strings.Contains(err.Error(), "prometheus: no answer within") || !strings.Contains(err.Error(), "jaeger: no answer within") ||
		strings.Contains(err.Error(), "no traces were found") {
		t.Errorf("%v", err)
	}
}

// Nobody can say what is normal from a time in which nothing happened.
func TestIdleBaseline(t *testing.T) {
	shop, now := world()
	prom := promtest.Serve(t, shop.Began, now, shop.Rare())
	res := run(t, collect.Config{Prometheus: prom.URL, BaselineFrom: shop.Began.Add(10 * time.Second), BaselineTo: shop.Onset.Add(-10 * time.Second)})
	if res.Verdict != result.Unsure || !strings.Contains(res.Why, "baseline holds 0 requests") {
		t.Errorf("%s: %s; want unsure for want of a baseline", res.Verdict, res.Why)
	}
}

func TestNoSource(t *testing.T) {
	if _, err := collect.Run(t.Context(), collect.Config{}); err == nil {
		t.Error("a diagnosis without a source has no error")
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	if _, err := collect.Run(t.Context(), collect.Config{Prometheus: gone.URL}); err == nil {
		t.Error("nobody answered, and there is no error")
	}
}

// Failed requests are a verdict of their own, with traces that show where they
// begin to fail.
func TestFailures(t *testing.T) {
	shop, now := world()
	shop.Slow = 0
	targets := shop.Targets()
	for i, c := range []struct {
		family string
		labels map[string]string
	}{
		{"http_server_request_duration_seconds_count", map[string]string{"service_name": "gateway", "http_request_method": "POST", "http_route": "/pay"}},
		{"http_server_request_duration_seconds_count", map[string]string{"service_name": "payment", "http_request_method": "POST", "http_route": "/charge"}},
		{"http_client_request_duration_seconds_count", map[string]string{"service_name": "gateway", "http_request_method": "POST", "dependency": "payment"}},
	} {
		with := func(status, kind string, at func(time.Time) float64) promtest.Counter {
			l := map[string]string{"http_response_status_code": status, "error_type": kind}
			for k, v := range c.labels {
				l[k] = v
			}
			return promtest.Counter{Name: c.family, Labels: l, At: at}
		}
		to := &targets[[]int{0, 1, 0}[i]]
		to.Counters = append(to.Counters, with("200", "", func(at time.Time) float64 { return 14 * at.Sub(shop.Began).Seconds() }),
			with("503", "503", func(at time.Time) float64 { return 6 * max(at.Sub(shop.Onset).Seconds(), 0) }))
	}
	traces := requests(shop, now)
	for i, tr := range traces {
		if tr.Spans[0].Start.After(shop.Onset) && i%3 == 0 {
			for j := range tr.Spans {
				tr.Spans[j].Failed, tr.Spans[j].Attributes = true, map[string]string{"error": "true", "error.type": "503"}
			}
		}
	}
	prom, jaeger := promtest.Serve(t, shop.Began, now, targets...), jaegertest.Serve(t, traces...)
	for _, url := range []string{jaeger.URL, ""} {
		res := run(t, collect.Config{Prometheus: prom.URL, Jaeger: url})
		if res.Verdict != result.Errors || len(res.Findings) != 1 || res.Errors.Now < .25 || res.Errors.Baseline > .01 {
			t.Fatalf("%s (%s): %+v %+v", res.Verdict, res.Why, res.Errors, res.Findings)
		}
		f := res.Findings[0]
		if f.Hop != "payment" || f.Kind != result.KindErrors || f.Operation != "POST /charge" || f.Errors.Type != "503" || f.Share < .95 {
			t.Errorf("first is %+v, want payment", f)
		}
		if url != "" && len(f.Exemplars) != 3 {
			t.Errorf("exemplars %v, want three failed traces", f.Exemplars)
		}
	}
}
