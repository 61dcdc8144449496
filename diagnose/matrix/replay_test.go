package matrix

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/internal/docpage"
)

var update = flag.Bool("update", false, "write docs/matrix.md again")

const page = "../../docs/matrix.md"

type tally struct{ cells, metrics, traces int }

// TestReplay diagnoses all recorded evidence with the defaults of `tenhop diagnose` and
// compares the results with docs/matrix.md.
func TestReplay(t *testing.T) {
	files, err := filepath.Glob("testdata/sampling-*.jsonl.zst")
	if err != nil || len(files) == 0 {
		t.Fatalf("no evidence is recorded: %v", err)
	}
	type key struct {
		latency  time.Duration
		sampling float64
	}
	tallies := map[key]*tally{}
	var misses []string
	for _, file := range files {
		for _, c := range read(t, file) {
			k := key{c.Latency, c.Sampling}
			if tallies[k] == nil {
				tallies[k] = &tally{}
			}
			res := diagnose.Diagnose(diagnose.Evidence{Metrics: c.Evidence}, diagnose.Options{}).Result()
			first := c.First(res)
			tallies[k].add(first, c.Named)
			if !first || !c.Named {
				misses = append(misses, fmt.Sprintf("%s %s at %v, %g %% of traces: %s; with traces: %s",
					c.Hop, c.Operation, c.Latency, 100*c.Sampling, said(res), c.Answer))
			}
		}
	}
	var out strings.Builder
	fmt.Fprint(&out, "| added | traces kept | faults | first, from metrics | first, by `tenhop diagnose` then |\n|--:|--:|--:|--:|--:|\n")
	keys := make([]key, 0, len(tallies))
	for k := range tallies {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b key) int {
		return cmp.Or(cmp.Compare(b.sampling, a.sampling), cmp.Compare(b.latency, a.latency))
	})
	for _, k := range keys {
		n := tallies[k]
		fmt.Fprintf(&out, "| %v | %g %% | %d | %d | %d |\n", k.latency, 100*k.sampling, n.cells, n.metrics, n.traces)
		if want := least(k.latency, n.cells); n.metrics < want {
			t.Errorf("%v at %g %%: %d of %d named, want %d", k.latency, 100*k.sampling, n.metrics, n.cells, want)
		}
	}
	if len(misses) > 0 {
		fmt.Fprintf(&out, "\nMissed:\n\n- %s\n", strings.Join(misses, "\n- "))
	}
	t.Log("\n" + out.String())
	docpage.Compare(t, page, "replay", out.String(), *update, "go test ./diagnose/matrix -update")
}

// least returns the minimum number of faults to name: all from 100 ms on, 95 % below.
func least(latency time.Duration, cells int) int {
	if latency >= 100*time.Millisecond {
		return cells
	}
	return (95*cells + 99) / 100
}

func (n *tally) add(metrics, traces bool) {
	n.cells++
	if metrics {
		n.metrics++
	}
	if traces {
		n.traces++
	}
}

// said returns the verdict and the first finding in one line.
func said(r result.Result) string {
	if len(r.Findings) == 0 {
		return r.Verdict + ", " + r.Why
	}
	f := r.Findings[0]
	return strings.TrimSpace(fmt.Sprintf("%s, %s %s %s %s", r.Verdict, f.Hop, f.Operation, f.Kind, f.Target))
}

func read(t *testing.T, file string) []Cell {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cells, err := Read(f)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return cells
}
