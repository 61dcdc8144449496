package hostile_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/internal/docpage"
	"github.com/tenhop/tenhop/internal/hostile"
)

var update = flag.Bool("update", false, "write the table of docs/hostile.md")

// table collects the rows of the page.
type table struct {
	rows []row
}

type row struct {
	reader, input, answer string
	bound                 int // MiB
}

// check passes an input to a reader, records its answer and holds the heap to a bound
// in MiB.
func (tb *table) check(t *testing.T, reader, input string, bound int, read func() string) {
	t.Helper()
	var answer string
	cost := hostile.Measure(func() { answer = read() })
	tb.rows = append(tb.rows, row{reader, input, answer, bound})
	t.Logf("%-26s %-44s %4d MiB of %3d, %5d MiB allocated  %s", reader, input, cost.Peak>>20, bound, cost.Allocated>>20, answer)
	if cost.Peak > uint64(bound)<<20 {
		t.Errorf("%s: %s: %d MiB of heap, want %d at most", reader, input, cost.Peak>>20, bound)
	}
}

// newTable returns a table that is compared with a part of the page at the end of a test.
func newTable(t *testing.T, part string) *table {
	t.Helper()
	if os.Getenv("TENHOP_HOSTILE") == "" {
		t.Skip("TENHOP_HOSTILE is not set: `make hostile` passes hundreds of MiB to every decoder")
	}
	tb := &table{}
	t.Cleanup(func() {
		var b strings.Builder
		b.WriteString("| reader | input | answer | heap, at most |\n|---|---|---|---|\n")
		for _, r := range tb.rows {
			fmt.Fprintf(&b, "| %s | %s | %s | %d MiB |\n", r.reader, r.input, strings.ReplaceAll(r.answer, "|", `\|`), r.bound)
		}
		if t.Failed() && *update {
			return
		}
		docpage.Compare(t, "../../docs/hostile.md", part, b.String(), *update, "make hostile")
	})
	return tb
}
