package otlpspan_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/tenhop/tenhop/middleware/setup/otlpspan"
)

func newProvider(t *testing.T, c otlpspan.Config) *otlpspan.Provider {
	t.Helper()
	p, err := otlpspan.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Shutdown(context.WithoutCancel(t.Context())) })
	return p
}

// spans returns all spans that arrived.
func (c *collector) spans() (all []*tracepb.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rs := range c.got {
		for _, ss := range rs.ScopeSpans {
			all = append(all, ss.Spans...)
		}
	}
	return all
}

func end(tp trace.TracerProvider, n int, attrs ...attribute.KeyValue) {
	for range n {
		_, s := tp.Tracer("t").Start(context.Background(), "work", trace.WithAttributes(attrs...))
		s.End()
	}
}

// The options-free calls of the adapters record what the API's calls record.
func TestStartSpanIsStart(t *testing.T) {
	c := &collector{}
	p := newProvider(t, otlpspan.Config{Export: c.export, Resource: service})
	fixed, attrs := []attribute.KeyValue{attribute.String("a", "1"), attribute.Int("b", 2)}, []attribute.KeyValue{attribute.Bool("c", true)}
	late := []attribute.KeyValue{attribute.Int("b", 3), attribute.Float64("d", 4)}
	start, stop := time.Unix(100, 1), time.Unix(101, 2)
	tracer := p.Tracer("t").(interface {
		trace.Tracer
		StartSpan(context.Context, string, trace.SpanKind, time.Time, []attribute.KeyValue, []attribute.KeyValue) (context.Context, trace.Span)
	})
	_, s := tracer.Start(t.Context(), "work", trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(start), trace.WithAttributes(append(fixed, attrs...)...))
	s.SetAttributes(late...)
	s.SetStatus(codes.Error, "")
	s.End(trace.WithTimestamp(stop))
	_, s = tracer.StartSpan(t.Context(), "work", trace.SpanKindServer, start, fixed, attrs)
	s.(interface {
		EndWith(time.Time, bool, []attribute.KeyValue)
	}).EndWith(stop, true, late)
	if s.IsRecording() {
		t.Error("the span records after its end")
	}
	if err := p.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := c.spans()
	if len(got) != 2 {
		t.Fatalf("%d spans", len(got))
	}
	for _, s := range got {
		s.TraceId, s.SpanId = nil, nil
	}
	if got[0].String() != got[1].String() {
		t.Errorf("Start: %s\nStartSpan: %s", got[0], got[1])
	}
}

func TestAFullQueueDropsAndCounts(t *testing.T) {
	c, release := &collector{}, make(chan struct{})
	var mu sync.Mutex
	dropped := 0
	p := newProvider(t, otlpspan.Config{
		Export: func(ctx context.Context, b []byte, n int) error {
			<-release
			if n > 8 {
				t.Errorf("a batch has %d spans", n)
			}
			return c.export(ctx, b, n)
		},
		Dropped: func() { mu.Lock(); dropped++; mu.Unlock() },
		Batch:   sdktrace.BatchSpanProcessorOptions{MaxQueueSize: 64, MaxExportBatchSize: 8},
	})
	end(p, 500)
	if p.Queued() != 64 || dropped != 500-64 {
		t.Errorf("%d spans are queued, %d dropped", p.Queued(), dropped)
	}
	close(release)
	if err := p.ForceFlush(t.Context()); err != nil || len(c.spans()) != 64 || p.Queued() != 0 {
		t.Errorf("%d spans are exported, %d queued: %v", len(c.spans()), p.Queued(), err)
	}
}

// A batch stays below the size of message that collectors accept.
func TestBatchesAreBoundedInBytes(t *testing.T) {
	c := &collector{}
	p := newProvider(t, otlpspan.Config{Export: func(ctx context.Context, b []byte, n int) error {
		if len(b) > 3<<20 {
			t.Errorf("a batch has %d bytes", len(b))
		}
		return c.export(ctx, b, n)
	}})
	end(p, 30, attribute.String("big", strings.Repeat("x", 1<<19)))
	if err := p.Shutdown(t.Context()); err != nil || len(c.spans()) != 30 {
		t.Errorf("%d spans are exported: %v", len(c.spans()), err)
	}
}

func TestTheDelayExports(t *testing.T) {
	arrived := make(chan int, 1)
	p := newProvider(t, otlpspan.Config{
		Export: func(_ context.Context, _ []byte, n int) error { arrived <- n; return nil },
		Batch:  sdktrace.BatchSpanProcessorOptions{BatchTimeout: 10 * time.Millisecond},
	})
	end(p, 1)
	select {
	case n := <-arrived:
		if n != 1 {
			t.Errorf("%d spans", n)
		}
	case <-time.After(10 * time.Second):
		t.Error("nothing is exported")
	}
}

func TestShutdown(t *testing.T) {
	broken := errors.New("broken")
	c := &collector{}
	p := newProvider(t, otlpspan.Config{Export: func(ctx context.Context, b []byte, n int) error {
		return errors.Join(c.export(ctx, b, n), broken)
	}})
	_, open := p.Tracer("t").Start(t.Context(), "open")
	end(p, 3)
	if err := p.Shutdown(t.Context()); !errors.Is(err, broken) {
		t.Errorf("Shutdown: %v", err)
	}
	open.End()
	end(p, 3)
	if err := errors.Join(p.Shutdown(t.Context()), p.ForceFlush(t.Context())); err != nil {
		t.Errorf("again: %v", err)
	}
	if n := len(c.spans()); n != 3 {
		t.Errorf("%d spans are exported", n)
	}
}

// An export that hangs ends with its timeout. Shutdown does not wait for longer than its
// context.
func TestAHangingExport(t *testing.T) {
	ended := make(chan struct{})
	p := newProvider(t, otlpspan.Config{
		Export: func(ctx context.Context, _ []byte, _ int) error { <-ctx.Done(); close(ended); return ctx.Err() },
		Batch:  sdktrace.BatchSpanProcessorOptions{ExportTimeout: 50 * time.Millisecond},
	})
	end(p, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := p.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	<-ended
}

func TestInvalidUTF8IsMadeValid(t *testing.T) {
	c := &collector{}
	p := newProvider(t, otlpspan.Config{Export: c.export})
	_, s := p.Tracer("t\xff").Start(t.Context(), "a\xff", trace.WithAttributes(attribute.String("k\xff", "v\xff"), attribute.StringSlice("s", []string{"\xff"})))
	s.AddEvent("e\xff", trace.WithAttributes(attribute.String("k", "\xff")))
	s.SetStatus(codes.Error, "\xff")
	s.End()
	if err := p.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := c.spans(); len(got) != 1 || got[0].Name != "a\ufffd" || got[0].Attributes[0].Key != "k\ufffd" || got[0].Status.Message != "\ufffd" {
		t.Errorf("%v", got)
	}
}

// A span may be used by several goroutines, and after its end.
func TestConcurrentUse(t *testing.T) {
	c := &collector{}
	p := newProvider(t, otlpspan.Config{Export: c.export, Batch: sdktrace.BatchSpanProcessorOptions{MaxQueueSize: 1e5, MaxExportBatchSize: 7}})
	const spans = 500
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			tracer := p.Tracer([]string{"a", "b"}[i%2])
			for range spans {
				ctx, s := tracer.Start(context.Background(), "parent", trace.WithAttributes(attribute.Int("i", i)))
				id := s.SpanContext().SpanID()
				var users sync.WaitGroup
				for range 3 {
					users.Go(func() {
						_, child := tracer.Start(ctx, "child")
						s.SetAttributes(attribute.String("k", "v"), attribute.Int("i", i))
						s.AddEvent("e")
						s.SetName("named")
						s.End()
						s.SetAttributes(attribute.String("late", "v"))
						if trace.SpanFromContext(ctx).SpanContext().SpanID() != id || s.IsRecording() {
							t.Error("the span is another one after its end")
						}
						child.End()
					})
				}
				users.Wait()
			}
		})
	}
	all.Wait()
	if err := p.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := c.spans()
	if len(got) != 4*spans*4 {
		t.Errorf("%d spans are exported", len(got))
	}
	for _, s := range got {
		for _, a := range s.Attributes {
			if a.Key == "late" {
				t.Fatal("an attribute was set after the end")
			}
		}
	}
}

func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	p := newProvider(t, otlpspan.Config{Export: func(context.Context, []byte, int) error { return nil }})
	tracer := p.Tracer("t").(interface {
		StartSpan(context.Context, string, trace.SpanKind, time.Time, []attribute.KeyValue, []attribute.KeyValue) (context.Context, trace.Span)
	})
	attrs := []attribute.KeyValue{attribute.String("a", "1"), attribute.Int("b", 2)}
	ender := func(s trace.Span) {
		s.(interface {
			EndWith(time.Time, bool, []attribute.KeyValue)
		}).EndWith(time.Now(), false, attrs)
	}
	if n := testing.AllocsPerRun(2000, func() {
		_, s := tracer.StartSpan(context.Background(), "work", trace.SpanKindServer, time.Now(), attrs, attrs)
		ender(s)
	}); n > 1 {
		t.Errorf("a span makes %v allocations, want 1", n)
	}
}

// Instrumentation asks for its tracer with every request.
func TestTracersAreKept(t *testing.T) {
	p := newProvider(t, otlpspan.Config{Export: func(context.Context, []byte, int) error { return nil }})
	version := trace.WithInstrumentationVersion("1")
	first := p.Tracer("t", version)
	if p.Tracer("t", version) != first || p.Tracer("t") == first {
		t.Error("a scope has two tracers, or two scopes have one")
	}
	if n := testing.AllocsPerRun(100, func() { p.Tracer("t", version) }); n > 2 && !raceEnabled {
		t.Errorf("Tracer makes %v allocations", n)
	}
}

func TestNew(t *testing.T) {
	if _, err := otlpspan.New(otlpspan.Config{}); err == nil {
		t.Error("New takes a provider that exports nowhere")
	}
}

// The memory of an exported batch is used for the next, whatever the garbage collector did
// meanwhile.
func TestBatchesReuseMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	size := 0
	p := newProvider(t, otlpspan.Config{Export: func(_ context.Context, b []byte, _ int) error {
		size = len(b)
		return nil
	}})
	batch := func() {
		end(p, 100, attribute.String("a", strings.Repeat("b", 1000)))
		if err := p.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	batch()
	batch() // the first was filled while there was none to use
	const batches = 10
	var before, after runtime.MemStats
	sum := uint64(0)
	for range batches {
		runtime.GC()
		runtime.GC() // twice: pools are empty
		runtime.ReadMemStats(&before)
		batch()
		runtime.ReadMemStats(&after)
		sum += after.TotalAlloc - before.TotalAlloc
	}
	t.Logf("%d bytes allocated for a batch of %d", sum/batches, size)
	if sum/batches > uint64(size) {
		t.Errorf("%d bytes allocated for a batch of %d", sum/batches, size)
	}
}
