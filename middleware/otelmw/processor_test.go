package otelmw_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/otelmw"
)

// bed is a tracer provider with the processor, and a registry to read from.
type bed struct {
	t      testing.TB
	reg    *prometheus.Registry
	tel    *hop.Telemetry
	tp     *sdktrace.TracerProvider
	tracer trace.Tracer
	log    bytes.Buffer
}

func newBed(t testing.TB, opts ...otelmw.Option) *bed {
	b := &bed{t: t, reg: prometheus.NewRegistry()}
	b.tp = sdktrace.NewTracerProvider()
	var err error
	b.tel, err = hop.New(hop.WithServiceName("shop"), hop.WithRegistry(b.reg), hop.WithTracerProvider(b.tp),
		hop.WithLogger(slog.New(slog.NewTextHandler(&b.log, nil))))
	if err != nil {
		t.Fatal(err)
	}
	b.tp.RegisterSpanProcessor(otelmw.NewSpanProcessor(append(opts, otelmw.WithTelemetry(b.tel))...))
	b.tracer = b.tp.Tracer("other")
	return b
}

// histogram returns count and sum of the series of a family whose labels have all of
// the pairs.
func (b *bed) histogram(family string, pairs ...string) (count uint64, sum float64) {
	b.t.Helper()
	b.each(family, pairs, func(m *dto.Metric) {
		count += m.GetHistogram().GetSampleCount()
		sum += m.GetHistogram().GetSampleSum()
	})
	return count, sum
}

func (b *bed) counter(family string, pairs ...string) (v float64) {
	b.t.Helper()
	b.each(family, pairs, func(m *dto.Metric) { v += m.GetCounter().GetValue() })
	return v
}

func (b *bed) each(family string, pairs []string, f func(*dto.Metric)) {
	b.t.Helper()
	families, err := b.reg.Gather()
	if err != nil {
		b.t.Fatal(err)
	}
	for _, mf := range families {
		if mf.GetName() != family {
			continue
		}
	metrics:
		for _, m := range mf.GetMetric() {
			for i := 0; i < len(pairs); i += 2 {
				if !has(m, pairs[i], pairs[i+1]) {
					continue metrics
				}
			}
			f(m)
		}
	}
}

func has(m *dto.Metric, name, value string) bool {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue() == value
		}
	}
	return false
}

func lineWith(text, prefix string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, prefix) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

var t0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func at(ms float64) time.Time { return t0.Add(time.Duration(ms * float64(time.Millisecond))) }

// start starts a span at a time in milliseconds.
func (b *bed) start(ctx context.Context, name string, kind trace.SpanKind, ms float64, attrs ...attribute.KeyValue) (context.Context, trace.Span) {
	return b.tracer.Start(ctx, name, trace.WithSpanKind(kind), trace.WithTimestamp(at(ms)), trace.WithAttributes(attrs...))
}

func (b *bed) call(ctx context.Context, dep string, from, to float64) {
	_, s := b.start(ctx, "GET", trace.SpanKindClient, from, attribute.String("http.request.method", "GET"), attribute.String("peer.service", dep))
	s.End(trace.WithTimestamp(at(to)))
}

func end(s trace.Span, ms float64) { s.End(trace.WithTimestamp(at(ms))) }

var server = []attribute.KeyValue{attribute.String("http.request.method", "GET"), attribute.String("http.route", "/a")}

// near reports whether seconds are the milliseconds.
func near(seconds, ms float64) bool { d := seconds*1000 - ms; return d < 0.001 && d > -0.001 }

func TestSelfTimeIsWhatNoCallCovers(t *testing.T) {
	for name, c := range map[string]struct {
		spans      func(b *bed, ctx context.Context)
		self, wait float64 // of 100 ms; wait for "db"
	}{
		"no call":        {func(*bed, context.Context) {}, 100, 0},
		"one call":       {func(b *bed, ctx context.Context) { b.call(ctx, "db", 10, 40) }, 70, 30},
		"parallel":       {func(b *bed, ctx context.Context) { b.call(ctx, "db", 10, 40); b.call(ctx, "db", 20, 50) }, 60, 40},
		"out of order":   {func(b *bed, ctx context.Context) { b.call(ctx, "db", 60, 80); b.call(ctx, "db", 10, 70) }, 30, 70},
		"two names":      {func(b *bed, ctx context.Context) { b.call(ctx, "db", 10, 40); b.call(ctx, "x", 30, 60) }, 50, 30},
		"beyond the end": {func(b *bed, ctx context.Context) { b.call(ctx, "db", 90, 140) }, 90, 10},
		"before the hop": {func(b *bed, ctx context.Context) { b.call(ctx, "db", -20, 5) }, 95, 5},
		"below an internal span": {func(b *bed, ctx context.Context) {
			ctx, s := b.start(ctx, "work", trace.SpanKindInternal, 5)
			b.call(ctx, "db", 10, 40)
			end(s, 90)
		}, 70, 30},
		"a call within a call": {func(b *bed, ctx context.Context) {
			ctx, s := b.start(ctx, "S3.GetObject", trace.SpanKindClient, 10, attribute.String("rpc.system", "aws-api"), attribute.String("rpc.service", "db"))
			b.call(ctx, "bucket.host", 15, 40)
			end(s, 50)
		}, 60, 40},
		"never ended": {func(b *bed, ctx context.Context) {
			b.start(ctx, "GET", trace.SpanKindClient, 80, attribute.String("peer.service", "db"))
		}, 80, 20},
		"below a handler within the handler": {func(b *bed, ctx context.Context) {
			ctx, s := b.start(ctx, "inner", trace.SpanKindServer, 1, server...)
			b.call(ctx, "db", 10, 40)
			end(s, 99)
		}, 70, 30},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			ctx, s := b.start(context.Background(), "GET /a", trace.SpanKindServer, 0, server...)
			c.spans(b, ctx)
			end(s, 100)
			n, self := b.histogram("hop_self_duration_seconds", "operation", "GET /a", "protocol", "http")
			_, wait := b.histogram("hop_wait_duration_seconds", "dependency", "db")
			if n != 1 || !near(self, c.self) || !near(wait, c.wait) {
				t.Errorf("%d hops, self %.3f ms, want %v; wait %.3f ms, want %v", n, self*1000, c.self, wait*1000, c.wait)
			}
			if n, _ := b.histogram("http_server_request_duration_seconds"); n != 1 {
				t.Errorf("%d requests are counted, want 1", n)
			}
		})
	}
}

// More calls than a hop remembers singly.
func TestSelfTimeOfManyCalls(t *testing.T) {
	b := newBed(t)
	ctx, s := b.start(context.Background(), "GET /a", trace.SpanKindServer, 0, server...)
	const n = 10_000
	for i := range n {
		b.call(ctx, "db", float64(i), float64(i)+0.5)
		b.call(ctx, "cart", float64(i), float64(i)+0.25)
	}
	end(s, n)
	_, self := b.histogram("hop_self_duration_seconds")
	_, db := b.histogram("hop_wait_duration_seconds", "dependency", "db")
	_, cart := b.histogram("hop_wait_duration_seconds", "dependency", "cart")
	if !near(self, n/2) || !near(db, n/2) || !near(cart, n/4) {
		t.Errorf("self %v, db %v, cart %v s", self, db, cart)
	}
}

// The intervals of 10,000 requests with parallel calls, against the adapters' own.
func TestSelfTimeAgreesWithTheAdapters(t *testing.T) {
	b := newBed(t)
	var now time.Time
	reg := prometheus.NewRegistry()
	own, err := hop.New(hop.WithServiceName("shop"), hop.WithRegistry(reg), hop.WithTracerProvider(sdktrace.NewTracerProvider()),
		hop.WithClock(func() time.Time { return now }), hop.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	var want float64
	for range 10_000 {
		now = at(0)
		_, h := own.Core().Begin(context.Background(), adapter.Incoming{Protocol: "http", Operation: "GET /a"})
		ctx, s := b.start(context.Background(), "GET /a", trace.SpanKindServer, 0, server...)
		type running struct {
			call adapter.Call
			span trace.Span
		}
		var calls []running
		clock := 0.0
		for range r.IntN(12) {
			clock += r.ExpFloat64() * 3
			now = at(clock)
			if len(calls) > 0 && r.IntN(2) == 0 {
				i := r.IntN(len(calls))
				calls[i].call.End()
				end(calls[i].span, clock)
				calls = append(calls[:i], calls[i+1:]...)
				continue
			}
			dep := fmt.Sprint("dep", r.IntN(3))
			_, span := b.start(ctx, "GET", trace.SpanKindClient, clock, attribute.String("peer.service", dep))
			calls = append(calls, running{h.StartCall(adapter.Dependency{Name: dep, Kind: adapter.KindHTTP}), span})
		}
		clock += r.ExpFloat64() * 3
		now = at(clock)
		want += h.End(adapter.Outcome{Quiet: true}).Self.Seconds()
		end(s, clock)
		for _, c := range calls { // after their parent
			end(c.span, clock+5)
		}
	}
	n, got := b.histogram("hop_self_duration_seconds")
	if n != 10_000 || got < want*0.999 || got > want*1.001 {
		t.Errorf("self time of %d requests is %.3f s, the adapters' is %.3f s", n, got, want)
	}
}

func TestRemoteParentsAndEntries(t *testing.T) {
	b := newBed(t)
	member, _ := baggage.NewMemberRaw("hop.entry", "POST /checkout")
	start, _ := baggage.NewMemberRaw("hop.start", "1767225600000")
	bag, _ := baggage.New(member, start)
	remote := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled, Remote: true})
	ctx := baggage.ContextWithBaggage(trace.ContextWithRemoteSpanContext(context.Background(), remote), bag)
	_, s := b.start(ctx, "acme.v1.Pay/Charge", trace.SpanKindServer, 0, attribute.String("rpc.system", "grpc"),
		attribute.String("rpc.service", "acme.v1.Pay"), attribute.String("rpc.method", "Charge"), attribute.Int("rpc.grpc.status_code", 13))
	s.SetStatus(codes.Error, "")
	end(s, 3)
	_, s = b.start(ctx, "process orders", trace.SpanKindConsumer, 0, attribute.String("messaging.system", "kafka"), attribute.String("messaging.destination.name", "orders"))
	end(s, 3)
	_, s = b.start(ctx, "GET", trace.SpanKindServer, 0, attribute.String("http.request.method", "GET"), attribute.String("http.route", "/items/{id}"),
		attribute.String("network.peer.address", "203.0.113.7"))
	end(s, 3)
	if n, _ := b.histogram("hop_duration_seconds", "entry", "GET /items/{id}", "operation", "GET /items/{id}"); n != 1 {
		t.Error("a caller from the internet names the entry")
	}
	if n, _ := b.histogram("hop_duration_seconds", "entry", "POST /checkout", "operation", "acme.v1.Pay/Charge", "protocol", "grpc", "flow", "request"); n != 1 {
		t.Error("the RPC is not a hop of its caller's entry")
	}
	if n, _ := b.histogram("rpc_server_call_duration_seconds", "rpc_response_status_code", "INTERNAL", "error_type", "INTERNAL"); n != 1 {
		t.Error("the failed RPC is not counted")
	}
	if n, _ := b.histogram("hop_completion_duration_seconds", "entry", "POST /checkout", "operation", "process orders"); n != 1 {
		t.Error("the record's completion is not observed")
	}
}

// Spans that never end are given up, the oldest first, and counted.
func TestNeverEndedSpansAreBounded(t *testing.T) {
	b := newBed(t, otelmw.WithMaxSpans(320))
	for range 100_000 {
		b.start(context.Background(), "leak", trace.SpanKindInternal, 0)
	}
	if n := b.counter("tenhop_tracked_spans_evicted_total"); n < 99_000 || n > 100_000-320 {
		t.Errorf("%v spans were given up", n)
	}
	ctx, s := b.start(context.Background(), "GET /a", trace.SpanKindServer, 0, server...)
	b.call(ctx, "db", 1, 2)
	end(s, 4)
	if _, self := b.histogram("hop_self_duration_seconds"); !near(self, 3) {
		t.Errorf("self time among leaked spans is %v", self)
	}
}

// A statement that a driver does not take has a span that never ends. It does not push
// out others.
func TestDiscardedSpansOfAdapters(t *testing.T) {
	b := newBed(t, otelmw.WithMaxSpans(320))
	_, s := b.start(context.Background(), "GET /a", trace.SpanKindServer, 0, server...)
	for range 10_000 {
		_, c := b.tel.Core().BeginCall(context.Background(), adapter.Outgoing{SpanKind: trace.SpanKindClient, Dependency: adapter.Dependency{Name: "db"}})
		c.Discard()
	}
	end(s, 4)
	if n, _ := b.histogram("hop_duration_seconds"); n != 1 || b.counter("tenhop_tracked_spans_evicted_total") != 0 {
		t.Errorf("%d hops, %v spans were given up", n, b.counter("tenhop_tracked_spans_evicted_total"))
	}
}

// A call that was given up is a wait no longer.
func TestAGivenUpCallIsNoWait(t *testing.T) {
	b := newBed(t, otelmw.WithMaxSpans(32))
	ctx, h := b.tel.Core().Begin(context.Background(), adapter.Incoming{Protocol: "http", Operation: "GET /a", SpanKind: trace.SpanKindServer})
	_, call := b.tracer.Start(ctx, "query", trace.WithSpanKind(trace.SpanKindClient))
	for range 1000 {
		b.start(context.Background(), "leak", trace.SpanKindInternal, 0)
	}
	time.Sleep(50 * time.Millisecond)
	call.End()
	h.End(adapter.Outcome{Quiet: true})
	if n, self := b.histogram("hop_self_duration_seconds"); n != 1 || self < 0.05 {
		t.Errorf("%d hops, self time %v", n, self)
	}
}

func TestConcurrentSpans(t *testing.T) {
	b := newBed(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 200 {
				ctx, s := b.start(context.Background(), "GET /a", trace.SpanKindServer, 0, server...)
				var calls sync.WaitGroup
				for range 4 {
					calls.Go(func() { b.call(ctx, "db", 10, 20) })
				}
				end(s, 30) // while calls end
				calls.Wait()
			}
		})
	}
	all.Wait()
	if n, _ := b.histogram("hop_self_duration_seconds"); n != 1600 {
		t.Errorf("%d hops, want 1600", n)
	}
}

// An adapter's hop and other instrumentation in one request: nothing twice.
func TestBesideTheAdapters(t *testing.T) {
	for name, outer := range map[string]bool{"adapter inside": true, "adapter outside": false} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			ctx := context.Background()
			var other trace.Span
			if outer {
				ctx, other = b.start(ctx, "GET /a", trace.SpanKindServer, 0, server...)
			}
			ctx, h := b.tel.Core().Begin(ctx, adapter.Incoming{Protocol: "http", Operation: "GET /a", SpanKind: trace.SpanKindServer})
			if !outer {
				ctx, other = b.start(ctx, "GET /a", trace.SpanKindServer, 0, server...)
			}
			_, call := b.tracer.Start(ctx, "SELECT", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
				attribute.String("db.system.name", "postgresql"), attribute.String("db.namespace", "orders")))
			time.Sleep(20 * time.Millisecond)
			call.End()
			if !outer {
				other.End()
			}
			h.End(adapter.Outcome{})
			if outer {
				other.End()
			}
			n, self := b.histogram("hop_self_duration_seconds")
			w, wait := b.histogram("hop_wait_duration_seconds", "dependency", "orders", "dependency_kind", "database")
			if n != 1 || w != 1 || wait < 0.02 || self > 0.015 {
				t.Errorf("%d hops with self %v s, %d waits of %v s", n, self, w, wait)
			}
			if n := b.counter("hop_outside_calls_total"); n != 0 {
				t.Errorf("%v calls count as outside the request", n)
			}
		})
	}
}

func TestCallsOutsideRequestsAreCounted(t *testing.T) {
	b := newBed(t)
	ctx, s := b.start(context.Background(), "GET /a", trace.SpanKindServer, 0, server...)
	end(s, 1)
	for range 3 {
		b.call(context.Background(), "rates", 0, 1)
	}
	b.call(ctx, "late", 2, 3) // belongs to a request that has ended
	if n := b.counter("hop_outside_calls_total", "dependency", "rates", "dependency_kind", "http"); n != 3 {
		t.Errorf("%v calls are counted, want 3", n)
	}
	if n := strings.Count(b.log.String(), "without the context of a request"); n != 1 {
		t.Errorf("%d warnings, want 1: %s", n, &b.log)
	}
}

// BenchmarkSpan measures a request of three spans, per span, and the SDK's part.
func BenchmarkSpan(bm *testing.B) {
	for _, with := range []bool{false, true} {
		bm.Run(fmt.Sprintf("processor=%v", with), func(bm *testing.B) {
			b := newBed(bm)
			if !with { // a processor that does nothing, so that spans are recorded alike
				b.tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(nothing{})).Tracer("other")
			}
			client := trace.WithAttributes(attribute.String("http.request.method", "GET"), attribute.String("server.address", "stock"),
				attribute.Int("http.response.status_code", 200), attribute.String("url.full", "http://stock/items/7"))
			handled := trace.WithAttributes(append(server, attribute.String("url.scheme", "http"), attribute.Int("http.response.status_code", 200))...)
			bm.ReportAllocs()
			for range bm.N {
				ctx, s := b.tracer.Start(context.Background(), "GET /a", trace.WithSpanKind(trace.SpanKindServer), handled)
				for range 2 {
					_, c := b.tracer.Start(ctx, "GET", trace.WithSpanKind(trace.SpanKindClient), client)
					c.End()
				}
				s.End()
			}
			bm.ReportMetric(float64(bm.Elapsed().Nanoseconds())/float64(bm.N)/3, "ns/span")
		})
	}
}

type nothing struct{}

func (nothing) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (nothing) OnEnd(sdktrace.ReadOnlySpan)                     {}
func (nothing) Shutdown(context.Context) error                  { return nil }
func (nothing) ForceFlush(context.Context) error                { return nil }
