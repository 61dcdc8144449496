package composecheck_test

import (
	"encoding/json"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	alertmanager "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	_ "github.com/prometheus/prometheus/discovery/dns" // the kind of discovery that the file uses
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// TestPrometheusLoadsItsFiles uses the release of the image in the compose file.
func TestPrometheusLoadsItsFiles(t *testing.T) {
	cfg, err := config.LoadFile(filepath.Join(root, "deploy/prometheus/prometheus.yaml"), false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var jobs []string
	for _, s := range cfg.ScrapeConfigs {
		jobs = append(jobs, s.JobName)
	}
	t.Logf("prometheus.yaml: jobs %v", jobs)
	files, err := filepath.Glob(filepath.Join(root, "alerts/*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no rules: %v", err)
	}
	for _, file := range files {
		groups, errs := rulefmt.ParseFile(file, false, model.UTF8Validation)
		for _, err := range errs {
			t.Errorf("%s: %v", file, err)
		}
		rules := 0
		for _, g := range groups.Groups {
			rules += len(g.Rules)
		}
		t.Logf("%s: %d groups, %d rules", filepath.Base(file), len(groups.Groups), rules)
	}
}

func TestAlertmanagerLoadsItsFiles(t *testing.T) {
	dir := filepath.Join(root, "deploy/alertmanager")
	cfg, err := alertmanager.LoadFile(filepath.Join(dir, "alertmanager.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	// Its paths are those of the container, where the file's folder is mounted.
	for _, pattern := range cfg.Templates {
		files, err := filepath.Glob(filepath.Join(dir, filepath.Base(pattern)))
		if err != nil || len(files) == 0 {
			t.Errorf("%s names no file: %v", pattern, err)
		}
		if _, err := template.FromGlobs(files); err != nil {
			t.Errorf("%s: %v", pattern, err)
		}
		for _, file := range files {
			t.Logf("alertmanager.yaml: %d receivers, template %s", len(cfg.Receivers), filepath.Base(file))
		}
	}
}

// TestGrafanaFilesFitTheirSchemas covers provisioning and dashboards. Grafana's
// own schemas are not available as Go modules, so these are written from its
// documentation.
func TestGrafanaFilesFitTheirSchemas(t *testing.T) {
	provisioning := filepath.Join(root, "deploy/grafana/provisioning")
	for schema, pattern := range map[string]string{
		"datasources": filepath.Join(provisioning, "datasources/*.yaml"),
		"providers":   filepath.Join(provisioning, "dashboards/*.yaml"),
		"dashboard":   filepath.Join(root, "dashboards/*.json"),
	} {
		compiled, err := jsonschema.NewCompiler().Compile("schema/" + schema + ".json")
		if err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Errorf("%s matches no file: %v", pattern, err)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var v any
			if strings.HasSuffix(file, ".json") {
				err = json.Unmarshal(content, &v)
			} else {
				err = yaml.Unmarshal(content, &v)
			}
			if err == nil {
				err = compiled.Validate(v)
			}
			if err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			t.Logf("%s fits schema/%s.json", filepath.Base(file), schema)
		}
	}
}

// TestEveryDashboardHasItsOwnPanels: Grafana refuses a repeated uid and draws
// one of two panels with the same id.
func TestEveryDashboardHasItsOwnPanels(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "dashboards/*.json"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var d struct {
			UID    string
			Panels []struct{ ID int }
		}
		if err := json.Unmarshal(content, &d); err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[d.UID]; ok {
			t.Errorf("%s and %s have the uid %s", file, other, d.UID)
		}
		seen[d.UID] = file
		ids := map[int]bool{}
		for _, p := range d.Panels {
			if ids[p.ID] {
				t.Errorf("%s: two panels have the id %d", file, p.ID)
			}
			ids[p.ID] = true
		}
	}
	t.Logf("dashboards: %v", slices.Sorted(maps.Keys(seen)))
}
