package counters_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/counters"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query/prometheus/promtest"
	"github.com/tenhop/tenhop/signals"
)

// exporter returns what a fleet exports under a convention.
type exporter func(f *promtest.Fleet) []promtest.Target

func labels(pairs ...string) map[string]string {
	out := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out
}

func with(l map[string]string, pairs ...string) map[string]string {
	for k, v := range l {
		pairs = append([]string{k, v}, pairs...)
	}
	return labels(pairs...)
}

// host returns the name or address by which callers know a service.
type host func(f *promtest.Fleet, service int) string

func dns(f *promtest.Fleet, service int) string {
	return f.Services[service].Name + ".prod.svc.cluster.local"
}
func address(_ *promtest.Fleet, service int) string { return fmt.Sprintf("10.0.0.%d", service) }

// protocol names the families and labels of a convention for single protocols.
type protocol struct {
	server, client, consumer, store string
	unit                            float64
	method, route, peer             string
	job                             string // prefix of the job
	service                         string // label of the service, or "" for the job
	host                            host
	native                          bool
}

// perProcess returns the exporter of a convention whose series are scraped from each
// process.
func perProcess(p protocol) exporter {
	return func(f *promtest.Fleet) []promtest.Target {
		var out []promtest.Target
		for i, s := range f.Services {
			t := promtest.Target{Job: p.job + s.Name, Instance: fmt.Sprintf("i:%d", i), Every: f.Every, Phase: time.Duration(i) * 300 * time.Millisecond}
			own := labels()
			if p.service != "" {
				t.Job = "pods"
				if p.service != "target_info" {
					own[p.service] = s.Name
				} else {
					t.Counters = append(t.Counters, promtest.Counter{Name: "target_info", Labels: labels("service_name", s.Name),
						At: func(time.Time) float64 { return 1 }})
				}
			}
			add := func(family string, l map[string]string, rate, before, then float64) {
				if p.native {
					t.Counters = append(t.Counters, f.Native(family, l, rate, before, then)...)
				} else {
					t.Counters = append(t.Counters, f.Histogram(family, l, rate, before, then, p.unit)...)
				}
			}
			for _, op := range s.Operations {
				method, route, _ := strings.Cut(op.Name, " ")
				before, then := op.Took()
				if op.Consumer {
					add(p.consumer, with(own, "messaging_operation_name", "process", "messaging_destination_name", route), op.Rate, before, then)
				} else {
					add(p.server, with(own, p.method, method, p.route, route, "http_response_status_code", "200"), op.Rate, before, then)
				}
				for n, c := range op.Calls {
					before, then := c.Took()
					if c.Operation == nil {
						add(p.store, with(own, "db_operation_name", fmt.Sprint("SELECT", route), "db_system_name", "postgresql"), op.Rate, before, then)
						continue
					}
					// The client knows no route. n keeps two calls to one host apart.
					add(p.client, with(own, p.method, method, p.peer, p.host(f, c.Service), "url_scheme", fmt.Sprint(route, n)), op.Rate, before, then)
				}
			}
			out = append(out, t)
		}
		return out
	}
}

// semantic is the convention of today.
var semantic = protocol{server: signals.HTTPServer, client: signals.HTTPClient, consumer: signals.MessagesHandled, store: signals.DatabaseClient, unit: 1,
	method: "http_request_method", route: "http_route", peer: "server_address", job: "prod/", host: dns}

func variant(change func(*protocol)) exporter {
	p := semantic
	change(&p)
	return perProcess(p)
}

// spans returns the exporter of span metrics. Without graph, calls do not name their
// callee.
func spans(family, service string, unit float64) exporter {
	return func(f *promtest.Fleet) []promtest.Target {
		t := promtest.Target{Job: "collector", Instance: "c:1", Every: f.Every}
		for _, s := range f.Services {
			for _, op := range s.Operations {
				kind := "SPAN_KIND_SERVER"
				if op.Consumer {
					kind = "SPAN_KIND_CONSUMER"
				}
				before, then := op.Took()
				t.Counters = append(t.Counters, f.Growing(family, labels(service, s.Name, "span_name", op.Name, "span_kind", kind), op.Rate, op.More, before, then, unit)...)
				t.Counters = append(t.Counters, f.Growing(family, labels(service, s.Name, "span_name", "work "+op.Name, "span_kind", "SPAN_KIND_INTERNAL"),
					op.Rate, op.More, before, then, unit)...)
				for n, c := range op.Calls {
					before, then := c.Took()
					name := "SELECT"
					if c.Operation != nil {
						name = c.Name
					}
					t.Counters = append(t.Counters, f.Growing(family, labels(service, s.Name, "span_name", name, "span_kind", "SPAN_KIND_CLIENT", "at", fmt.Sprint(op.Name, n)),
						op.Rate, op.More, before, then, unit)...)
				}
			}
		}
		return []promtest.Target{t}
	}
}

// pair is an edge of the fleet's graph with its calls.
type pair struct{ client, server, kind string }

// graph returns the exporter of a service graph.
func graph(suffix string, unit float64) exporter {
	return func(f *promtest.Fleet) []promtest.Target {
		t := promtest.Target{Job: "collector", Instance: "c:2", Every: f.Every, Phase: time.Second}
		n := 0
		edge := func(p pair, rate, more, clientBefore, clientThen, serverBefore, serverThen float64) {
			n++
			l := labels("client", p.client, "server", p.server, "connection_type", p.kind, "at", fmt.Sprint(n))
			t.Counters = append(t.Counters, f.Growing("traces_service_graph_request_client"+suffix, l, rate, more, clientBefore, clientThen, unit)...)
			t.Counters = append(t.Counters, f.Growing("traces_service_graph_request_server"+suffix, l, rate, more, serverBefore, serverThen, unit)...)
		}
		for i, s := range f.Services {
			for _, op := range s.Operations {
				before, then := op.Took()
				switch {
				case i == 0:
					edge(pair{"user", s.Name, "virtual_node"}, op.Rate, op.More, before, then, before, then)
				case op.Consumer:
					edge(pair{f.Services[1].Name, s.Name, "messaging_system"}, op.Rate, op.More, .001, .001, before, then)
				}
				for _, c := range op.Calls {
					cb, ct := c.Took()
					if c.Operation == nil {
						edge(pair{s.Name, "postgresql", "database"}, op.Rate, op.More, cb, ct, cb, ct)
						continue
					}
					sb, st := c.Operation.Took()
					edge(pair{s.Name, f.Services[c.Service].Name, ""}, op.Rate, op.More, cb, ct, sb, st)
				}
			}
		}
		return []promtest.Target{t}
	}
}

// istio returns what the proxies at both ends of each call report.
func istio(f *promtest.Fleet) []promtest.Target {
	var out []promtest.Target
	for i, s := range f.Services {
		out = append(out, promtest.Target{Job: "proxies", Instance: s.Name, Every: f.Every, Phase: time.Duration(i) * 200 * time.Millisecond})
	}
	n := 0
	call := func(at int, reporter, source, destination string, rate, before, then float64) {
		n++
		l := labels("reporter", reporter, "source_workload", source, "destination_workload", destination, "response_code", "200", "at", fmt.Sprint(n))
		out[at].Counters = append(out[at].Counters, f.Histogram("istio_request_duration_milliseconds", l, rate, before, then, 1000)...)
	}
	for i, s := range f.Services {
		for _, op := range s.Operations {
			before, then := op.Took()
			if i == 0 || op.Consumer {
				call(i, "destination", "unknown", s.Name, op.Rate, before, then)
			}
			for _, c := range op.Calls {
				if c.Operation != nil {
					cb, ct := c.Took()
					sb, st := c.Operation.Took()
					call(i, "source", s.Name, f.Services[c.Service].Name, op.Rate, cb, ct)
					call(c.Service, "destination", s.Name, f.Services[c.Service].Name, op.Rate, sb, st)
				}
			}
		}
	}
	return out
}

// all joins exporters.
func all(list ...exporter) exporter {
	return func(f *promtest.Fleet) (out []promtest.Target) {
		for _, e := range list {
			out = append(out, e(f)...)
		}
		return out
	}
}

var older = variant(func(p *protocol) {
	p.server, p.client, p.unit = "http_server_duration_milliseconds", "http_client_duration_milliseconds", 1000
	p.method, p.peer = "http_method", "net_peer_name"
	p.consumer, p.store = "messaging_process_duration", "db_client_operation_duration"
})

var micrometer = variant(func(p *protocol) {
	p.server, p.client, p.method, p.route, p.peer = "http_server_requests_seconds", "http_client_requests_seconds", "method", "uri", "client_name"
	p.service = "application"
})

var connector = spans("traces_span_metrics_duration_milliseconds", "service_name", 1000)

// Each convention names the hop that got slower, whatever its services are called.
func TestConventions(t *testing.T) {
	for _, c := range []struct {
		name   string
		export exporter
		every  bool // slow each hop, and not each fourth one
	}{
		{"semantic conventions", variant(func(*protocol) {}), false},
		{"semantic conventions, native histograms", variant(func(p *protocol) { p.native = true }), false},
		{"semantic conventions, service in target_info", variant(func(p *protocol) { p.service = "target_info" }), false},
		{"semantic conventions, callees by address", variant(func(p *protocol) { p.host = address }), true},
		{"OBI", variant(func(p *protocol) { p.service = "service_name" }), false},
		{"older conventions in milliseconds", older, false},
		{"older and newer at once", all(older, variant(func(*protocol) {})), false},
		{"Micrometer", micrometer, false},
		{"Micrometer and a service graph", all(micrometer, graph("", 1)), false},
		{"span metrics in milliseconds and service graph", all(connector, graph("_seconds", 1)), true},
		{"span metrics in seconds", spans("traces_span_metrics_duration_seconds", "service_name", 1), false},
		{"old span metrics", all(spans("duration_milliseconds", "service_name", 1000), graph("_milliseconds", 1000)), false},
		{"old span metrics processor", spans("latency", "service_name", 1000), false},
		{"Tempo", all(spans("traces_spanmetrics_latency", "service", 1), graph("_seconds", 1)), false},
		{"service graph alone", graph("_seconds", 1), false},
		{"Istio", istio, false},
		{"everything at once", all(variant(func(*protocol) {}), connector, graph("_seconds", 1), istio), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			onset := began.Add(200 * time.Second)
			now := onset.Add(60 * time.Second)
			for slow := 0; slow < 13; slow++ {
				if !c.every && slow%4 != 0 {
					continue
				}
				f := promtest.NewFleet(uint64(slow), 13, began, onset)
				f.Slow(slow, .2)
				res := read(t, now, counters.Options{}, c.export(f)...)
				want := f.Services[slow].Name
				if len(res.Findings) > 0 && res.Verdict == result.Spike && res.Findings[0].Hop == want && res.Findings[0].Kind == result.KindSelf {
					if s := res.Findings[0].Share; s < .8 || s > 1.25 {
						t.Errorf("share %.2f of hop %d", s, slow)
					}
					continue
				}
				t.Errorf("hop %d %s: %s (%s), entry %+v, %d findings", slow, want, res.Verdict, res.Why, res.Entry, len(res.Findings))
				for _, f := range res.Findings[:min(len(res.Findings), 4)] {
					t.Logf("   %s %s %s +%.0f ms %.2f", f.Hop, f.Kind, f.Target, f.AddedMS, f.Share)
				}
			}
		})
	}
}

func read(t *testing.T, now time.Time, opt counters.Options, targets ...promtest.Target) result.Result {
	t.Helper()
	srv := promtest.Serve(t, began, now, targets...)
	ev, _, err := counters.Read(t.Context(), clientOf(t, srv), began, now, opt)
	if err != nil {
		t.Fatal(err)
	}
	d := diagnose.Diagnose(diagnose.Evidence{Metrics: ev}, diagnose.Options{})
	d.AddTraces(diagnose.Traces{})
	return d.Result()
}
