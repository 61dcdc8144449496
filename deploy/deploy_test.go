// Package deploy_test parses the mounted configurations with their own parsers.
package deploy_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/config"
	_ "github.com/prometheus/prometheus/discovery/dns" // the kind of discovery that the file uses
	"go.yaml.in/yaml/v3"

	"github.com/tenhop/tenhop/dashboards/define"
	"github.com/tenhop/tenhop/services"
)

func TestPrometheusLoadsItsConfiguration(t *testing.T) {
	cfg, err := config.LoadFile("prometheus/prometheus.yaml", false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if !*cfg.GlobalConfig.ScrapeNativeHistograms || !cfg.GlobalConfig.AlwaysScrapeClassicHistograms {
		t.Error("rules and dashboards query classic buckets, exemplars need native histograms too: scrape both")
	}
	content, err := os.ReadFile("prometheus/prometheus.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range services.Names() {
		if !strings.Contains(string(content), name) {
			t.Errorf("%s is not scraped", name)
		}
	}
}

// TestGrafanaProvisioning compares the uids of the data sources with the defaults of
// the variables, and with the links between the data sources.
func TestGrafanaProvisioning(t *testing.T) {
	var file struct {
		Datasources []struct {
			UID      string `yaml:"uid"`
			Type     string `yaml:"type"`
			JSONData struct {
				Exemplars []struct {
					DatasourceUID string `yaml:"datasourceUid"`
				} `yaml:"exemplarTraceIdDestinations"`
				Logs struct {
					DatasourceUID string `yaml:"datasourceUid"`
				} `yaml:"tracesToLogsV2"`
				Metrics struct {
					DatasourceUID string `yaml:"datasourceUid"`
				} `yaml:"tracesToMetrics"`
				Derived []struct {
					DatasourceUID string `yaml:"datasourceUid"`
				} `yaml:"derivedFields"`
			} `yaml:"jsonData"`
		} `yaml:"datasources"`
	}
	content, err := os.ReadFile("grafana/provisioning/datasources/tenhop.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(content, &file); err != nil {
		t.Fatal(err)
	}
	kind := map[string]string{"": ""}
	for _, d := range file.Datasources {
		kind[d.UID] = d.Type
	}
	for _, d := range file.Datasources {
		linked := []string{d.JSONData.Logs.DatasourceUID, d.JSONData.Metrics.DatasourceUID}
		for _, e := range d.JSONData.Exemplars {
			linked = append(linked, e.DatasourceUID)
		}
		for _, e := range d.JSONData.Derived {
			linked = append(linked, e.DatasourceUID)
		}
		for _, uid := range linked {
			if _, ok := kind[uid]; !ok {
				t.Errorf("%s links to data source %s, which is not provisioned", d.UID, uid)
			}
		}
	}
	for _, d := range define.All() {
		for _, v := range d.Templating.List {
			if v.Type == "datasource" && kind[v.Current.Value] != v.Query {
				t.Errorf("%s: variable %s is %s, which is of type %q", d.UID, v.Name, v.Current.Value, kind[v.Current.Value])
			}
		}
	}
}

// TestYAMLParses reads every file under deploy and the collector's, document by document.
func TestYAMLParses(t *testing.T) {
	files := []string{"../otel-collector.yaml", "../docker-compose.yml", "../.goreleaser.yaml", "../.gitlab-ci.yml"}
	for _, pattern := range []string{"*/*.yaml", "kubernetes/*/*.yaml", "kubernetes/overlays/*/*.yaml", "../.github/workflows/*.yml"} {
		more, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, more...)
	}
	for _, name := range slices.Compact(files) {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
			continue
		}
		for i, document := range strings.Split(string(content), "\n---\n") {
			var v any
			if err := yaml.Unmarshal([]byte(document), &v); err != nil {
				t.Errorf("%s, document %d: %v", name, i+1, err)
			}
		}
	}
}
