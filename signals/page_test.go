package signals_test

//go:generate go test -count=1 -run TestPage . -update

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/internal/docpage"
	"github.com/tenhop/tenhop/signals"
)

var update = flag.Bool("update", false, "write the tables of docs/diagnosis.md again")

const page = "../docs/diagnosis.md"

// TestPage compares the tables of families and of cause signals in docs/diagnosis.md with
// the code. With -update it writes them.
func TestPage(t *testing.T) {
	for name, table := range map[string]string{"families": table(), "causes": causes()} {
		docpage.Compare(t, page, name, table, *update, "go generate ./signals")
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

// causes returns the cause signals by measure. Within a measure they are in order of
// precedence.
func causes() string {
	var measures []signals.Measure
	series := map[signals.Measure][]string{}
	for _, s := range signals.CauseSignals() {
		if series[s.Measure] == nil {
			measures = append(measures, s.Measure)
		}
		name := s.Series
		for label, values := range s.Only {
			name += fmt.Sprintf("{%s=%q}", label, strings.Join(values, "|"))
		}
		series[s.Measure] = append(series[s.Measure], fmt.Sprintf("`%s` (%s)", name, s.By))
	}
	var b strings.Builder
	b.WriteString("| measure | series |\n|---|---|\n")
	for _, m := range measures {
		fmt.Fprintf(&b, "| %s | %s |\n", strings.ReplaceAll(string(m), "_", " "), strings.Join(series[m], ", "))
	}
	return b.String()
}

func cell(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "`" + strings.Join(names, "`, `") + "`"
}
