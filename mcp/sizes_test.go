package mcp

import (
	"encoding/json"
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/internal/docpage"
	"github.com/tenhop/tenhop/waterfall"
)

//go:generate go test -count=1 -run TestSizes . -update

var update = flag.Bool("update", false, "write the table of docs/mcp.md")

// TestSizes measures the answers about traces of 100 to 80,000 spans and compares the
// table of docs/mcp.md with them. A number is the largest of all shapes, rounded up to
// 0.1 KB.
func TestSizes(t *testing.T) {
	sizes := []int{100, 1_000, 10_000, 80_000}
	tools := []string{"diagnose", "slowest_trace", "trace", "self_times", "compare"}
	largest := map[string]map[int]int{"unfolded": {}}
	for _, tool := range tools {
		largest[tool] = map[int]int{}
	}
	largest["made"] = map[int]int{}
	for _, n := range sizes {
		res, spans := measured(n)
		got, _, size := call[Diagnosis](t, connect(t, answering(res)), "diagnose", Question{})
		largest["diagnose"][n] = size
		if missing := lost(got, res); len(missing) > 0 {
			t.Errorf("of a diagnosis of %d spans, these are lost: %s", spans, missing)
		}
		t.Logf("%d spans: %s, %d findings, %d bytes, without %q", spans, got.Says, len(got.Findings), size, got.LeftOut)
	}
	note := func(tool string, n, size int) { largest[tool][n] = max(largest[tool][n], size) }
	for _, shape := range shapes {
		for _, n := range sizes {
			cfg := config(n, shape)
			s := connect(t, cfg)
			_, _, size := call[Diagnosis](t, s, "diagnose", Question{})
			note("made", n, size)
			_, _, size = call[Folded](t, s, "slowest_trace", WhichSlowest{})
			note("slowest_trace", n, size)
			_, _, size = call[Folded](t, s, "trace", WhichTrace{TraceID: "aa"})
			note("trace", n, size)
			_, _, size = call[SelfTimes](t, s, "self_times", WhichRequests{TraceID: "aa"})
			note("self_times", n, size)
			_, _, size = call[Comparison](t, s, "compare", WhichTwo{A: "bb", B: "aa"})
			note("compare", n, size)
			tr := cfg.Traces.(store)["aa"]
			whole, err := json.Marshal(waterfall.Describe(&tr))
			if err != nil {
				t.Fatal(err)
			}
			note("unfolded", n, len(whole))
		}
	}
	var b strings.Builder
	b.WriteString("| answer, KB | 100 spans | 1,000 | 10,000 | 80,000 |\n|---|--:|--:|--:|--:|\n")
	row := func(name string, of map[int]int) {
		fmt.Fprintf(&b, "| %s |", name)
		for _, n := range sizes {
			fmt.Fprintf(&b, " %.1f |", float64((of[n]*10+1023)/1024)/10)
		}
		b.WriteByte('\n')
	}
	for _, tool := range tools {
		row("`"+tool+"`", largest[tool])
	}
	row("`diagnose`, all details", largest["made"])
	row("the trace unfolded (`tenhop trace --json`)", largest["unfolded"])
	docpage.Compare(t, "../docs/mcp.md", "sizes", b.String(), *update, "go generate ./mcp")
}
