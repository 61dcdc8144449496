package otelmw_test

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// A hop of more calls than are remembered singly has the waits and the self time of its
// calls, also when some of them are long.
func TestManyCallsLongAndShort(t *testing.T) {
	const calls, length = 6000, 10_000 // milliseconds
	for seed := range uint64(4) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		b := newBed(t)
		at := func(ms int) trace.SpanEventOption {
			return trace.WithTimestamp(time.Unix(1_700_000_000, 0).Add(time.Duration(ms) * time.Millisecond))
		}
		ctx, root := b.tracer.Start(context.Background(), "GET /a", trace.WithSpanKind(trace.SpanKindServer), at(0),
			trace.WithAttributes(attribute.String("http.request.method", "GET"), attribute.String("http.route", "/a")))
		type event struct{ at, call int }
		var events []event
		var covered [length]bool
		var waits [3][length]bool
		for i := range calls {
			begin, long := rnd.IntN(length), 1
			if rnd.IntN(1000) == 0 {
				long = rnd.IntN(length / 4)
			}
			end := min(begin+long, length-1)
			events = append(events, event{begin, i}, event{end, i})
			for ms := begin; ms < end; ms++ {
				covered[ms], waits[i%3][ms] = true, true
			}
		}
		slices.SortStableFunc(events, func(a, b event) int { return a.at - b.at })
		open := map[int]trace.Span{}
		for _, e := range events {
			if s := open[e.call]; s != nil {
				s.End(at(e.at))
				continue
			}
			_, open[e.call] = b.tracer.Start(ctx, "call", trace.WithSpanKind(trace.SpanKindClient), at(e.at),
				trace.WithAttributes(attribute.String("peer.service", "dep"+strconv.Itoa(e.call%3))))
		}
		root.End(at(length))
		same := func(what string, got float64, want int) {
			if math.Abs(got-float64(want)/1000) > 1e-6 {
				t.Errorf("seed %d: %s is %v, want %v", seed, what, got, float64(want)/1000)
			}
		}
		_, self := b.histogram("hop_self_duration_seconds")
		same("self time", self, length-count(covered[:]))
		for i := range waits {
			_, wait := b.histogram("hop_wait_duration_seconds", "dependency", "dep"+strconv.Itoa(i))
			same("wait "+strconv.Itoa(i), wait, count(waits[i][:]))
		}
	}
}

func count(of []bool) (n int) {
	for _, b := range of {
		if b {
			n++
		}
	}
	return n
}

// A job may call any number of dependencies, one after the other. No wait is lost.
func TestDependenciesOfAHopAreBounded(t *testing.T) {
	b := newBed(t)
	start := time.Unix(1_700_000_000, 0)
	const calls = 2000
	ctx, root := b.tracer.Start(context.Background(), "POST /jobs", trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(start))
	for i := range calls {
		_, s := b.tracer.Start(ctx, "call", trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(start.Add(time.Duration(i)*time.Second)),
			trace.WithAttributes(attribute.String("peer.service", "shop"+strconv.Itoa(i))))
		s.End(trace.WithTimestamp(start.Add(time.Duration(i+1) * time.Second)))
	}
	root.End(trace.WithTimestamp(start.Add(calls * time.Second)))
	_, waited := b.histogram("hop_wait_duration_seconds")
	_, other := b.histogram("hop_wait_duration_seconds", "dependency", "_OTHER")
	if waited != calls || other != calls-1024 {
		t.Errorf("%v s of waits, %v s of them under _OTHER", waited, other)
	}
}

// Hosts and destinations that users name share the bounds of the adapters, over all hops:
// they leave room for the dependencies of the service.
func TestNamesOfUsersAreBounded(t *testing.T) {
	for name, c := range map[string]struct {
		attrs func(i string) []attribute.KeyValue
		kind  trace.SpanKind
		bound uint64
	}{
		"server.address": {func(i string) []attribute.KeyValue {
			return []attribute.KeyValue{attribute.String("server.address", "host"+i)}
		}, trace.SpanKindClient, 256},
		"url.full": {func(i string) []attribute.KeyValue {
			return []attribute.KeyValue{attribute.String("http.request.method", "GET"), attribute.String("url.full", "http://host"+i+"/")}
		}, trace.SpanKindClient, 256},
		"an RPC's server.address": {func(i string) []attribute.KeyValue {
			return []attribute.KeyValue{attribute.String("rpc.system", "grpc"), attribute.String("server.address", "host"+i)}
		}, trace.SpanKindClient, 256},
		"a database's server.address": {func(i string) []attribute.KeyValue {
			return []attribute.KeyValue{attribute.String("db.system", "mysql"), attribute.String("server.address", "host"+i)}
		}, trace.SpanKindClient, 256},
		"messaging.destination.name": {func(i string) []attribute.KeyValue {
			return []attribute.KeyValue{attribute.String("messaging.system", "kafka"), attribute.String("messaging.destination.name", "reply"+i)}
		}, trace.SpanKindProducer, 512},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			const calls = 700
			for i := range calls {
				ctx, root := b.tracer.Start(context.Background(), "POST /jobs", trace.WithSpanKind(trace.SpanKindServer))
				_, s := b.tracer.Start(ctx, "call", trace.WithSpanKind(c.kind), trace.WithAttributes(c.attrs(strconv.Itoa(i))...))
				s.End()
				root.End()
			}
			_, s := b.tracer.Start(context.Background(), "call", trace.WithSpanKind(c.kind), trace.WithAttributes(c.attrs("0")...))
			s.End()
			waits, _ := b.histogram("hop_wait_duration_seconds")
			if other, _ := b.histogram("hop_wait_duration_seconds", "dependency", "_OTHER"); waits != calls || other != calls-c.bound {
				t.Errorf("%d waits, %d of them under _OTHER, want %d", waits, other, calls-c.bound)
			}
		})
	}
}
