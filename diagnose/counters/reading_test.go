package counters_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/counters"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query/prometheus/promtest"
	"github.com/tenhop/tenhop/signals"
)

// Native histograms alone give the answer that classic ones give.
func TestNativeIsClassic(t *testing.T) {
	onset := began.Add(200 * time.Second)
	now := onset.Add(60 * time.Second)
	for slow := 0; slow < 13; slow += 3 {
		f := promtest.NewFleet(uint64(slow), 13, began, onset)
		f.Slow(slow, .2)
		classic := read(t, now, counters.Options{}, variant(func(*protocol) {})(f)...)
		native := read(t, now, counters.Options{}, variant(func(p *protocol) { p.native = true })(f)...)
		if len(classic.Findings) == 0 || len(native.Findings) == 0 {
			t.Fatalf("%s and %s", classic.Verdict, native.Verdict)
		}
		c, n := classic.Findings[0], native.Findings[0]
		if c.Hop != n.Hop || c.Kind != n.Kind || math.Abs(c.Share-n.Share) > .01 || classic.Verdict != native.Verdict {
			t.Errorf("classic: %s %s %s %.3f, native: %s %s %s %.3f", classic.Verdict, c.Hop, c.Kind, c.Share, native.Verdict, n.Hop, n.Kind, n.Share)
		}
	}
}

// The middleware's own families may be native only, too. Where both forms exist, one is
// read.
func TestNativeHops(t *testing.T) {
	f := &promtest.Fleet{Began: began, Onset: began.Add(200 * time.Second), Every: 2 * time.Second}
	now := f.Onset.Add(60 * time.Second)
	hop := func(native, classic bool) []promtest.Target {
		var out []promtest.Target
		for i, s := range []struct {
			name         string
			self, added  float64
			took, slower float64
		}{{"edge", .005, 0, .03, .2}, {"deep", .02, .2, .02, .2}} {
			l := labels("service_name", s.name, "operation", []string{"GET /", "Get"}[i], "entry", "GET /", "flow", "request")
			t := promtest.Target{Job: s.name, Instance: s.name, Every: f.Every}
			add := func(family string, l map[string]string, before, then float64) {
				if native {
					t.Counters = append(t.Counters, f.Native(family, l, 20, before, then)...)
				}
				if classic {
					t.Counters = append(t.Counters, f.Histogram(family, l, 20, before, then, 1)...)
				}
			}
			add("hop_self_duration_seconds", l, s.self, s.self+s.added)
			add("hop_duration_seconds", l, s.took, s.took+s.slower)
			if i == 0 {
				add("hop_wait_duration_seconds", with(l, "dependency", "deep", "dependency_kind", "grpc"), .025, .225)
			}
			out = append(out, t)
		}
		return out
	}
	var requests []int
	for _, form := range [][2]bool{{false, true}, {true, false}, {true, true}} {
		res := read(t, now, counters.Options{}, hop(form[0], form[1])...)
		if res.Verdict != result.Spike || len(res.Findings) != 1 || res.Findings[0].Hop != "deep" || math.Abs(res.Findings[0].Share-1) > .02 {
			t.Errorf("native %v, classic %v: %s %+v", form[0], form[1], res.Verdict, res.Findings)
		}
		requests = append(requests, res.Requests.Now)
	}
	if math.Abs(float64(requests[1]-requests[0])) > 20 || math.Abs(float64(requests[2]-requests[0])) > 20 {
		t.Errorf("requests %v, want the same in each form", requests)
	}
	srv := promtest.Serve(t, began, now, hop(true, false)...)
	e := evidence.EntrySeries{Entry: result.Entry{Service: "edge", Operation: "GET /"}}
	v, err := counters.P95(t.Context(), clientOf(t, srv), e, []result.Range{{From: began.Add(20 * time.Second), To: began.Add(80 * time.Second)},
		{From: began.Add(100 * time.Second), To: began.Add(180 * time.Second)}})
	if err != nil || v < .027 || v > .033 {
		t.Errorf("p95 %v (%v), want about 0.03 from native buckets", v, err)
	}
}

// A fleet that several conventions describe has as many requests as one convention counts.
func TestCountedOnce(t *testing.T) {
	onset := began.Add(200 * time.Second)
	f := promtest.NewFleet(3, 13, began, onset)
	now := onset.Add(60 * time.Second)
	once := read(t, now, counters.Options{}, variant(func(*protocol) {})(f)...)
	repeated := variant(func(*protocol) {})(f) // the same names, computed from spans
	for i := range repeated {
		repeated[i].Job, repeated[i].Instance = "stack", "stack"
		for _, c := range repeated[i].Counters {
			c.Labels["source"], c.Labels["service_name"] = "spans", f.Services[i].Name
		}
	}
	often := read(t, now, counters.Options{}, append(all(variant(func(*protocol) {}), older, connector, graph("", 1), istio)(f), repeated...)...)
	if once.Requests.Now == 0 || once.Requests != often.Requests || once.Verdict != result.None || often.Verdict != result.None {
		t.Errorf("%s with %+v, and %s with %+v requests under several conventions", once.Verdict, once.Requests, often.Verdict, often.Requests)
	}
}

// The traffic of one entry is not growth of another. The hop that got slower is named,
// and not those that others ask more often.
func TestOtherTraffic(t *testing.T) {
	onset := began.Add(200 * time.Second)
	now := onset.Add(60 * time.Second)
	quiet, busy := promtest.NewFleet(5, 13, began, onset), promtest.NewFleet(5, 13, began, onset)
	busy.Services[0].Operations[1].Send(40, true)
	for _, slow := range []int{0, 4, 7} {
		busy.Slow(slow, .2)
		res := read(t, now, counters.Options{}, all(connector, graph("_seconds", 1))(busy)...)
		if res.Verdict != result.Spike || res.Findings[0].Hop != quiet.Services[slow].Name {
			t.Errorf("hop %d: %s, %+v", slow, res.Verdict, res.Findings)
		}
	}
}

// Labels that no convention has are named by the options.
func TestLabels(t *testing.T) {
	onset := began.Add(200 * time.Second)
	now := onset.Add(60 * time.Second)
	f := promtest.NewFleet(8, 13, began, onset)
	f.Slow(4, .2)
	targets := variant(func(p *protocol) { p.service, p.route, p.peer = "component", "endpoint", "upstream" })(f)
	res := read(t, now, counters.Options{Labels: signals.Labels{"service": {"component"}, "operation": {"endpoint"}, "dependency": {"upstream"}}}, targets...)
	if res.Verdict != result.Spike || res.Findings[0].Hop != f.Services[4].Name {
		t.Errorf("%s (%s): %+v", res.Verdict, res.Why, res.Findings)
	}
}

// Self times that were derived from spans serve hops without the middleware, and those
// only.
func TestSelfTimesFromSpans(t *testing.T) {
	onset := began.Add(200 * time.Second)
	now := onset.Add(60 * time.Second)
	for slow := 0; slow < 11; slow += 2 {
		f := promtest.NewFleet(2, 13, began, onset)
		f.Slow(slow, .2)
		res := read(t, now, counters.Options{}, all(derived, connector, graph("_seconds", 1))(f)...)
		if res.Verdict != result.Spike || len(res.Findings) != 1 || res.Findings[0].Hop != f.Services[slow].Name || math.Abs(res.Findings[0].Share-1) > .1 {
			t.Errorf("hop %d %s: %s (%s): %+v", slow, f.Services[slow].Name, res.Verdict, res.Why, res.Findings)
		}
	}
}

// derived returns hop_* with source="spans" of all services, and the same without source
// of those with an even index.
func derived(f *promtest.Fleet) []promtest.Target {
	spans := promtest.Target{Job: "stack", Instance: "stack", Every: f.Every}
	out := []promtest.Target{}
	for i, s := range f.Services {
		own := promtest.Target{Job: s.Name, Instance: s.Name, Every: f.Every, Phase: time.Duration(i) * 100 * time.Millisecond}
		for _, entry := range f.Services[0].Operations {
			for _, op := range s.Operations {
				rate := entry.Sends(op)
				if rate == 0 {
					continue
				}
				l := labels("service_name", s.Name, "operation", op.Name, "entry", entry.Name, "protocol", "http")
				spans.Counters = append(spans.Counters, f.Histogram("hop_self_duration_seconds", with(l, "source", "spans"), rate, op.Self, op.Self+op.Added, 1)...)
				if i%2 == 0 {
					before, then := op.Took()
					own.Counters = append(own.Counters, f.Histogram("hop_self_duration_seconds", with(l, "flow", "request"), rate, op.Self, op.Self+op.Added, 1)...)
					own.Counters = append(own.Counters, f.Histogram("hop_duration_seconds", with(l, "flow", "request"), rate, before, then, 1)...)
				}
			}
		}
		out = append(out, own)
	}
	return append(out, spans)
}

// An error text names what was looked for, what is there and the remedy.
func TestNothingToRead(t *testing.T) {
	at := func(time.Time) float64 { return 1 }
	res := read(t, began.Add(120*time.Second), counters.Options{}, promtest.Target{Job: "x", Instance: "x", Every: 5 * time.Second, Counters: []promtest.Counter{
		{Name: "acme_rpc_latency_seconds_sum", Labels: labels("a", "1"), At: at}, {Name: "acme_rpc_latency_seconds_sum", Labels: labels("a", "2"), At: at},
		{Name: "go_goroutines", At: at, Labels: labels("a", "1")}}})
	for _, want := range []string{"Istio", "Micrometer", "acme_rpc_latency_seconds_sum (2 series)", "--label", "OTLP"} {
		if res.Verdict != result.Unsure || !strings.Contains(res.Why, want) {
			t.Errorf("%s: %q does not contain %q", res.Verdict, res.Why, want)
		}
	}
	if strings.Contains(res.Why, "goroutines") {
		t.Error(res.Why)
	}
}

// A hop without the middleware between two hops with it: the time of its callee counts
// once.
func TestHopInTheMiddle(t *testing.T) {
	f := &promtest.Fleet{Began: began, Onset: began.Add(200 * time.Second), Every: 2 * time.Second}
	now := f.Onset.Add(60 * time.Second)
	hop := func(name, operation string, self, took [2]float64) promtest.Target {
		l := labels("service_name", name, "operation", operation, "entry", "GET /", "flow", "request")
		return promtest.Target{Job: name, Instance: name, Every: f.Every, Counters: append(
			f.Histogram("hop_self_duration_seconds", l, 20, self[0], self[1], 1), f.Histogram("hop_duration_seconds", l, 20, took[0], took[1], 1)...)}
	}
	for _, kind := range []string{"http", "grpc"} {
		for _, foreign := range []bool{true, false} { // whether the middle sends spans
			page := hop("page", "GET /", [2]float64{.005, .005}, [2]float64{.05, .257})
			for _, w := range []struct {
				dependency   string
				before, then float64
			}{{"dims", .03, .237}, {"ads", .012, .012}} {
				page.Counters = append(page.Counters, f.Histogram("hop_wait_duration_seconds", labels("service_name", "page", "operation", "GET /", "entry", "GET /",
					"flow", "request", "dependency", w.dependency, "dependency_kind", kind), 20, w.before, w.then, 1)...)
			}
			srv := promtest.Serve(t, began, now, page, hop("rates", "GET /rates", [2]float64{.02, .223}, [2]float64{.02, .223}))
			ev, _, err := counters.Read(t.Context(), clientOf(t, srv), began, now, counters.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if foreign {
				ev.Foreign = map[string]bool{"dims": true, "ads": true}
			}
			res := diagnose.Diagnose(diagnose.Evidence{Metrics: ev}, diagnose.Options{}).Result()
			if len(res.Findings) != 1 || res.Findings[0].Hop != "rates" {
				t.Errorf("%s, foreign %v: %+v, want rates alone", kind, foreign, res.Findings)
			}
		}
	}
}

// failing returns a chain of three services of which the last fails a fifth of the
// requests from the onset on, and the others pass that on.
func failing(f *promtest.Fleet, series func(caller, callee string, rate float64, failed func(time.Time) float64) []promtest.Counter) promtest.Target {
	failed := func(at time.Time) float64 { return 4 * max(at.Sub(f.Onset).Seconds(), 0) }
	t := promtest.Target{Job: "collector", Instance: "c", Every: f.Every}
	for _, edge := range [][2]string{{"user", "front"}, {"front", "middle"}, {"middle", "back"}} {
		t.Counters = append(t.Counters, series(edge[0], edge[1], 20, failed)...)
	}
	return t
}

// Failures of span metrics, a service graph and a mesh begin at the last service that
// fails.
func TestFailuresByConvention(t *testing.T) {
	f := &promtest.Fleet{Began: began, Onset: began.Add(200 * time.Second), Every: 5 * time.Second}
	now := f.Onset.Add(60 * time.Second)
	ok := func(name string, l map[string]string) []promtest.Counter {
		return f.Histogram(name, l, 20, .02, .02, 1)
	}
	for name, series := range map[string]func(caller, callee string, rate float64, failed func(time.Time) float64) []promtest.Counter{
		"service graph": func(caller, callee string, _ float64, failed func(time.Time) float64) []promtest.Counter {
			l := labels("client", caller, "server", callee)
			out := append(ok("traces_service_graph_request_client_seconds", l), ok("traces_service_graph_request_server_seconds", l)...)
			return append(out, promtest.Counter{Name: signals.GraphFailures, Labels: l, At: failed})
		},
		"span metrics": func(caller, callee string, _ float64, failed func(time.Time) float64) []promtest.Counter {
			const family = "traces_span_metrics_duration_seconds"
			var out []promtest.Counter
			for _, side := range [][2]string{{callee, "SPAN_KIND_SERVER"}, {caller, "SPAN_KIND_CLIENT"}} {
				if side[0] == "user" {
					continue
				}
				l := labels("service_name", side[0], "span_kind", side[1], "span_name", "acme."+callee+"/Do", "status_code", "STATUS_CODE_UNSET")
				out = append(out, ok(family, l)...)
				out = append(out, promtest.Counter{Name: family + "_count", Labels: with(l, "status_code", "STATUS_CODE_ERROR"), At: failed})
			}
			return out
		},
		"mesh": func(caller, callee string, _ float64, failed func(time.Time) float64) []promtest.Counter {
			const family = "istio_request_duration_milliseconds"
			var out []promtest.Counter
			for _, reporter := range []string{"source", "destination"} {
				l := labels("source_workload", caller, "destination_workload", callee, "reporter", reporter, "response_code", "200")
				out = append(out, ok(family, l)...)
				out = append(out, promtest.Counter{Name: family + "_count", Labels: with(l, "response_code", "503"), At: failed})
			}
			return out
		},
	} {
		t.Run(name, func(t *testing.T) {
			res := read(t, now, counters.Options{}, failing(f, series))
			if res.Verdict != result.Errors || res.Entry.Service != "front" || len(res.Findings) != 1 || res.Findings[0].Hop != "back" {
				t.Errorf("%s (%s) at %+v: %+v", res.Verdict, res.Why, res.Entry, res.Findings)
			}
		})
	}
}

// A program that sends requests and spans, but serves nothing, is no service in front of
// the entry: the middleware's families are read.
func TestLoadGenerator(t *testing.T) {
	shop := promtest.Shop{Began: began, Onset: began.Add(200 * time.Second), Slow: .3}
	now := shop.Onset.Add(60 * time.Second)
	f := &promtest.Fleet{Began: began, Onset: shop.Onset, Every: 5 * time.Second}
	graph := promtest.Target{Job: "collector", Instance: "c", Every: f.Every}
	for _, edge := range [][2]string{{"load", "gateway"}, {"gateway", "payment"}} {
		l := labels("client", edge[0], "server", edge[1])
		graph.Counters = append(graph.Counters, f.Histogram("traces_service_graph_request_client_seconds", l, 20, .03, .33, 1)...)
		graph.Counters = append(graph.Counters, f.Histogram("traces_service_graph_request_server_seconds", l, 20, .03, .33, 1)...)
	}
	srv := promtest.Serve(t, began, now, append(shop.Targets(), graph)...)
	ev, _, err := counters.Read(t.Context(), clientOf(t, srv), began, now, counters.Options{})
	if err != nil || ev.RED || len(ev.Hops) != 2 || len(ev.Nodes) != 0 {
		t.Errorf("%v: RED %v, %d hops", err, ev.RED, len(ev.Hops))
	}
}

// A gateway without the middleware in front of services with it: the requests begin at the
// gateway, and its own time can be found.
func TestGatewayWithoutMiddleware(t *testing.T) {
	shop := promtest.Shop{Began: began, Onset: began.Add(200 * time.Second)}
	now := shop.Onset.Add(60 * time.Second)
	f := &promtest.Fleet{Began: began, Onset: shop.Onset, Every: 5 * time.Second}
	graph := promtest.Target{Job: "collector", Instance: "c", Every: f.Every}
	for _, edge := range []struct {
		client, server string
		before, then   float64
	}{{"user", "proxy", .04, .34}, {"proxy", "gateway", .026, .026}, {"gateway", "payment", .02, .02}} {
		l := labels("client", edge.client, "server", edge.server)
		graph.Counters = append(graph.Counters, f.Histogram("traces_service_graph_request_client_seconds", l, 20, edge.before, edge.then, 1)...)
		graph.Counters = append(graph.Counters, f.Histogram("traces_service_graph_request_server_seconds", l, 20, edge.before, edge.then, 1)...)
	}
	res := read(t, now, counters.Options{}, append(shop.Targets(), graph)...)
	if res.Verdict != result.Spike || res.Entry.Service != "proxy" || res.Findings[0].Hop != "proxy" || len(res.Findings) != 1 {
		t.Errorf("%s (%s) at %+v: %+v", res.Verdict, res.Why, res.Entry, res.Findings)
	}
}

// Protocol families that cover few of a service's requests do not hide those of spans.
func TestProtocolWithoutMetrics(t *testing.T) {
	onset := began.Add(200 * time.Second)
	f := promtest.NewFleet(6, 13, began, onset)
	f.Slow(5, .2)
	health := promtest.Target{Job: f.Services[5].Name, Instance: "h", Every: f.Every, Counters: f.Histogram(signals.HTTPServer,
		labels("http_request_method", "GET", "http_route", "/healthz"), .2, .001, .001, 1)}
	res := read(t, onset.Add(60*time.Second), counters.Options{}, append(all(connector, graph("_seconds", 1))(f), health)...)
	if res.Verdict != result.Spike || res.Findings[0].Hop != f.Services[5].Name {
		t.Errorf("%s (%s): %+v", res.Verdict, res.Why, res.Findings)
	}
}

// Metrics from spans are some seconds late. The time of a callee that only they know is
// not the link's meanwhile.
func TestLateMetricsFromSpans(t *testing.T) {
	f := promtest.Fleet{Began: began, Onset: began.Add(200 * time.Second), Every: 2 * time.Second}
	late := f
	late.Onset = f.Onset.Add(8 * time.Second)
	now := f.Onset.Add(14 * time.Second)
	l := labels("service_name", "page", "operation", "GET /", "entry", "GET /", "flow", "request")
	page := promtest.Target{Job: "page", Instance: "page", Every: f.Every, Counters: slices.Concat(
		f.Histogram("hop_self_duration_seconds", l, 20, .005, .005, 1), f.Histogram("hop_duration_seconds", l, 20, .02, .22, 1),
		f.Histogram("hop_wait_duration_seconds", with(with(l, "dependency", "dims"), "dependency_kind", "http"), 20, .015, .215, 1))}
	s := labels("service_name", "dims", "operation", "GET /dims", "entry", "GET /", "flow", "request", "source", "spans")
	spans := promtest.Target{Job: "stack", Instance: "stack", Every: f.Every, Counters: append(
		late.Histogram("hop_self_duration_seconds", s, 20, .014, .214, 1), late.Histogram("hop_duration_seconds", s, 20, .014, .214, 1)...)}
	res := read(t, now, counters.Options{}, page, spans)
	if res.Verdict != result.Spike || len(res.Findings) != 1 || res.Findings[0].Kind == result.KindLink || res.Findings[0].Share < .9 {
		t.Errorf("%s: %+v", res.Verdict, res.Findings)
	}
}
