package tracestore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

var epoch = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// testSpan is a span in the words of a test.
type testSpan struct {
	trace, span, parent byte
	service, name       string
	kind                ptrace.SpanKind
	at, lasts           time.Duration // after epoch
	failed              bool
	attributes          map[string]string
}

func batch(spans ...testSpan) ptrace.Traces {
	td := ptrace.NewTraces()
	for _, s := range spans {
		rs := td.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutStr("service.name", s.service)
		rs.Resource().Attributes().PutStr("host.name", "box")
		ss := rs.ScopeSpans().AppendEmpty()
		ss.Scope().SetName("test")
		span := ss.Spans().AppendEmpty()
		span.SetTraceID(pcommon.TraceID{15: s.trace})
		span.SetSpanID(pcommon.SpanID{7: s.span})
		span.SetParentSpanID(pcommon.SpanID{7: s.parent})
		span.SetName(s.name)
		span.SetKind(s.kind)
		span.SetStartTimestamp(pcommon.NewTimestampFromTime(epoch.Add(s.at)))
		span.SetEndTimestamp(pcommon.NewTimestampFromTime(epoch.Add(s.at + s.lasts)))
		if s.failed {
			span.Status().SetCode(ptrace.StatusCodeError)
		}
		for k, v := range s.attributes {
			span.Attributes().PutStr(k, v)
		}
	}
	return td
}

func open(t testing.TB, dir string, opts ...Option) *Store {
	t.Helper()
	s, err := Open(dir, append([]Option{WithRetention(0), WithLogger(slog.New(slog.DiscardHandler))}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func add(t testing.TB, s *Store, spans ...testSpan) {
	t.Helper()
	if err := s.Append(batch(spans...)); err != nil {
		t.Fatal(err)
	}
}

func spanNames(t testing.TB, s *Store, id byte) []string {
	t.Helper()
	td, err := s.Trace(t.Context(), pcommon.TraceID{15: id})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, rs := range td.ResourceSpans().All() {
		service := serviceName(rs.Resource())
		for _, ss := range rs.ScopeSpans().All() {
			for _, span := range ss.Spans().All() {
				names = append(names, service+"/"+span.Name())
			}
		}
	}
	slices.Sort(names)
	return names
}

func TestSpansOfManyProcessesInAnyOrderMakeOneTrace(t *testing.T) {
	s := open(t, t.TempDir())
	add(t, s, testSpan{trace: 1, span: 3, parent: 2, service: "payment", name: "Charge", at: 20})
	add(t, s, testSpan{trace: 2, span: 1, service: "gateway", name: "other"})
	add(t, s, testSpan{trace: 1, span: 1, service: "gateway", name: "checkout", at: 0},
		testSpan{trace: 1, span: 2, parent: 1, service: "gateway", name: "call", at: 10})
	// A Kafka consumer's span comes long after the rest.
	add(t, s, testSpan{trace: 1, span: 4, parent: 3, service: "shipping", name: "process", at: time.Minute})
	want := []string{"gateway/call", "gateway/checkout", "payment/Charge", "shipping/process"}
	if got := spanNames(t, s, 1); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if _, err := s.Trace(t.Context(), pcommon.TraceID{15: 9}); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown trace: %v", err)
	}
}

func TestFindByEachCondition(t *testing.T) {
	s := open(t, t.TempDir())
	add(t, s, testSpan{trace: 1, span: 1, service: "a", name: "x", kind: ptrace.SpanKindServer, at: time.Second, lasts: 10 * time.Millisecond, attributes: map[string]string{"region": "eu"}})
	add(t, s, testSpan{trace: 2, span: 1, service: "a", name: "y", kind: ptrace.SpanKindClient, at: 2 * time.Second, lasts: 20 * time.Millisecond, failed: true})
	add(t, s, testSpan{trace: 3, span: 1, service: "b", name: "x", kind: ptrace.SpanKindServer, at: 3 * time.Second, lasts: 30 * time.Millisecond, attributes: map[string]string{"region": "us"}})
	for name, c := range map[string]struct {
		q    Query
		want []byte
	}{
		"everything, newest first":        {Query{}, []byte{3, 2, 1}},
		"limit keeps the newest":          {Query{Limit: 1}, []byte{3}},
		"service":                         {Query{Service: "a"}, []byte{2, 1}},
		"operation":                       {Query{Operation: "x"}, []byte{3, 1}},
		"service and operation":           {Query{Service: "a", Operation: "x"}, []byte{1}},
		"unknown service":                 {Query{Service: "z"}, nil},
		"attribute of the span":           {Query{Attributes: map[string]string{"region": "eu"}}, []byte{1}},
		"attribute of the resource":       {Query{Attributes: map[string]string{"host.name": "box"}}, []byte{3, 2, 1}},
		"two attributes":                  {Query{Attributes: map[string]string{"region": "us", "host.name": "box"}}, []byte{3}},
		"attribute with another value":    {Query{Attributes: map[string]string{"region": "asia"}}, nil},
		"kind, as Jaeger shows it":        {Query{Attributes: map[string]string{"span.kind": "client"}}, []byte{2}},
		"error, as Jaeger shows it":       {Query{Attributes: map[string]string{"error": "true"}}, []byte{2}},
		"status, as Jaeger shows it":      {Query{Attributes: map[string]string{"otel.status_code": "ERROR"}}, []byte{2}},
		"scope, as Jaeger shows it":       {Query{Attributes: map[string]string{"otel.scope.name": "test"}}, []byte{3, 2, 1}},
		"longer than":                     {Query{DurationMin: 20 * time.Millisecond}, []byte{3, 2}},
		"shorter than":                    {Query{DurationMax: 20 * time.Millisecond}, []byte{2, 1}},
		"from, inclusive":                 {Query{StartMin: epoch.Add(2 * time.Second)}, []byte{3, 2}},
		"to, inclusive":                   {Query{StartMax: epoch.Add(2 * time.Second)}, []byte{2, 1}},
		"range that ends before any span": {Query{StartMax: epoch}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			ids, err := s.FindIDs(t.Context(), c.q)
			if err != nil {
				t.Fatal(err)
			}
			var got []byte
			for _, id := range ids {
				got = append(got, id[15])
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// randomSpans fills more than one segment, so that searches cross sealed and
// active ones.
func randomSpans(r *rand.Rand, n int) []testSpan {
	out := make([]testSpan, n)
	for i := range out {
		out[i] = testSpan{
			trace: byte(r.IntN(200)), span: byte(i), service: fmt.Sprint("s", r.IntN(4)), name: fmt.Sprint("o", r.IntN(5)),
			at: time.Duration(r.IntN(1000)) * time.Second, lasts: time.Duration(r.IntN(100)) * time.Millisecond,
			failed:     r.IntN(10) == 0,
			attributes: map[string]string{"k": fmt.Sprint(r.IntN(50)), "pad": fmt.Sprint(r.Int64(), r.Int64(), r.Int64())},
		}
	}
	return out
}

func TestFindAgreesWithALinearSearch(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	s := open(t, t.TempDir(), WithDiskBytes(1<<20)) // segments of 128 KiB
	spans := randomSpans(r, 2000)
	for c := range slices.Chunk(spans, 50) {
		add(t, s, c...)
	}
	if n := s.Stats().Segments; n < 3 {
		t.Fatalf("%d segments are too few for this test", n)
	}
	for range 200 {
		q := Query{Limit: 1000}
		pick := func(f func()) {
			if r.IntN(2) == 0 {
				f()
			}
		}
		pick(func() { q.Service = fmt.Sprint("s", r.IntN(5)) })
		pick(func() { q.Operation = fmt.Sprint("o", r.IntN(6)) })
		pick(func() { q.DurationMin = time.Duration(r.IntN(100)) * time.Millisecond })
		pick(func() { q.StartMin = epoch.Add(time.Duration(r.IntN(1000)) * time.Second) })
		pick(func() { q.Attributes = map[string]string{"k": fmt.Sprint(r.IntN(60))} })
		want := map[byte]bool{}
		for _, sp := range spans {
			if (q.Service == "" || q.Service == sp.service) && (q.Operation == "" || q.Operation == sp.name) &&
				sp.lasts >= q.DurationMin && (q.StartMin.IsZero() || !epoch.Add(sp.at).Before(q.StartMin)) &&
				(q.Attributes == nil || q.Attributes["k"] == sp.attributes["k"]) {
				want[sp.trace] = true
			}
		}
		ids, err := s.FindIDs(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		got := map[byte]bool{}
		for _, id := range ids {
			got[id[15]] = true
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v: got %d traces, want %d", q, len(got), len(want))
		}
	}
}

func TestDependenciesCountCallsBetweenServices(t *testing.T) {
	s := open(t, t.TempDir())
	add(t, s, testSpan{trace: 1, span: 2, parent: 1, service: "b", name: "x"}) // before its parent
	add(t, s, testSpan{trace: 1, span: 1, service: "a", name: "x"},
		testSpan{trace: 1, span: 3, parent: 1, service: "a", name: "inner"},
		testSpan{trace: 1, span: 4, parent: 3, service: "b", name: "y"},
		testSpan{trace: 1, span: 5, parent: 99, service: "c", name: "orphan"},
		testSpan{trace: 2, span: 6, parent: 1, service: "c", name: "same parent ID in another trace"})
	got, err := s.Dependencies(t.Context(), epoch, epoch.Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if want := []Dependency{{"a", "a", 1}, {"a", "b", 2}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Parents in a cycle, or a span that is its own parent, must end nothing.
func TestCyclicParents(t *testing.T) {
	s := open(t, t.TempDir())
	add(t, s, testSpan{trace: 1, span: 1, parent: 2, service: "a", name: "x"},
		testSpan{trace: 1, span: 2, parent: 1, service: "b", name: "y"},
		testSpan{trace: 1, span: 3, parent: 3, service: "b", name: "z"})
	if got := spanNames(t, s, 1); len(got) != 3 {
		t.Errorf("got %v", got)
	}
	if _, err := s.Dependencies(t.Context(), epoch, epoch.Add(time.Second)); err != nil {
		t.Error(err)
	}
}

func TestReadersAndWritersTogether(t *testing.T) {
	s := open(t, t.TempDir(), WithDiskBytes(1<<20))
	var wg sync.WaitGroup
	for w := range 2 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(9, uint64(w)))
			for range 100 {
				if err := s.Append(batch(randomSpans(r, 20)...)); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 50 {
				if _, err := s.Find(context.Background(), Query{Service: "s1", Limit: 5}); err != nil {
					t.Error(err)
				}
				if _, err := s.Dependencies(context.Background(), epoch, epoch.Add(time.Hour)); err != nil {
					t.Error(err)
				}
				s.Operations("s1", "")
			}
		})
	}
	wg.Wait()
}

func TestClosedStoreSaysSo(t *testing.T) {
	s := open(t, t.TempDir())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(batch(testSpan{trace: 1, span: 1})); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if _, err := s.Find(t.Context(), Query{}); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}
