package outage

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// plan is the length of a run and the limit of p99 with against without an outage.
type plan struct {
	pairs  int
	window time.Duration
	rate   int // requests/s
	limit  float64
}

func chosen(t *testing.T) plan {
	switch os.Getenv("TENHOP_TELEMETRY_OUTAGE") {
	case "full":
		return plan{pairs: 12, window: 2500 * time.Millisecond, rate: 120, limit: 1.05}
	case "short": // on a busy machine
		return plan{pairs: 2, window: time.Second, rate: 120, limit: 3}
	}
	t.Skip("SKIPPED: telemetry was not taken away under load; set TENHOP_TELEMETRY_OUTAGE=short or full, or run make telemetry-outage")
	return plan{}
}

// outage takes telemetry away and brings it back.
type outage struct {
	name     string
	from, to func()
}

// row is a line of the table.
type row struct {
	name          string
	without, with []time.Duration
	dropped       float64
	heap          int64
	goroutines    int
	recovered     string
}

// settle is the time after a change that is not measured.
const settle = 300 * time.Millisecond

func TestTelemetryNeverHurts(t *testing.T) {
	p := chosen(t)
	child := startStack(t)
	way := newPath(t, child.otlpGRPC)
	wayHTTP := newPath(t, child.otlpHTTP)
	fleets := []*fleet{newFleet(t, "grpc", way.address), newFleet(t, "http/protobuf", wayHTTP.address)}
	child.scrape(t, fleets)
	both := func(mode string) func() {
		return func() { way.set(t, mode); wayHTTP.set(t, mode) }
	}
	signal := func(s syscall.Signal) func() {
		return func() {
			if err := child.cmd.Process.Signal(s); err != nil {
				t.Error(err)
			}
		}
	}
	var outages []outage
	for _, mode := range []string{"absent", "refusing", "tarpit", "429", "503", "slow disk"} {
		outages = append(outages, outage{mode, both(mode), both("ok")})
	}
	if child.small {
		ballast := filepath.Join(child.dir, "ballast")
		outages = append(outages, outage{"disk full", func() { fill(ballast) }, func() { os.Remove(ballast) }})
	} else {
		t.Log("SKIPPED: disk full: this needs the right to mount")
	}
	var stopScrapers context.CancelFunc
	outages = append(outages,
		outage{"stopped", signal(syscall.SIGSTOP), signal(syscall.SIGCONT)},
		outage{"killed", func() { child.kill() }, func() { child.start(t) }},
		outage{"scrapers that do not read", func() {
			var ctx context.Context
			ctx, stopScrapers = context.WithCancel(t.Context())
			for _, f := range fleets {
				scrapers(ctx, f.metrics)
			}
		}, func() { stopScrapers() }})

	drive(t, fleets, p.rate, 2*time.Second) // connections, caches
	var rows []*row
	for _, o := range outages {
		r := &row{name: o.name, recovered: "yes"}
		rows = append(rows, r)
		heap, goroutines := live()
		before := dropped(t, fleets)
		for range p.pairs {
			r.without = append(r.without, drive(t, fleets, p.rate, p.window)...)
			o.from()
			drive(t, fleets, p.rate, settle)
			r.with = append(r.with, drive(t, fleets, p.rate, p.window)...)
			o.to()
			drive(t, fleets, p.rate, settle)
		}
		if err := recovered(t, child, fleets); err != nil {
			r.recovered = "no"
			t.Errorf("%s: %v", o.name, err)
		}
		r.dropped = dropped(t, fleets) - before
		h, g := live()
		r.heap, r.goroutines = h-heap, g-goroutines
	}
	t.Log("\n" + table(rows))
	for _, r := range rows {
		if ratio := p99(r.with) / p99(r.without); ratio > p.limit {
			t.Errorf("%s: p99 is %.2f times that without the outage, want at most %.2f", r.name, ratio, p.limit)
		}
		if r.heap > 8<<20 || r.goroutines > 40 {
			t.Errorf("%s: %d bytes and %d goroutines are left", r.name, r.heap, r.goroutines)
		}
	}
}

// fill writes a file until the disk is full.
func fill(path string) {
	f, err := os.Create(path)
	if err != nil {
		return
	}
	defer f.Close()
	for chunk := 1 << 20; chunk > 0; chunk /= 16 {
		for {
			if _, err := f.Write(make([]byte, chunk)); err != nil {
				break
			}
		}
	}
}

// drive sends rate requests/s to the fleets in turn, each at its scheduled time, and returns
// their durations from that time.
func drive(t *testing.T, fleets []*fleet, rate int, lasting time.Duration) []time.Duration {
	t.Helper()
	var mu sync.Mutex
	var took []time.Duration
	var g sync.WaitGroup
	start, step := time.Now(), time.Second/time.Duration(rate)
	for i := range int(lasting / step) {
		due := start.Add(time.Duration(i) * step)
		time.Sleep(time.Until(due))
		g.Go(func() {
			resp, err := client.Get(fleets[i%len(fleets)].url)
			if err != nil {
				t.Errorf("a request failed: %v", err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("a request was answered %s", resp.Status)
			}
			mu.Lock()
			took = append(took, time.Since(due))
			mu.Unlock()
		})
	}
	g.Wait()
	return took
}

var client = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// recovered checks that a request made after the outage is found as a trace, without a
// restart of the services.
func recovered(t *testing.T, s *stackProcess, fleets []*fleet) error {
	t.Helper()
	for _, f := range fleets {
		deadline := time.Now().Add(20 * time.Second)
		for {
			id := f.request(t)
			time.Sleep(700 * time.Millisecond)
			resp, err := client.Get(s.jaeger + "/api/traces/" + id)
			if err == nil {
				resp.Body.Close()
				if resp.StatusCode == http.StatusOK {
					break
				}
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("no trace of %s arrives any more", f.protocol)
			}
		}
	}
	return nil
}

// live returns the heap after a collection and the number of goroutines.
func live() (int64, int) {
	client.CloseIdleConnections()
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc), runtime.NumGoroutine()
}

func p99(all []time.Duration) float64 {
	slices.Sort(all)
	return all[int(math.Ceil(0.99*float64(len(all))))-1].Seconds() * 1000
}

func table(rows []*row) string {
	var b strings.Builder
	fmt.Fprintln(&b, "| telemetry is | requests | p99 without | p99 with | ratio | dropped | heap left | goroutines left | recovers |")
	fmt.Fprintln(&b, "|---|--:|--:|--:|--:|--:|--:|--:|---|")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %d | %.1f ms | %.1f ms | %.2f | %.0f | %+.1f MiB | %+d | %s |\n", r.name, len(r.with), p99(r.without), p99(r.with),
			p99(r.with)/p99(r.without), r.dropped, float64(r.heap)/(1<<20), r.goroutines, r.recovered)
	}
	return b.String()
}
