package servicemap

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
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
	s := mapOf(t, signals.Labels{"service": {"component", "unit"}, "operation": {"route"}, "dependency": {"callee"}},
		grows("hop_duration_seconds_count", 4, "component=shop/gateway", "route=GET /pay"),
		grows("hop_duration_seconds_count", 1, "component=shop/gateway", "route=GET /pay", "status=500"),
		grows("hop_self_duration_seconds_sum", 0.5, "component=shop/gateway", "route=GET /pay"),
		grows("hop_wait_duration_seconds_count", 5, "component=shop/gateway", "route=GET /pay", "callee=payment", "dependency_kind=http"),
		grows("hop_wait_duration_seconds_sum", 1, "component=shop/gateway", "route=GET /pay", "callee=payment", "dependency_kind=http"),
		grows("hop_duration_seconds_count", 5, "component=payment", "unit=other", "route=POST /charge"),
		grows("hop_duration_seconds_count", 2, "service_name=stock", "operation=GET /levels"),
	)
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

// TestSharedLabels draws the map of series that differ in a label of the conventions only and
// share the configured one. They are one service, operation, dependency or entry.
func TestSharedLabels(t *testing.T) {
	entry, flow, shop := "start=checkout", "flow=request", "component=shop"
	var all []promtest.Counter
	for i, n := range []float64{1, 2} {
		service, operation, at := fmt.Sprint("service_name=shop-", i), fmt.Sprint("operation=pay-", i), fmt.Sprint("entry=checkout-", i)
		all = append(all,
			grows("hop_duration_seconds_count", n, service, operation, shop, "route=pay"),
			grows("hop_self_duration_seconds_sum", n/10, service, operation, shop, "route=pay"),
			grows("hop_wait_duration_seconds_count", n, service, fmt.Sprint("dependency=bank-", i), "dependency_kind=http", shop, "callee=bank"),
			grows("hop_wait_duration_seconds_sum", n/10, service, fmt.Sprint("dependency=bank-", i), "dependency_kind=http", shop, "callee=bank"),
			grows("hop_calls_refused_total", n, service, "dependency=bank", "reason=breaker", shop, "callee=bank"),
			stays("hop_circuit_breaker_state", n, service, "dependency=bank", shop, "callee=bank"),
			stays("hop:errors:ratio1m", n/10, service, operation, shop, "route=pay"),
			stays("entry:requests:rate15s", n, at, flow, entry),
			stays("entry:duration_seconds:mean15s", n/2, at, flow, entry),
			stays("entry:duration_seconds:baseline10m", n/10, at, flow, entry),
			stays("entry:spiking:bool", n-1, at, flow, entry),
			stays("entry_hop:added_seconds:mean15s", n/4, at, flow, entry, "kind=self", service, operation, shop, "route=pay"),
			stays("slo:objective:ratio", 0.9, "slo=fast", "windows=standard", service, shop),
			stays("slo:errors:ratio5m", n/10, "slo=fast", "windows=standard", service, shop),
			stays("slo:errors:ratio1h", n/10, "slo=fast", "windows=standard", service, shop),
			stays("slo:errors:ratio6h", n/10, "slo=fast", "windows=standard", service, shop))
	}
	s := mapOf(t, signals.Labels{"service": {"component"}, "operation": {"route"}, "dependency": {"callee"}, "entry": {"start"}}, all...)
	is := func(got, want float64) bool { return math.Abs(got-want) < .02*want }
	hop := slices.IndexFunc(s.Hops, func(h Hop) bool { return h.Name == "shop" })
	if hop < 0 || len(s.Hops) != 2 || len(s.Hops[hop].Operations) != 1 {
		t.Fatalf("the map has %+v", s.Hops)
	}
	h := s.Hops[hop]
	if o := h.Operations[0]; o.Name != "pay" || !is(o.Rate, 3) || !is(o.Errors, .2) || o.Self == nil || !is(*o.Self, .1) || !is(h.Added, .5) {
		t.Errorf("the hop is %+v", h)
	}
	if len(s.Edges) != 1 || s.Edges[0].To != "bank" || !is(s.Edges[0].Rate, 3) || s.Edges[0].Breaker != "open" || !is(s.Edges[0].Refused["breaker"], 3) {
		t.Errorf("the edges are %+v", s.Edges)
	}
	if len(s.Entries) != 1 || s.Entries[0].Operation != "checkout" || !s.Entries[0].Spiking || !is(s.Entries[0].Rate, 3) || !is(s.Entries[0].Mean, .75) || !is(s.Entries[0].Added, .6) {
		t.Errorf("the entries are %+v", s.Entries)
	}
	if len(s.SLOs) != 1 || s.SLOs[0].Service != "shop" || !is(s.SLOs[0].Errors, .2) || !is(s.SLOs[0].BurnSlow, 2) {
		t.Errorf("the objectives are %+v", s.SLOs)
	}
}

// mapOf returns the snapshot of a Prometheus that has scraped the series for two minutes, with
// its own labels.
func mapOf(t *testing.T, own signals.Labels, series ...promtest.Counter) Snapshot {
	t.Helper()
	prom := promtest.Serve(t, scraped, scraped.Add(2*time.Minute), promtest.Target{Job: "shop", Instance: "1", Every: 5 * time.Second, Counters: series})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/alerts") {
			fmt.Fprint(w, `{"status":"success","data":{"alerts":[]}}`)
			return
		}
		_ = r.FormValue("query") // it parses the form
		r.Form.Set("time", fmt.Sprint(scraped.Add(2*time.Minute).Unix()))
		prom.Config.Handler.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	s := NewReader(func() (*prometheus.Client, error) { return prometheus.New(srv.URL, srv.Client()) }, own, error.Error).Snapshot(t.Context())
	if s.Error != "" {
		t.Fatal(s.Error)
	}
	return s
}

// scraped is the time of the first scrape.
var scraped = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// grows returns a counter with labels as NAME=VALUE.
func grows(name string, perSecond float64, labels ...string) promtest.Counter {
	c := stays(name, 0, labels...)
	c.At = func(at time.Time) float64 { return perSecond * at.Sub(scraped).Seconds() }
	return c
}

// stays returns a gauge with labels as NAME=VALUE.
func stays(name string, value float64, labels ...string) promtest.Counter {
	c := promtest.Counter{Name: name, Labels: map[string]string{}, At: func(time.Time) float64 { return value }}
	for _, l := range labels {
		k, v, _ := strings.Cut(l, "=")
		c.Labels[k] = v
	}
	return c
}
