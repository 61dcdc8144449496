package composecheck_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/alerting"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"go.yaml.in/yaml/v3"
)

// foreign returns what Grafana's own types refuse: unknown fields and wrong types, in panels,
// queries and options as well. Fields that are missing have defaults when Grafana reads them.
func foreign(err error) (out []string) {
	if err == nil {
		return nil
	}
	for line := range strings.Lines(err.Error()) {
		if !strings.Contains(line, "required field is missing") {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

// TestDashboardsAreGrafanas decodes the dashboards with Grafana's own types.
func TestDashboardsAreGrafanas(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	files, err := filepath.Glob(filepath.Join(root, "dashboards/*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	forImport, err := filepath.Glob(filepath.Join(root, "deploy/grafana/import/*.json"))
	if err != nil || len(forImport) != len(files) {
		t.Fatalf("%d dashboards, %d for import: %v", len(files), len(forImport), err)
	}
	for _, file := range append(files, forImport...) {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(raw, &fields); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		delete(fields, "__inputs") // of the form for sharing, not of a dashboard
		delete(fields, "__requires")
		if raw, err = json.Marshal(fields); err != nil {
			t.Fatal(err)
		}
		var d dashboard.Dashboard
		for _, problem := range foreign(d.UnmarshalJSONStrict(raw)) {
			t.Errorf("%s: %s", file, problem)
		}
		if len(d.Panels) == 0 {
			t.Errorf("%s: no panels were decoded", file)
		}
	}
}

// TestAlertRulesAreGrafanas decodes the alerts for Grafana with its own types.
func TestAlertRulesAreGrafanas(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	raw, err := os.ReadFile(filepath.Join(root, "deploy/grafana/alerting/tenhop.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name, Folder string
			Rules        []map[string]any
		}
	}
	if err := yaml.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	rules := 0
	for _, g := range file.Groups {
		for _, fields := range g.Rules {
			rules++
			// What a file says once for a group, the type has in each rule.
			fields["folderUID"], fields["ruleGroup"], fields["orgID"] = g.Folder, g.Name, 1
			one, err := json.Marshal(fields)
			if err != nil {
				t.Fatal(err)
			}
			var r alerting.Rule
			for _, problem := range foreign(r.UnmarshalJSONStrict(one)) {
				t.Errorf("%v: %s", fields["title"], problem)
			}
		}
	}
	if rules == 0 {
		t.Error("no rules were decoded")
	}
}
