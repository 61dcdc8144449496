package adapter_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
)

// Self time is the duration minus the union of the calls' intervals, for any
// calls: parallel, nested, repeated, and left open at the hop's end.
func TestSelfTimeIsTheComplementOfTheUnion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tel := quiet(t)
		for seed := range uint64(200) {
			rng := rand.New(rand.NewPCG(seed, 1))
			const length = 100 // the hop's, in ticks
			ctx, h := tel.Core().Begin(context.Background(), adapter.Incoming{Protocol: "test", Operation: "op"})
			var covered [length]bool
			var wg sync.WaitGroup
			for range 1 + rng.IntN(8) {
				from := rng.IntN(length)
				to := from + rng.IntN(length) // some outlive the hop
				for tick := from; tick < min(to, length); tick++ {
					covered[tick] = true
				}
				dep := hop.Dependency{Name: string(rune('a' + rng.IntN(6))), Kind: hop.KindHTTP}
				wg.Go(func() {
					time.Sleep(time.Duration(from) * time.Millisecond)
					c := hop.StartCall(ctx, dep)
					time.Sleep(time.Duration(to-from) * time.Millisecond)
					c.End()
				})
			}
			time.Sleep(length * time.Millisecond)
			tm := h.End(adapter.Outcome{})
			want := 0
			for _, c := range covered {
				if !c {
					want++
				}
			}
			if tm.Duration != length*time.Millisecond || tm.Self != time.Duration(want)*time.Millisecond {
				t.Errorf("seed %d: duration %v, self %v, want %d ms", seed, tm.Duration, tm.Self, want)
			}
			wg.Wait() // ends after the hop's end are ignored
		}
	})
}

func TestStartCallDoesNotAllocate(t *testing.T) {
	ctx, h := quiet(t).Core().Begin(context.Background(), adapter.Incoming{Protocol: "test", Operation: "op"})
	defer h.End(adapter.Outcome{})
	dep := hop.Dependency{Name: "db", Kind: hop.KindDatabase}
	if n := testing.AllocsPerRun(100, func() { hop.StartCall(ctx, dep).End() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	hop.StartCall(context.Background(), dep).End() // outside a hop: nothing
}

// An outbox row carries the request: what is sent later still belongs to it.
func TestSnapshotAndRestore(t *testing.T) {
	tel := quiet(t)
	ctx, h := tel.Core().Begin(context.Background(), adapter.Incoming{Protocol: "http", Operation: "POST /checkout"})
	snapshot := hop.Snapshot(ctx)
	h.End(adapter.Outcome{})
	restored := hop.Restore(context.Background(), snapshot)
	if hop.CorrelationID(restored) != h.CorrelationID() || hop.EntryOf(restored) != "POST /checkout" {
		t.Errorf("restored %q, %q from %v", hop.CorrelationID(restored), hop.EntryOf(restored), snapshot)
	}
	hop.Restore(context.Background(), map[string]string{"traceparent": "x", "baggage": "=", "x-correlation-id": "\x00"})
}

func TestConcurrentUse(t *testing.T) {
	tel := quiet(t)
	ctx, h := tel.Core().Begin(context.Background(), adapter.Incoming{Protocol: "test"})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 200 {
				c := hop.StartCall(ctx, hop.Dependency{Name: string(rune('a' + i)), Kind: hop.KindCache})
				h.SetOperation("op")
				_ = h.Entry()
				hop.Logger(ctx)
				_, call := tel.Core().BeginCall(ctx, adapter.Outgoing{SpanName: "s"})
				call.InjectHeader(ctx, map[string][]string{})
				call.End(adapter.Outcome{})
				c.End()
			}
		})
	}
	time.Sleep(time.Millisecond)
	h.End(adapter.Outcome{})
	wg.Wait()
}

// A second End of a call must not end another one: not one to the same dependency
// that is in flight, and not one that began after the first End.
func TestCallEndsOnce(t *testing.T) {
	now := time.Unix(1000, 0)
	tel := quiet(t, hop.WithClock(func() time.Time { return now }))
	db := hop.Dependency{Name: "db", Kind: hop.KindDatabase}
	run := func(do func(ctx context.Context, after func(ms int))) adapter.Timing {
		ctx, h := tel.Core().Begin(context.Background(), adapter.Incoming{Protocol: "test", Operation: "op"})
		do(ctx, func(ms int) { now = now.Add(time.Duration(ms) * time.Millisecond) })
		return h.End(adapter.Outcome{})
	}
	for name, do := range map[string]func(ctx context.Context, after func(ms int)){
		"while another is in flight": func(ctx context.Context, after func(int)) {
			a, b := hop.StartCall(ctx, db), hop.StartCall(ctx, db)
			after(10)
			a.End()
			a.End()
			after(90)
			b.End()
		},
		"after another began": func(ctx context.Context, after func(int)) {
			a := hop.StartCall(ctx, db)
			after(10)
			a.End()
			b := hop.StartCall(ctx, hop.Dependency{Name: "cache", Kind: hop.KindCache})
			a.End()
			after(90)
			b.End()
		},
		"with more calls than the hop has cells": func(ctx context.Context, after func(int)) {
			calls := make([]hop.Call, 9)
			for i := range calls {
				calls[i] = hop.StartCall(ctx, db)
			}
			after(100)
			for _, c := range calls {
				c.End()
				c.End()
			}
		},
	} {
		if tm := run(do); tm.Duration != 100*time.Millisecond || tm.Self != 0 {
			t.Errorf("%s: duration %v, self %v, want 100ms and 0", name, tm.Duration, tm.Self)
		}
	}
}
