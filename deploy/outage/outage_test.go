// Package outage_test stops the tracing backend under load: the real Jaeger on Badger
// behind the real collector with otel-collector.yaml. TENHOP_OUTAGE=full runs thirty
// pairs of windows and limits the ratio of p95 to 1.10; short runs ten and allows for
// a busy machine. TENHOP_JAEGER_BIN and TENHOP_COLLECTOR_BIN name built programs.
package outage_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/setup"
)

// plan is the length of a run. t95 is the one-sided 95 % quantile of Student's t with
// pairs-1 degrees of freedom.
type plan struct {
	pairs  int
	window time.Duration
	rate   int // requests/s
	t95    float64
	limit  float64 // of the ratio's upper bound
}

func chosen(t *testing.T) plan {
	t.Helper()
	switch os.Getenv("TENHOP_OUTAGE") {
	case "full":
		return plan{pairs: 30, window: 4 * time.Second, rate: 100, t95: 1.699, limit: 1.10}
	case "short":
		return plan{pairs: 10, window: 2500 * time.Millisecond, rate: 100, t95: 1.833, limit: 2}
	}
	t.Skip("SKIPPED: Jaeger was not taken away under load; set TENHOP_OUTAGE=short or full, or run make outage")
	return plan{}
}

// settle is the time after a change that is not measured, while programs start and
// stop on the same machine.
const settle = time.Second

// work is the time that the second hop sleeps, in place of a database.
const work = 5 * time.Millisecond

// shop is two hops over HTTP whose spans are all marked to be kept.
type shop struct {
	url     string
	runtime *setup.Runtime
	mu      sync.Mutex
	traces  []string
}

func newShop(t *testing.T, otlp string) *shop {
	t.Helper()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+otlp)
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
	rt, err := setup.Start(t.Context(), "shop", setup.WithLogWriter(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{runtime: rt}
	back := httptest.NewServer(httpmw.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		time.Sleep(work)
	}), httpmw.WithTelemetry(rt.Telemetry)))
	t.Cleanup(back.Close)
	client := &http.Client{Transport: httpmw.Transport(nil, httpmw.WithTelemetry(rt.Telemetry))}
	front := httptest.NewServer(httpmw.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hop.SetAttributes(r.Context(), attribute.Bool("tenhop.exemplar", true)) // a policy of otel-collector.yaml keeps it
		s.mu.Lock()
		s.traces = append(s.traces, trace.SpanContextFromContext(r.Context()).TraceID().String())
		s.mu.Unlock()
		req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, back.URL, nil)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		resp, err := client.Do(req)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		resp.Body.Close()
	}), httpmw.WithTelemetry(rt.Telemetry)))
	t.Cleanup(front.Close)
	s.url = front.URL
	return s
}

// drive sends rate requests/s, each at its scheduled time, and returns their durations
// from that time.
func (s *shop) drive(t *testing.T, rate int, lasting time.Duration) []time.Duration {
	t.Helper()
	var mu sync.Mutex
	var took []time.Duration
	var g sync.WaitGroup
	start, step := time.Now(), time.Second/time.Duration(rate)
	for i := range int(lasting / step) {
		due := start.Add(time.Duration(i) * step)
		time.Sleep(time.Until(due))
		g.Go(func() {
			resp, err := http.Get(s.url)
			if err != nil {
				t.Errorf("a request failed: %v", err)
				return
			}
			resp.Body.Close()
			mu.Lock()
			took = append(took, time.Since(due))
			mu.Unlock()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("a request was answered %s", resp.Status)
			}
		})
	}
	g.Wait()
	return took
}

func p95(all []time.Duration) float64 {
	slices.Sort(all)
	return all[int(math.Ceil(0.95*float64(len(all))))-1].Seconds() * 1000
}

// TestJaegerGoesAndComesBack alternates windows with and without Jaeger. The
// ratio of each pair's 95th percentiles enters as its logarithm; the bound is
// that of their mean's one-sided 95 % confidence interval.
func TestJaegerGoesAndComesBack(t *testing.T) {
	p := chosen(t)
	j := newJaeger(t)
	c := startCollector(t, j.otlp)
	j.start(t)
	s := newShop(t, c.otlp)
	s.drive(t, p.rate, 2*time.Second) // connections, caches
	before := len(s.traces)

	var logs []float64
	for i := range p.pairs {
		on := p95(s.drive(t, p.rate, p.window))
		j.stop(t)
		s.drive(t, p.rate, settle)
		off := p95(s.drive(t, p.rate, p.window))
		waiting := c.queued(t)
		j.start(t)
		s.drive(t, p.rate, settle)
		logs = append(logs, math.Log(off/on))
		t.Logf("pair %2d: p95 %.2f ms with Jaeger, %.2f ms without, ratio %.3f; %.0f batches wait in the collector",
			i+1, on, off, off/on, waiting)
	}
	mean, sd := moments(logs)
	bound := math.Exp(mean + p.t95*sd/math.Sqrt(float64(len(logs))))
	t.Logf("p95 without Jaeger / with: %.3f, upper 95 %% bound %.3f over %d pairs of %v at %d requests/s",
		math.Exp(mean), bound, p.pairs, p.window, p.rate)
	if bound > p.limit {
		t.Errorf("upper bound %.3f, want at most %.2f", bound, p.limit)
	}

	flush, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.runtime.Shutdown(flush); err != nil {
		t.Errorf("flush: %v", err)
	}
	missing := j.wait(t, s.traces)
	t.Logf("%d of %d traces are in Jaeger, those of the outages too (%d before the first); spans dropped: %.0f",
		len(s.traces)-len(missing), len(s.traces), before, counter(t, s.runtime, "tenhop_spans_dropped_total"))
	if len(missing) > 0 {
		t.Errorf("%d traces never arrived, such as %s", len(missing), missing[0])
	}
}

func moments(x []float64) (mean, sd float64) {
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		sd += (v - mean) * (v - mean) / float64(len(x)-1)
	}
	return mean, math.Sqrt(sd)
}

func counter(t *testing.T, rt *setup.Runtime, name string) (sum float64) {
	t.Helper()
	families, err := rt.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// get decodes the JSON at an address.
func get(ctx context.Context, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}
