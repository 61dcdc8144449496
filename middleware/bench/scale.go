package main

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/httpmw"
)

// parallel compares one processor with two, each with a goroutine of its own on
// the same handler: what locks and shared cache lines cost.
func parallel(tp providers, rounds int, d time.Duration) string {
	handlers := []struct {
		name string
		http.Handler
	}{
		{"bare", http.HandlerFunc(handle)},
		{"ours", httpmw.Handler(http.HandlerFunc(handle), httpmw.WithTelemetry(telemetry(tp.ours)))},
		{"otelhttp alone", otelServer(http.HandlerFunc(handle), tp.sdk)},
		{"composed", composedServer(http.HandlerFunc(handle), tp.sdk)},
	}
	got := map[string][2][]sample{}
	was := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(was)
	for range rounds * turnsPerRound {
		for i, procs := range []int{1, 2} {
			runtime.GOMAXPROCS(procs)
			for _, h := range handlers {
				both := got[h.name]
				both[i] = append(both[i], together(h, procs, d/turnsPerRound))
				got[h.name] = both
			}
		}
	}
	var b strings.Builder
	b.WriteString("\n## In parallel\n\nHTTP server, sampled: processor time per call with one goroutine on one processor and with two on two.\n\n| handler | 1 processor, µs | 2 processors, µs | 2 ÷ 1 |\n|---|--:|--:|--:|\n")
	for _, h := range handlers {
		one, two := median(got[h.name][0]).ns, median(got[h.name][1]).ns
		fmt.Fprintf(&b, "| %s | %.2f | %.2f | %.2f |\n", h.name, one/1000, two/1000, two/one)
	}
	return b.String()
}

// together serves from as many goroutines as there are processors.
func together(h http.Handler, procs int, d time.Duration) sample {
	counts := make([]int, procs)
	var all sync.WaitGroup
	start, cpu := time.Now(), cpuTime()
	for i := range procs {
		all.Go(func() {
			w, r := &nopWriter{header: http.Header{}}, request(true, false, true)
			for time.Since(start) < d {
				for range 100 {
					clear(w.header)
					h.ServeHTTP(w, r)
				}
				counts[i] += 100
			}
		})
	}
	all.Wait()
	calls := 0
	for _, n := range counts {
		calls += n
	}
	return sample{ns: float64((cpuTime() - cpu).Nanoseconds()) / float64(calls)}
}

// distinctPaths shows that neither series nor memory follow the paths of
// requests, whether the router knows them or not.
func distinctPaths() string {
	var b strings.Builder
	b.WriteString("\n## Distinct paths\n\nSeries and live heap of ours after so many requests, each with a path of its own: `GET /items/N`, which the mux routes, and `GET /wp-N.php`, which it does not.\n\n| paths | series, routed | heap, kB | series, not routed | heap, kB |\n|--:|--:|--:|--:|--:|\n")
	for _, n := range []int{1000, 10_000, 100_000} {
		known, knownHeap := afterPaths("/items/%d", n)
		unknown, unknownHeap := afterPaths("/wp-%d.php", n)
		fmt.Fprintf(&b, "| %d | %d | %d | %d | %d |\n", n, known, knownHeap, unknown, unknownHeap)
	}
	return b.String()
}

func afterPaths(format string, n int) (series int, kilobytes int64) {
	live := func() int64 {
		runtime.GC()
		runtime.GC() // what finalizers and pools let go
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := live()
	reg := prometheus.NewRegistry()
	tel, err := hop.New(hop.WithServiceName("bench"), hop.WithRegistry(reg), hop.WithZerolog(zerolog.New(io.Discard)))
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /items/{id}", handle)
	h := httpmw.Handler(mux, httpmw.WithTelemetry(tel))
	w := &nopWriter{header: http.Header{}}
	for i := range n {
		r, err := http.NewRequest(http.MethodGet, fmt.Sprintf(format, i), http.NoBody)
		if err != nil {
			panic(err)
		}
		clear(w.header)
		h.ServeHTTP(w, r)
	}
	grown := live() - before
	families, err := reg.Gather()
	if err != nil {
		panic(err)
	}
	for _, f := range families {
		series += len(f.GetMetric())
	}
	runtime.KeepAlive(h)
	return series, grown / 1024
}
