package dashboards

import (
	"bytes"
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/tenhop/tenhop/dashboards/define"
	"github.com/tenhop/tenhop/dashboards/grafana"
)

var update = flag.Bool("update", false, "write the dashboards again")

// TestFilesAreGenerated compares the committed JSON with the definitions. With
// -update it writes the JSON.
func TestFilesAreGenerated(t *testing.T) {
	for _, d := range define.All() {
		for name, v := range map[string]any{define.FileName(d): d, "../deploy/grafana/import/" + define.FileName(d): grafana.NewImportable(d)} {
			var want bytes.Buffer
			enc := json.NewEncoder(&want)
			enc.SetEscapeHTML(false)
			enc.SetIndent("", "  ")
			if err := enc.Encode(v); err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.WriteFile(name, want.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			have, err := os.ReadFile(name)
			if err != nil {
				t.Error(err)
				continue
			}
			if !bytes.Equal(have, want.Bytes()) {
				t.Errorf("%s is not what package define says; run go generate ./dashboards", name)
			}
		}
	}
	names, err := fs.Glob(os.DirFS("."), "*.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(names) != len(define.All()) {
		t.Errorf("%d files for %d dashboards: %v", len(names), len(define.All()), names)
	}
}

// TestImportAsks asks for each data source that a dashboard refers to, and for no other. The
// variable of one takes the answer.
func TestImportAsks(t *testing.T) {
	for _, d := range define.All() {
		got := grafana.NewImportable(d)
		asked := map[string]string{}
		for _, in := range got.Inputs {
			asked["${"+in.Name+"}"] = in.PluginID
		}
		kept := map[string]bool{}
		for _, v := range got.Templating.List {
			kept[v.Name] = true
			if v.Type == "datasource" && asked[v.Current.Value] != v.Query {
				t.Errorf("%s: %s is %q, asked for are %v", d.UID, v.Name, v.Current.Value, asked)
			}
		}
		want := 0
		for _, v := range d.Templating.List {
			refers := v.Type != "datasource" || refersTo(t, d, v.Name)
			if kept[v.Name] != refers {
				t.Errorf("%s: the variable %s is kept: %v, the dashboard refers to it: %v", d.UID, v.Name, kept[v.Name], refers)
			}
			if v.Type == "datasource" && refers {
				want++
			}
			if strings.HasPrefix(v.Current.Value, "${DS_") {
				t.Errorf("%s: the dashboard itself was changed", d.UID)
			}
		}
		if want == 0 || len(asked) != want || len(got.Requires) != 1+want {
			t.Errorf("%s refers to %d data sources, asks for %v and requires %v", d.UID, want, asked, got.Requires)
		}
	}
}

// refersTo reports whether a variable's name is in anything of a dashboard but the variable.
func refersTo(t *testing.T, d grafana.Dashboard, name string) bool {
	t.Helper()
	d.Templating.List = slices.DeleteFunc(slices.Clone(d.Templating.List), func(v grafana.Variable) bool { return v.Name == name })
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(variable.FindAllSubmatch(text, -1), func(m [][]byte) bool { return string(m[1]) == name })
}

var (
	variable = regexp.MustCompile(`\$\{?([a-z]\w*)`)
	// A query that names a service of the storefront has no data for other fleets.
	storefront = regexp.MustCompile(`"(gateway|loyalty|payment|checkout|order)"`)
	// Grafana's own variables begin with two underscores and are not matched.
	ranges = strings.NewReplacer("$__rate_interval", "1m", "$__range", "15m", "$__interval", "15s")
)

func TestPanels(t *testing.T) {
	uids := map[string]bool{}
	for _, d := range define.All() {
		if uids[d.UID] {
			t.Errorf("uid %s twice", d.UID)
		}
		uids[d.UID] = true
		known := map[string]bool{}
		for _, v := range d.Templating.List {
			known[v.Name] = true
		}
		titles := map[string]bool{}
		for _, p := range d.Panels {
			where := d.UID + ": " + p.Title
			if p.Title == "" || titles[p.Title+p.Type] {
				t.Errorf("%s: no title, or one that is taken", where)
			}
			titles[p.Title+p.Type] = true
			if len(p.Description) < 20 || !strings.HasSuffix(p.Description, ".") {
				t.Errorf("%s: the description does not say what to do next: %q", where, p.Description)
			}
			checkUnit(t, where, p)
			for _, target := range p.Targets {
				checkQuery(t, where, p, target, known)
			}
			if len(p.Links) != 1 || p.Links[0].Title != "Diagnose this" {
				t.Errorf("%s: no link to its diagnosis", where)
			}
			for _, l := range append(p.Links, p.FieldConfig.Defaults.Links...) {
				checkVariables(t, where, l.URL, known)
			}
		}
	}
}

func checkUnit(t *testing.T, where string, p grafana.Panel) {
	t.Helper()
	for _, target := range p.Targets {
		if strings.Contains(target.Expr, "* 100") || strings.Contains(target.Expr, "* 1000") {
			t.Errorf("%s: values are ratios and seconds, the unit does the rest: %s", where, target.Expr)
		}
	}
	if p.FieldConfig.Defaults.Unit == "ms" || p.FieldConfig.Defaults.Unit == "percent" {
		t.Errorf("%s: unit %s", where, p.FieldConfig.Defaults.Unit)
	}
}

func checkQuery(t *testing.T, where string, p grafana.Panel, target grafana.Target, known map[string]bool) {
	t.Helper()
	checkVariables(t, where, target.Expr, known)
	if target.Datasource == nil || target.Datasource.Type != "prometheus" {
		return
	}
	expr := variable.ReplaceAllString(ranges.Replace(target.Expr), ".*")
	if _, err := parser.NewParser(parser.Options{}).ParseExpr(expr); err != nil {
		t.Errorf("%s: %v\n%s", where, err, expr)
	}
	if strings.Contains(target.Expr, "or vector(0)") {
		t.Errorf("%s: or vector(0) shows 0 where nothing was measured", where)
	}
	if m := storefront.FindString(target.Expr); m != "" {
		t.Errorf("%s: the query is empty without the storefront's %s", where, m)
	}
}

func checkVariables(t *testing.T, where, text string, known map[string]bool) {
	t.Helper()
	for _, m := range variable.FindAllStringSubmatch(text, -1) {
		if !known[m[1]] {
			t.Errorf("%s: variable %s is not declared: %s", where, m[1], text)
		}
	}
}
