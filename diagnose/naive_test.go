package diagnose_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/sample"
	"github.com/tenhop/tenhop/trace"
)

// naive returns each service's time on the critical path of a trace, as published by CRISP
// (Zhang et al., USENIX ATC 2022). The path goes from the end of a span back along the
// child that finished last; time without a child is the span's. There is no repair of
// clock skew or of missing spans, and no distinction of kinds of span.
func naive(t trace.Trace) map[string]time.Duration {
	children := map[string][]trace.Span{}
	ids := map[string]bool{}
	for _, s := range t.Spans {
		ids[s.ID] = true
	}
	var root *trace.Span
	for i, s := range t.Spans {
		if ids[s.Parent] {
			children[s.Parent] = append(children[s.Parent], s)
		} else if root == nil {
			root = &t.Spans[i]
		}
	}
	out := map[string]time.Duration{}
	var walk func(s trace.Span, from, until time.Time)
	walk = func(s trace.Span, from, until time.Time) {
		kids := children[s.ID]
		slices.SortFunc(kids, func(a, b trace.Span) int { return b.Start.Add(b.Duration).Compare(a.Start.Add(a.Duration)) })
		at := until
		for _, k := range kids {
			end := k.Start.Add(k.Duration)
			if end.After(at) || k.Start.Before(from) { // overlaps the next one or the parent's start
				continue
			}
			out[s.Service] += at.Sub(end)
			walk(k, k.Start, end)
			at = k.Start
		}
		out[s.Service] += at.Sub(from)
	}
	if root != nil {
		walk(*root, root.Start, root.Start.Add(root.Duration))
	}
	return out
}

// suspect returns the service whose mean time on the path grew most from the traces before
// onset to those after it.
func suspect(traces []trace.Trace, onset time.Time) string {
	growth := map[string]float64{}
	var n [2]float64
	for _, t := range traces {
		n[phaseOf(t, onset)]++
	}
	for _, t := range traces {
		p := phaseOf(t, onset)
		for service, d := range naive(t) {
			growth[service] += float64(2*p-1) * d.Seconds() / n[p]
		}
	}
	return slices.MaxFunc(slices.Sorted(maps.Keys(growth)), func(a, b string) int { return cmp.Compare(growth[a], growth[b]) })
}

func phaseOf(t trace.Trace, onset time.Time) int {
	if len(t.Spans) > 0 && t.Spans[0].Start.Before(onset) {
		return 0
	}
	return 1
}

// TestNaive compares the hops that both methods name in every script. The naive method gets
// the onset of the incident, which the diagnosis has to find.
func TestNaive(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	var table strings.Builder
	scripts, right, ours := 0, 0, 0
	for _, file := range files {
		s := readScript(t, file)
		want := blamed(s)
		traces := s.traces()
		said := suspect(traces, time.Unix(1_700_000_000, 0).Add(s.phases[0].length))
		requests := sample.New()
		for _, tr := range traces {
			requests.Add(tr)
		}
		got := ""
		if r := diagnose.Diagnose(diagnose.Evidence{Sample: requests}, diagnose.Options{}).Result(); len(r.Findings) > 0 && r.Verdict != result.Unsure {
			got = r.Findings[0].Hop
		}
		scripts++
		if said == want {
			right++
		}
		if got == want {
			ours++
		}
		fmt.Fprintf(&table, "| %s | %s | %s | %s |\n", strings.TrimSuffix(filepath.Base(file), ".txt"), none(want), none(said), none(got))
	}
	t.Logf("\n| script | to blame | naive | diagnose |\n|---|---|---|---|\n%snaive %d of %d, diagnose %d", table.String(), right, scripts, ours)
	if ours != scripts {
		t.Errorf("%d of %d are named rightly from traces", ours, scripts)
	}
	if right == scripts {
		t.Error("the naive method is never wrong: the scripts are too easy")
	}
}

func none(hop string) string { return cmp.Or(hop, "nobody") }

// blamed returns the hop that a script expects from traces, first or at any rank, or "".
func blamed(s script) string {
	for _, how := range []string{"first", "named"} {
		for _, e := range s.expect {
			if words := split(e); words[1] == how && words[0] != "expect[metrics]" && (how == "first" || words[2] != "") {
				return words[2]
			}
		}
	}
	return ""
}

func BenchmarkNaive(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	s := readScript(b, filepath.Join("testdata", "plain.txt"))
	traces := make([]trace.Trace, 2000)
	spans := 0
	for i := range traces {
		traces[i] = play(s.phases[i%2].kinds[0], time.Unix(int64(i), 0), i, rng)
	}
	began := processor(b)
	for b.Loop() {
		for _, t := range traces {
			naive(t)
			spans += len(t.Spans)
		}
	}
	b.ReportMetric(float64(spans)/(processor(b)-began), "spans/cpu-s")
}

// processor returns the CPU time of the process, in seconds.
func processor(b testing.TB) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}
