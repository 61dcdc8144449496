package alerts

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/internal/docpage"
)

// TestTable compares the table of the runbooks' README with the rules.
func TestTable(t *testing.T) {
	type row struct{ alert, severity, after, page string }
	var rows []row
	seen := map[string]bool{}
	for name, g := range groups(t) {
		if strings.HasPrefix(name, "coarse") {
			continue
		}
		for _, group := range g.Groups {
			for _, r := range group.Rules {
				key := r.Alert + r.Labels["severity"]
				if r.Alert == "" || seen[key] {
					continue
				}
				seen[key] = true
				rows = append(rows, row{r.Alert, r.Labels["severity"], r.For.String(), path.Base(r.Annotations["runbook_url"])})
			}
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Or(cmp.Compare(a.alert, b.alert), cmp.Compare(a.severity, b.severity)) })
	var table strings.Builder
	table.WriteString("| alert | severity | after | page |\n|---|---|--:|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&table, "| %s | %s | %s | [%s](%s) |\n", r.alert, r.severity, r.after, r.page, r.page)
	}
	docpage.Compare(t, "../docs/runbooks/README.md", "alerts", table.String(), *update, "go generate ./alerts")
}
