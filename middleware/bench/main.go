package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/setup/otlpspan"
)

// variants are the four implementations of one path; alone may be nil.
type variants struct{ bare, ours, alone, composed func() }

type row struct {
	name   string
	target float64 // time, ratio to composed; 0: none
	alone  float64 // time, ratio to the peer alone; 0: none
	allocs int     // most allocations
	make   func() variants
}

// discard is an exporter that keeps nothing.
type discard struct{}

func (discard) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (discard) Shutdown(context.Context) error                             { return nil }

func provider() *sdktrace.TracerProvider {
	return sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.AlwaysSample())),
		sdktrace.WithBatcher(discard{}))
}

// providers are the tracer providers of a row: that of our variant and that of the
// others.
type providers struct {
	ours trace.TracerProvider
	sdk  *sdktrace.TracerProvider
}

// newProviders gives our variant the provider of setup.
func newProviders() providers {
	ours, err := otlpspan.New(otlpspan.Config{
		Sampler: otlpspan.ParentBased(sdktrace.AlwaysSample()),
		Export:  func(context.Context, []byte, int) error { return nil },
	})
	if err != nil {
		panic(err)
	}
	return providers{ours: ours, sdk: provider()}
}

func rows(tp providers) []row {
	sdk := providers{ours: tp.sdk, sdk: tp.sdk}
	sampled := request(true, false, true)
	return []row{
		{"HTTP server, sampled", .35, .70, 14, func() variants { return httpServer(tp, sampled) }},
		{"HTTP server, sampled, the SDK's spans", .40, 0, 14, func() variants { return httpServer(sdk, sampled) }},
		{"HTTP server, unsampled", .30, 0, 6, func() variants { return httpServer(tp, request(false, false, true)) }},
		{"HTTP client, sampled", .45, 0, 17, func() variants { return httpClient(tp, true) }},
		{"HTTP client, unsampled", 0, 0, 11, func() variants { return httpClient(tp, false) }},
		{"HTTP server, sampled, with baggage", 0, 0, 15, func() variants { return httpServer(tp, request(true, true, true)) }},
		{"HTTP server, sampled, generated ID", 0, 0, 15, func() variants { return httpServer(tp, request(true, false, false)) }},
		{"gRPC server, sampled", .30, 0, 13, func() variants { return grpcServer(tp, true) }},
		{"gRPC server, sampled, the SDK's spans", 0, 0, 13, func() variants { return grpcServer(sdk, true) }},
		{"gRPC server, unsampled", .18, 0, 9, func() variants { return grpcServer(tp, false) }},
		{"gRPC server, unsampled, the SDK's spans", 0, 0, 9, func() variants { return grpcServer(sdk, false) }},
		{"Kafka consume, sampled", .45, 0, 14, func() variants { return kafkaConsume(tp, true) }},
		{"Kafka consume, unsampled", .50, 0, 7, func() variants { return kafkaConsume(tp, false) }},
		{"Kafka produce, sampled", .60, 0, 10, func() variants { return kafkaProduce(tp, true) }},
	}
}

// sample is one round of one variant.
type sample struct{ ns, allocs, bytes float64 }

// measure runs f for about d after a warm-up.
func measure(f func(), d time.Duration) sample {
	if f == nil {
		return sample{}
	}
	for range 200 {
		f()
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n, start, cpu := 0, time.Now(), cpuTime()
	for time.Since(start) < d {
		for range 100 {
			f()
		}
		n += 100
	}
	took := cpuTime() - cpu
	runtime.ReadMemStats(&after)
	return sample{float64(took.Nanoseconds()) / float64(n), float64(after.Mallocs-before.Mallocs) / float64(n),
		float64(after.TotalAlloc-before.TotalAlloc) / float64(n)}
}

// turnsPerRound is how often the variants take turns in one round.
const turnsPerRound = 5

// cpuTime is the processor time that the process used. At GOMAXPROCS=1 it is the
// time of the calls, their garbage collection and the span processor; unlike
// the wall clock it does not count what other programs do meanwhile.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func median(s []sample) sample {
	by := func(f func(sample) float64) float64 {
		v := make([]float64, len(s))
		for i := range s {
			v[i] = f(s[i])
		}
		slices.Sort(v)
		return v[len(v)/2]
	}
	return sample{by(func(s sample) float64 { return s.ns }), by(func(s sample) float64 { return s.allocs }), by(func(s sample) float64 { return s.bytes })}
}

func main() {
	if len(os.Args) > 1 {
		run := map[string]func([]string) error{
			"cost":  cost,
			"serve": func(args []string) error { return serve(args[0], args[1]) }, // a process of cost
		}[os.Args[1]]
		if run != nil {
			if err := run(os.Args[2:]); err != nil {
				fmt.Fprintln(os.Stderr, "bench:", err)
				os.Exit(1)
			}
			return
		}
	}
	rounds := flag.Int("rounds", 10, "rounds; the variants take turns in each")
	d := flag.Duration("d", 100*time.Millisecond, "time of one variant in one round")
	only := flag.String("run", "", "only rows whose name contains this")
	md := flag.String("md", "", "write the Markdown table to this file as well")
	procs := flag.Int("procs", 1, "GOMAXPROCS")
	profile := flag.String("cpuprofile", "", "profile ours into this file")
	memProfile := flag.String("memprofile", "", "profile the allocations of ours into this file")
	flag.Parse()
	runtime.GOMAXPROCS(*procs)
	if file := cmp.Or(*profile, *memProfile); file != "" {
		if err := profileOurs(newProviders(), file, *only, *memProfile != ""); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Processor time per call, medians of %d interleaved rounds, GOMAXPROCS=%d, %s %s/%s.\n\n", *rounds, *procs, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	b.WriteString("| path | bare µs | ours µs (allocs) | peer alone µs (allocs) | composed µs (allocs) | ours ÷ composed (target) | ours ÷ alone (target) | allocs target | reached |\n|---|--:|--:|--:|--:|--:|--:|--:|---|\n")
	failed := 0
	tp := newProviders()
	for _, r := range rows(tp) {
		if !strings.Contains(r.name, *only) {
			continue
		}
		line, ok := run(r, *rounds, *d)
		if !ok {
			failed++
		}
		b.WriteString(line)
		fmt.Fprintf(os.Stderr, "%s", line)
	}
	if *only == "" {
		more := parallel(tp, *rounds, *d) + distinctPaths()
		fmt.Fprint(os.Stderr, more)
		b.WriteString(more)
	}
	fmt.Print(b.String())
	if *md != "" {
		if err := os.WriteFile(*md, []byte("# Benchmarks\n\nWritten by `make bench-middleware`; do not edit.\n\n"+b.String()+"\n## How it is measured\n"+notes), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
	}
	if failed > 0 {
		fmt.Fprintf(os.Stderr, "bench: %d rows miss a target\n", failed)
	}
}

func run(r row, rounds int, d time.Duration) (line string, ok bool) {
	v := r.make()
	fs := []func(){v.bare, v.ours, v.alone, v.composed}
	got := make([][]sample, len(fs))
	for range rounds {
		// In short turns: what other programs do meanwhile hits all variants alike.
		turns := make([][]sample, len(fs))
		for range turnsPerRound {
			for i, f := range fs {
				turns[i] = append(turns[i], measure(f, d/turnsPerRound))
			}
		}
		for i := range fs {
			got[i] = append(got[i], median(turns[i]))
		}
	}
	bare, ours, alone, composed := median(got[0]), median(got[1]), median(got[2]), median(got[3])
	target := func(ratio, most float64) string {
		if most == 0 {
			return fmt.Sprintf("%.2f", ratio)
		}
		ok = ok && ratio <= most
		return fmt.Sprintf("%.2f (≤ %.2f)", ratio, most)
	}
	ok = ours.allocs < float64(r.allocs)+.5
	toComposed, toAlone, aloneCell := target(ours.ns/composed.ns, r.target), "–", "–"
	if v.alone != nil {
		toAlone, aloneCell = target(ours.ns/alone.ns, r.alone), cell(alone)
	}
	return fmt.Sprintf("| %s | %.2f | %s | %s | %s | %s | %s | ≤ %d | %s |\n",
		r.name, bare.ns/1000, cell(ours), aloneCell, cell(composed), toComposed, toAlone, r.allocs, map[bool]string{true: "yes", false: "no"}[ok]), ok
}

func cell(s sample) string { return fmt.Sprintf("%.2f (%.0f)", s.ns/1000, s.allocs) }
