package servicemap

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/query/prometheus"
	"github.com/tenhop/tenhop/query/prometheus/promtest"
	"github.com/tenhop/tenhop/signals"
)

// TestLabels draws the map of a Prometheus that has other labels for services, operations and
// dependencies. The first of several labels counts, and series without any keep the usual ones.
func TestLabels(t *testing.T) {
	now := time.Now()
	grows := func(perSecond float64) func(time.Time) float64 {
		return func(at time.Time) float64 { return perSecond * at.Sub(now.Add(-2*time.Minute)).Seconds() }
	}
	series := func(name string, perSecond float64, labels ...string) promtest.Counter {
		c := promtest.Counter{Name: name, Labels: map[string]string{}, At: grows(perSecond)}
		for _, l := range labels {
			k, v, _ := strings.Cut(l, "=")
			c.Labels[k] = v
		}
		return c
	}
	prom := promtest.Serve(t, now.Add(-2*time.Minute), now, promtest.Target{Job: "shop", Instance: "1", Every: 5 * time.Second, Counters: []promtest.Counter{
		series("hop_duration_seconds_count", 4, "component=shop/gateway", "route=GET /pay"),
		series("hop_duration_seconds_count", 1, "component=shop/gateway", "route=GET /pay", "status=500"),
		series("hop_self_duration_seconds_sum", 0.5, "component=shop/gateway", "route=GET /pay"),
		series("hop_wait_duration_seconds_count", 5, "component=shop/gateway", "route=GET /pay", "callee=payment", "dependency_kind=http"),
		series("hop_wait_duration_seconds_sum", 1, "component=shop/gateway", "route=GET /pay", "callee=payment", "dependency_kind=http"),
		series("hop_duration_seconds_count", 5, "component=payment", "unit=other", "route=POST /charge"),
		series("hop_duration_seconds_count", 2, "service_name=stock", "operation=GET /levels"),
	}})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/alerts") {
			fmt.Fprint(w, `{"status":"success","data":{"alerts":[]}}`)
			return
		}
		_ = r.FormValue("query") // it parses the form
		r.Form.Set("time", fmt.Sprint(now.Unix()))
		prom.Config.Handler.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	r := NewReader(func() (*prometheus.Client, error) { return prometheus.New(srv.URL, srv.Client()) },
		signals.Labels{"service": {"component", "unit"}, "operation": {"route"}, "dependency": {"callee"}}, error.Error)
	s := r.Snapshot(t.Context())
	if s.Error != "" {
		t.Fatal(s.Error)
	}
	hops := map[string]Hop{}
	for _, h := range s.Hops {
		hops[h.Name] = h
	}
	if len(hops) != 3 || math.Abs(hops["gateway"].Rate-5) > .1 || math.Abs(hops["payment"].Rate-5) > .1 || math.Abs(hops["stock"].Rate-2) > .1 {
		t.Fatalf("the map has %+v", s.Hops)
	}
	if g := hops["gateway"]; len(g.Operations) != 1 || g.Operations[0].Name != "GET /pay" || g.Self == nil || math.Abs(*g.Self-.1) > .01 {
		t.Errorf("the gateway is %+v", g)
	}
	if len(s.Edges) != 1 || s.Edges[0].From != "gateway" || s.Edges[0].To != "payment" || s.Edges[0].Mean == nil || math.Abs(*s.Edges[0].Mean-.2) > .01 {
		t.Errorf("the edges are %+v", s.Edges)
	}
}
