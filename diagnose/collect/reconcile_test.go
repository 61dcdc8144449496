package collect_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/collect"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query/jaeger/jaegertest"
	"github.com/tenhop/tenhop/query/prometheus/promtest"
)

// A Prometheus that knows nothing of the services does not hide what traces show.
func TestSpansOnly(t *testing.T) {
	shop, now := world()
	prom := promtest.Serve(t, shop.Began, now)
	jaeger := jaegertest.Serve(t, requests(shop, now)...)
	res := run(t, collect.Config{Prometheus: prom.URL, Jaeger: jaeger.URL})
	if res.Verdict != result.Spike || res.Findings[0].Hop != "payment" || res.DecidedBy != result.DecidedByTraces {
		t.Errorf("%s (%s) by %s: %+v", res.Verdict, res.Why, res.DecidedBy, res.Findings)
	}
}

// Metrics of other services do not hide a service that only sends spans.
func TestSpansBesideMetrics(t *testing.T) {
	shop, now := world()
	quiet := shop
	quiet.Slow = 0
	prom := promtest.Serve(t, shop.Began, now, quiet.Targets()...)
	traces := requests(shop, now)
	for i := range traces {
		for j := range traces[i].Spans {
			s := &traces[i].Spans[j]
			s.Service, s.Operation = "python-"+s.Service, "GET /other"
		}
	}
	jaeger := jaegertest.Serve(t, traces...)
	res := run(t, collect.Config{Prometheus: prom.URL, Jaeger: jaeger.URL})
	if res.Verdict != result.Spike || res.Findings[0].Hop != "python-payment" || res.DecidedBy != result.DecidedByTraces {
		t.Errorf("%s (%s) by %s: %+v", res.Verdict, res.Why, res.DecidedBy, res.Findings)
	}
}

// Scrapes every 30 s do not show what began 20 s ago, and traces do.
func TestCoarseMetrics(t *testing.T) {
	shop, now := world()
	shop.Onset, shop.Every = now.Add(-20*time.Second), 30*time.Second
	shop.Gateway, shop.Payment = 2*time.Second, 9*time.Second
	prom := promtest.Serve(t, shop.Began, now, shop.Targets()...)
	jaeger := jaegertest.Serve(t, requests(shop, now)...)
	res := run(t, collect.Config{Prometheus: prom.URL, Jaeger: jaeger.URL})
	if res.Verdict != result.Spike || res.Findings[0].Hop != "payment" || res.DecidedBy != result.DecidedByTraces || res.ResolutionS != 30 {
		t.Errorf("%s (%s) by %s, resolution %v s: %+v", res.Verdict, res.Why, res.DecidedBy, res.ResolutionS, res.Findings)
	}
	res = run(t, collect.Config{Prometheus: prom.URL})
	if res.Verdict != result.Unsure || res.Recent == nil {
		t.Errorf("without traces: %s (%s), want unsure because of the scrape interval", res.Verdict, res.Why)
	}
}

// The wait for a connection has no span, so traces take it for the hop's own time. Where
// traces decide, the metrics still tell what the hop waited for.
func TestWaitWithoutSpan(t *testing.T) {
	shop, now := world()
	shop.Onset, shop.Every = now.Add(-25*time.Second), 15*time.Second
	waits := shop
	waits.Slow = 0 // the self time stays
	targets := shop.Targets()
	for i, c := range targets[1].Counters {
		if c.Name == "hop_self_duration_seconds_sum" {
			targets[1].Counters[i] = waits.Targets()[1].Counters[i]
		}
	}
	pool := shop.Targets()[0].Counters[3] // the gateway's wait for payment
	pool.Labels = map[string]string{"service_name": "payment", "operation": "POST /charge", "entry": "POST /pay", "flow": "request",
		"dependency": "payment-db", "dependency_kind": "pool"}
	targets[1].Counters = append(targets[1].Counters, pool)
	prom := promtest.Serve(t, shop.Began, now, targets...)
	jaeger := jaegertest.Serve(t, requests(shop, now)...)
	res := run(t, collect.Config{Prometheus: prom.URL, Jaeger: jaeger.URL})
	if f := res.Findings[0]; res.Verdict != result.Spike || res.DecidedBy != result.DecidedByTraces || f.Hop != "payment" || f.Kind != result.KindDependency || f.Target != "payment-db" {
		t.Errorf("%s (%s) by %s: %+v", res.Verdict, res.Why, res.DecidedBy, res.Findings)
	}
}

// Both sources agree that nothing happens.
func TestQuietByBoth(t *testing.T) {
	shop, now := world()
	shop.Slow, shop.Every, shop.Onset = 0, 15*time.Second, now
	prom := promtest.Serve(t, shop.Began, now, shop.Targets()...)
	jaeger := jaegertest.Serve(t, requests(shop, now)...)
	res := run(t, collect.Config{Prometheus: prom.URL, Jaeger: jaeger.URL})
	if res.Verdict != result.None || res.DecidedBy != result.DecidedByBoth || res.Recent.Traces < 8 {
		t.Errorf("%s (%s) by %s, recent %+v", res.Verdict, res.Why, res.DecidedBy, res.Recent)
	}
}

// Old data say nothing about now.
func TestOldData(t *testing.T) {
	shop, now := world()
	shop.Slow = 0
	shop.Began, now = shop.Began.Add(-2*time.Minute), now.Add(-2*time.Minute)
	shop.Onset = now
	prom := promtest.Serve(t, shop.Began, now, shop.Targets()...)
	jaeger := jaegertest.Serve(t, requests(shop, now)...)
	for _, cfg := range []collect.Config{{Prometheus: prom.URL}, {Jaeger: jaeger.URL}, {Prometheus: prom.URL, Jaeger: jaeger.URL}} {
		if res := run(t, cfg); res.Verdict != result.Unsure || !strings.Contains(res.Why, "old") {
			t.Errorf("%s (%s), want unsure because the newest data are two minutes old", res.Verdict, res.Why)
		}
	}
}

// Traces that were kept because they were slow are not the level of the entry.
func TestChosenTraces(t *testing.T) {
	shop, now := world()
	shop.Slow, shop.Every = 0, 15*time.Second
	prom := promtest.Serve(t, shop.Began, now, shop.Targets()...)
	traces := requests(shop, now) // every second one is among the slow requests, which are rare
	for i := range traces {
		if i%2 == 0 {
			for j := range traces[i].Spans {
				traces[i].Spans[j].Duration += 300 * time.Millisecond
			}
		}
	}
	jaeger := jaegertest.Serve(t, traces...)
	res := run(t, collect.Config{Prometheus: prom.URL, Jaeger: jaeger.URL})
	warned := slices.ContainsFunc(res.Warnings, func(w string) bool { return strings.Contains(w, "chosen by duration") })
	if res.Verdict != result.Unsure || !warned {
		t.Errorf("%s (%s) by %s, warnings %q", res.Verdict, res.Why, res.DecidedBy, res.Warnings)
	}
}

// Metrics that know the entry and traces that contradict them are no certainty.
func TestDisagreement(t *testing.T) {
	shop, now := world()
	shop.Onset = now.Add(-110 * time.Second)
	quiet := shop
	quiet.Slow, quiet.Every = 0, 15*time.Second
	prom := promtest.Serve(t, shop.Began, now, quiet.Targets()...)
	traces := requests(shop, now) // 46 ms from the onset on
	for i := range traces {
		for j := range traces[i].Spans {
			if s := &traces[i].Spans[j]; s.Duration > 300*time.Millisecond {
				s.Duration -= 280 * time.Millisecond
			}
		}
	}
	jaeger := jaegertest.Serve(t, traces...)
	res := run(t, collect.Config{Prometheus: prom.URL, Jaeger: jaeger.URL})
	if res.Verdict != result.Unsure || !strings.Contains(res.Why, "disagree") && len(res.Warnings) == 0 {
		t.Errorf("%s (%s) by %s, warnings %q", res.Verdict, res.Why, res.DecidedBy, res.Warnings)
	}
}
