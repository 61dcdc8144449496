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

// hops lists the hops of POST /checkout and of its asynchronous flow, each with an
// operation that every checkout calls.
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
	onsetDelay      = 8 * time.Second   // from the injection to the first diagnosis; an earlier spike has another cause
	maxOnset        = 30 * time.Second  // from the injection to the spike
	settleTime      = 6 * time.Second   // until the window holds slow requests only
	pauseBetween    = 25 * time.Second  // between two faults
	maxRecovery     = time.Minute       // until the previous fault no longer shows
	initialBaseline = 100 * time.Second // before the first fault
	evidenceLength  = 5 * time.Minute
)

// TestRecord records the matrix at one sampling ratio, in about forty minutes:
//
//	TENHOP_MATRIX=1 go test -run TestRecord -timeout 2h -v ./diagnose/matrix
//
// TENHOP_CELL="cart 100ms" records that fault only and keeps the other cells.
func TestRecord(t *testing.T) {
	sampling, err := strconv.ParseFloat(os.Getenv("TENHOP_MATRIX"), 64)
	if err != nil {
		t.Skip("records for forty minutes; set TENHOP_MATRIX to the sampling ratio: 1, 0.1 or 0.01")
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
			uptest.Sleep(ctx, pauseBetween)
		}
		if err := save(sampling, cells); err != nil {
			t.Fatal(err)
		}
	}
}

func file(sampling float64) string {
	return filepath.Join("testdata", fmt.Sprintf("sampling-%v.jsonl.zst", sampling))
}

// replace replaces the cell of the same fault, or appends c.
func replace(cells []Cell, c Cell) []Cell {
	for i, o := range cells {
		if o.Hop == c.Hop && o.Latency == c.Latency {
			cells[i] = c
			return cells
		}
	}
	return append(cells, c)
}

// save writes the cells recorded so far, so that an interrupted run loses only the last.
func save(sampling float64, cells []Cell) error {
	f, err := os.Create(file(sampling))
	if err != nil {
		return err
	}
	return errors.Join(Write(f, cells), f.Close())
}

// storefront is a running storefront and its services, as reported by Jaeger.
type storefront struct {
	*uptest.Storefront
	services []string
}

func start(ctx context.Context, t *testing.T, sampling float64) storefront {
	t.Helper()
	s := uptest.Start(t, "--sampling", fmt.Sprint(sampling))
	services := jaegerServices(ctx, t, s)
	uptest.Sleep(ctx, initialBaseline)
	return storefront{s, services}
}

// record injects the fault of a cell, waits for a spike, and returns the cell with the
// evidence and the answer.
func record(ctx context.Context, t *testing.T, s storefront, c Cell) Cell {
	t.Helper()
	ask := func() result.Result {
		res, err := collect.Run(ctx, collect.Config{Prometheus: s.Endpoints["prometheus"], Jaeger: s.Endpoints["jaeger"], Since: evidenceLength})
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	for lifted := time.Now(); time.Since(lifted) < maxRecovery && ask().Verdict != result.None; {
		uptest.Sleep(ctx, 2*time.Second)
	}
	began := time.Now()
	fault := map[string]any{"kind": "latency", "latency": c.Latency.String(), "operation": c.Operation, "percent": 100, "for": "2m"}
	if _, err := s.Inject(ctx, c.Hop, fault); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Clear(ctx, c.Hop); err != nil {
			t.Error(err)
		}
	}()
	uptest.Sleep(ctx, onsetDelay)
	for time.Since(began) < maxOnset && ask().Verdict != result.Spike {
		uptest.Sleep(ctx, time.Second)
	}
	uptest.Sleep(ctx, settleTime)
	prom, err := prometheus.New(s.Endpoints["prometheus"], http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if c.Evidence, _, err = counters.Read(ctx, prom, now.Add(-evidenceLength), now, counters.Options{}); err != nil {
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

// jaegerServices waits until all hops have sent spans and returns the services.
func jaegerServices(ctx context.Context, t *testing.T, s *uptest.Storefront) []string {
	t.Helper()
	var answer struct{ Data []string }
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); uptest.Sleep(ctx, time.Second) {
		body, err := s.Get(ctx, "jaeger", "/api/services", url.Values{})
		if err == nil && json.Unmarshal(body, &answer) == nil && len(answer.Data) >= len(hops) {
			return answer.Data
		}
	}
	t.Fatalf("Jaeger has services %v after two minutes, want %d", answer.Data, len(hops))
	return nil
}
