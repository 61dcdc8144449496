package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/collect"
	"github.com/tenhop/tenhop/diagnose/counters"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/internal/uptest"
	"github.com/tenhop/tenhop/query/prometheus"
)

// hops are those that POST /checkout waits for, and those that complete it. The
// operation is one that each checkout makes.
var hops = []struct{ service, operation string }{
	{"gateway", "POST /checkout"}, {"identity", "tenhop.v1.Identity/GetUser"}, {"catalog", "tenhop.v1.Catalog/GetProducts"},
	{"cart", "tenhop.v1.Cart/GetCart"}, {"checkout", "tenhop.v1.Checkout/PlaceOrder"}, {"pricing", "tenhop.v1.Pricing/Quote"},
	{"loyalty", "GET /points/{user}"}, {"inventory", "tenhop.v1.Inventory/Reserve"}, {"order", "tenhop.v1.Order/CreateOrder"},
	{"payment", "tenhop.v1.Payment/Charge"}, {"fraud", "POST /check"},
	{"shipping", "process orders.placed"}, {"notification", "process shipments.created"},
}

var latencies = []time.Duration{500 * time.Millisecond, 250 * time.Millisecond, 100 * time.Millisecond, 50 * time.Millisecond}

// Times of a cell.
const (
	patience = 8 * time.Second  // from the injection to the first question: a spike before is not its doing
	within   = 30 * time.Second // of the injection, for a spike to be seen
	settles  = 6 * time.Second  // for the window to hold only slow requests
	calm     = 25 * time.Second // between two faults, at least
	recovers = time.Minute      // for the last fault to be over
	quiet    = 100 * time.Second
	looks    = 5 * time.Minute // of evidence
)

// TestRecord records the matrix at one share of sampled traces, in about forty
// minutes:
//
//	TENHOP_MATRIX=1 go test -run TestRecord -timeout 2h -v ./diagnose/matrix
//
// TENHOP_CELL="cart 100ms" records that fault again and keeps the others.
func TestRecord(t *testing.T) {
	sampling, err := strconv.ParseFloat(os.Getenv("TENHOP_MATRIX"), 64)
	if err != nil {
		t.Skip("records for forty minutes; set TENHOP_MATRIX to the share of sampled traces: 1, 0.1 or 0.01")
	}
	ctx := t.Context()
	s := start(ctx, t, sampling)
	var cells []Cell
	only := os.Getenv("TENHOP_CELL")
	if only != "" {
		cells = read(t, file(sampling))
	}
	for _, latency := range latencies {
		for _, h := range hops {
			if only != "" && only != h.service+" "+latency.String() {
				continue
			}
			c := record(ctx, t, s, Cell{Hop: h.service, Operation: h.operation, Latency: latency, Sampling: sampling})
			t.Logf("%-12s %-6s after %4.1f s, named %v: %s", c.Hop, c.Latency, c.Seconds, c.Named, c.Answer)
			cells = replace(cells, c)
			sleep(ctx, calm)
		}
		if err := save(sampling, cells); err != nil {
			t.Fatal(err)
		}
	}
}

func file(sampling float64) string {
	return filepath.Join("testdata", fmt.Sprintf("sampling-%v.jsonl.zst", sampling))
}

// replace puts a cell where the one of its fault was, or at the end.
func replace(cells []Cell, c Cell) []Cell {
	for i, o := range cells {
		if o.Hop == c.Hop && o.Latency == c.Latency {
			cells[i] = c
			return cells
		}
	}
	return append(cells, c)
}

// save keeps what there is so far: a run that is cut short is not lost.
func save(sampling float64, cells []Cell) error {
	f, err := os.Create(file(sampling))
	if err != nil {
		return err
	}
	return errors.Join(Write(f, cells), f.Close())
}

// storefront is one that runs, and the services that have sent spans.
type storefront struct {
	*uptest.Storefront
	services []string
}

func start(ctx context.Context, t *testing.T, sampling float64) storefront {
	t.Helper()
	s := uptest.Start(t, "--sampling", fmt.Sprint(sampling))
	services := jaegerServices(ctx, t, s)
	sleep(ctx, quiet)
	return storefront{s, services}
}

// record injects the cell's fault, waits for an answer and keeps the evidence.
func record(ctx context.Context, t *testing.T, s storefront, c Cell) Cell {
	t.Helper()
	ask := func() result.Result {
		res, err := collect.Run(ctx, collect.Config{Prometheus: s.Endpoints["prometheus"], Jaeger: s.Endpoints["jaeger"], Since: looks})
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	for lifted := time.Now(); time.Since(lifted) < recovers && ask().Verdict != result.None; {
		sleep(ctx, 2*time.Second)
	}
	began := time.Now()
	if _, err := s.Inject(ctx, c.Hop, map[string]any{"kind": "latency", "latency": c.Latency.String(), "operation": c.Operation, "percent": 100, "for": "2m"}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Clear(ctx, c.Hop); err != nil {
			t.Error(err)
		}
	}()
	sleep(ctx, patience)
	for time.Since(began) < within && ask().Verdict != result.Spike {
		sleep(ctx, time.Second)
	}
	sleep(ctx, settles)
	prom, err := prometheus.New(s.Endpoints["prometheus"], http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if c.Evidence, _, err = counters.Read(ctx, prom, now.Add(-looks), now); err != nil {
		t.Fatal(err)
	}
	c.Seconds = time.Since(began).Seconds()
	res := ask()
	c.Named, c.Answer = c.First(res), said(res)
	for _, name := range s.services {
		if !slices.ContainsFunc(c.Evidence.Hops, func(h evidence.HopSeries) bool { return h.Service == name }) {
			c.Evidence.Foreign[name] = true
		}
	}
	return c
}

// jaegerServices waits until the whole storefront has sent spans.
func jaegerServices(ctx context.Context, t *testing.T, s *uptest.Storefront) []string {
	t.Helper()
	var answer struct{ Data []string }
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); sleep(ctx, time.Second) {
		body, err := s.Get(ctx, "jaeger", "/api/services", url.Values{})
		if err == nil && json.Unmarshal(body, &answer) == nil && len(answer.Data) >= len(hops) {
			return answer.Data
		}
	}
	t.Fatalf("Jaeger knows %v after two minutes, want %d services", answer.Data, len(hops))
	return nil
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
