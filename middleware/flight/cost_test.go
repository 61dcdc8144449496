//go:build unix

package flight_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime/pprof"
	"runtime/trace"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/flight"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/internal/marks"
)

func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestCost prints the processor time of a request over the loopback interface, client
// included, with two calls of 1 ms, while nothing is recorded and while the recorder is
// armed. The rounds alternate. Set TENHOP_COST to run it.
func TestCost(t *testing.T) {
	if os.Getenv("TENHOP_COST") == "" {
		t.Skip("set TENHOP_COST: it measures for half a minute")
	}
	tel, err := hop.New(hop.WithServiceName("shop"), hop.WithRegistry(prometheus.NewRegistry()), hop.WithZerolog(zerolog.New(io.Discard)))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		h := adapter.FromContext(r.Context())
		for range 2 {
			c := h.StartCall(adapter.Dependency{Name: "store", Kind: adapter.KindDatabase})
			time.Sleep(time.Millisecond)
			c.End()
		}
		for began := time.Now(); time.Since(began) < 500*time.Microsecond; { // its own work
		}
		_, _ = w.Write([]byte("ok"))
	})
	srv := httptest.NewServer(httpmw.Handler(mux, httpmw.WithTelemetry(tel)))
	defer srv.Close()
	round := func() float64 {
		const n = 200
		began := processorTime()
		for range n {
			resp, err := http.Get(srv.URL)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		return float64((processorTime() - began).Nanoseconds()) / n / 1000
	}
	round()
	var idle, armed, unsampled []float64
	record := func() (stop func()) {
		rec := trace.NewFlightRecorder(trace.FlightRecorderConfig{MaxBytes: flight.MaxBytes / 2})
		if err := rec.Start(); err != nil {
			t.Fatal(err)
		}
		return rec.Stop
	}
	for range 15 {
		idle = append(idle, round())
		stop := record()
		unsampled = append(unsampled, round())
		stop()
		idle = append(idle, round())
		stop = record()
		_ = pprof.StartCPUProfile(io.Discard)
		armed = append(armed, round())
		pprof.StopCPUProfile()
		stop()
	}
	middle := func(v []float64) float64 { slices.Sort(v); return v[len(v)/2] }
	i, a, u := middle(idle), middle(armed), middle(unsampled)
	marks := testing.Benchmark(func(b *testing.B) { // what a request with two calls does when nothing is recorded
		for b.Loop() {
			idleMarks()
		}
	})
	ns := float64(marks.T.Nanoseconds()) / float64(marks.N)
	t.Logf("idle: %.1f µs per request, of which the marks are %.1f ns (%.4f %%)", i, ns, ns/i/10)
	t.Logf("armed: %.1f µs per request (%+.1f %%); without the profiler %.1f µs (%+.1f %%)", a, 100*(a/i-1), u, 100*(u/i-1))
}

var sink *marks.Mark

//go:noinline
func idleMarks() {
	if marks.On() {
		sink = marks.Begin("http")
	}
	for range 4 { // calls: the two, and writing the response
		sink.Wait()
		sink.Own()
	}
	if marks.On() {
		sink.End("", 0, 0)
	}
}
