package hop_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

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
			ctx, h := tel.Begin(context.Background(), hop.Incoming{Protocol: "test", Operation: "op"})
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
			tm := h.End(hop.Outcome{})
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
	ctx, h := quiet(t).Begin(context.Background(), hop.Incoming{Protocol: "test", Operation: "op"})
	defer h.End(hop.Outcome{})
	dep := hop.Dependency{Name: "db", Kind: hop.KindDatabase}
	if n := testing.AllocsPerRun(100, func() { hop.StartCall(ctx, dep).End() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	hop.StartCall(context.Background(), dep).End() // outside a hop: nothing
}

// An outbox row carries the request: what is sent later still belongs to it.
func TestSnapshotAndRestore(t *testing.T) {
	tel := quiet(t)
	ctx, h := tel.Begin(context.Background(), hop.Incoming{Protocol: "http", Operation: "POST /checkout"})
	snapshot := hop.Snapshot(ctx)
	h.End(hop.Outcome{})
	restored := hop.Restore(context.Background(), snapshot)
	if hop.CorrelationID(restored) != h.CorrelationID() || hop.EntryOf(restored) != "POST /checkout" {
		t.Errorf("restored %q, %q from %v", hop.CorrelationID(restored), hop.EntryOf(restored), snapshot)
	}
	hop.Restore(context.Background(), map[string]string{"traceparent": "x", "baggage": "=", "x-correlation-id": "\x00"})
}

func TestConcurrentUse(t *testing.T) {
	tel := quiet(t)
	ctx, h := tel.Begin(context.Background(), hop.Incoming{Protocol: "test"})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 200 {
				c := hop.StartCall(ctx, hop.Dependency{Name: string(rune('a' + i)), Kind: hop.KindCache})
				h.SetOperation("op")
				_ = h.Entry()
				hop.Logger(ctx)
				_, call := tel.BeginCall(ctx, hop.Outgoing{SpanName: "s"})
				call.InjectHeader(ctx, map[string][]string{})
				call.End(hop.Outcome{})
				c.End()
			}
		})
	}
	time.Sleep(time.Millisecond)
	h.End(hop.Outcome{})
	wg.Wait()
}
