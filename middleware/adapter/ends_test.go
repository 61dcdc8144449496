package adapter_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/database"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// together calls f in several goroutines at the same time.
func together(f func()) {
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(f)
	}
	wg.Wait()
}

// A wait, a call, a statement and a hop end once, however often and from however many
// goroutines they are ended, and no end takes another's time away.
func TestEndsTwiceIsOnce(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	rec := mwtest.New(t, hop.WithClock(func() time.Time { return now }))
	ctx, h := rec.Core().Begin(context.Background(), adapter.Incoming{Protocol: "http", Operation: "GET /", SpanKind: trace.SpanKindServer})
	db := adapter.Dependency{Name: "db", Kind: adapter.KindDatabase}
	client, err := database.NewClient(rec.Core(), "postgresql", db)
	if err != nil {
		t.Fatal(err)
	}
	one, two := hop.StartCall(ctx, db), hop.StartCall(ctx, db)
	now = now.Add(10 * time.Millisecond)
	together(one.End)
	now = now.Add(20 * time.Millisecond)
	two.End()
	one.End()
	_, call := rec.Core().BeginCall(ctx, adapter.Outgoing{Dependency: db, SpanName: "call"})
	_, statement := client.Begin(ctx, "SELECT")
	now = now.Add(5 * time.Millisecond)
	together(func() { call.End(adapter.Outcome{ErrorType: "timeout", Failed: true}) })
	together(func() { statement.End("") })
	now = now.Add(time.Millisecond)
	together(func() { h.End(adapter.Outcome{Message: "request"}) })
	if tm := h.End(adapter.Outcome{}); tm.Duration != 0 {
		t.Errorf("a second end is %v", tm)
	}
	for family, want := range map[string]float64{"hop_duration_seconds": .036, "hop_self_duration_seconds": .001, "hop_wait_duration_seconds": .035,
		"db_client_operation_duration_seconds": .005} {
		if n, sum := rec.Count(family), rec.Sum(family); n != 1 || sum < want-1e-9 || sum > want+1e-9 {
			t.Errorf("%s: %d observations of %v s, want one of %v", family, n, sum, want)
		}
	}
	if len(rec.Lines()) != 1 || len(rec.Spans()) != 3 || rec.OpenSpans() != 0 {
		t.Errorf("%d lines, %d spans, %d open", len(rec.Lines()), len(rec.Spans()), rec.OpenSpans())
	}
}

// A goroutine that outlives its request may use all of it.
func TestUseAfterTheEnd(t *testing.T) {
	rec := mwtest.New(t)
	ctx, h := rec.Core().Begin(context.Background(), adapter.Incoming{Protocol: "http", Operation: "GET /"})
	h.End(adapter.Outcome{Message: "request"})
	together(func() {
		hop.SetAttributes(ctx, attribute.String("late", "yes"))
		trace.SpanFromContext(ctx).AddEvent("late")
		h.SetOperation("late")
		c := hop.StartCall(ctx, hop.Dependency{Name: "db", Kind: hop.KindDatabase})
		c.End()
		_, call := rec.Core().BeginCall(ctx, adapter.Outgoing{Dependency: adapter.Dependency{Name: "db"}, SpanName: "late call"})
		call.End(adapter.Outcome{})
		hop.Logger(ctx).Info("late")
	})
	if s := rec.Spans()[0]; s.Attributes["late"] != "" || s.Name != "GET /" || len(s.Events) > 0 {
		t.Errorf("the span has changed: %+v", s)
	}
	if rec.Count("hop_wait_duration_seconds") != 0 || rec.Count("hop_duration_seconds") != 1 || rec.OpenSpans() != 0 {
		t.Error("the late calls are the request's")
	}
}
