package alerts

import (
	"cmp"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// TestTable compares the table of the runbooks' README with the rules.
func TestTable(t *testing.T) {
	const file, begin, end = "../docs/runbooks/README.md", "<!-- alerts -->\n", "<!-- /alerts -->"
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
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(content), begin)
	old, after, ends := strings.Cut(rest, end)
	if !found || !ends {
		t.Fatalf("%s has no place for the table", file)
	}
	if *update {
		if err := os.WriteFile(file, []byte(before+begin+table.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if old != table.String() {
		t.Errorf("the table of %s is not what the rules say; run go generate ./alerts", file)
	}
}
