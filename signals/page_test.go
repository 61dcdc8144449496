package signals_test

//go:generate go test -count=1 -run TestPage . -update

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/signals"
)

var update = flag.Bool("update", false, "write the table of docs/diagnosis.md again")

const (
	page  = "../docs/diagnosis.md"
	begin = "<!-- families -->\n"
	end   = "<!-- /families -->"
)

// TestPage compares the table of families in docs/diagnosis.md with the code. With
// -update it writes the table.
func TestPage(t *testing.T) {
	content, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(content), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no table between %q and %q", page, begin, end)
	}
	want := before + begin + table() + end + after
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(content) {
		t.Errorf("%s does not list the families as they are; run go generate ./signals", page)
	}
}

// table returns the families in order of precedence. Those that differ in name and unit
// only share a row.
func table() string {
	var rows []string
	families := map[string][]string{}
	for _, c := range signals.Conventions() {
		kind := fmt.Sprintf("%s, %s", c.Side, c.Kind)
		for _, label := range []string{"span_kind", "reporter"} {
			if v := c.Only[label]; v != nil {
				kind += fmt.Sprintf(" (`%s` %s)", label, strings.Join(v, ", "))
			}
		}
		var operation []string
		for _, names := range c.Operation {
			operation = append(operation, cell(names))
		}
		row := fmt.Sprintf("%s | %s | %s | %s | %s", kind, cell(c.Service), strings.Join(operation, " + "), cell(c.Peer), cell(c.Status))
		if families[row] == nil {
			rows = append(rows, row)
		}
		family := "`" + c.Family + "`"
		if c.Unit == 1e-3 {
			family += " (ms)"
		}
		families[row] = append(families[row], family)
	}
	var b strings.Builder
	b.WriteString("| families | measure | service | operation | peer | status |\n|---|---|---|---|---|---|\n")
	for _, row := range rows {
		fmt.Fprintf(&b, "| %s | %s |\n", strings.Join(families[row], ", "), row)
	}
	return b.String()
}

func cell(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "`" + strings.Join(names, "`, `") + "`"
}
