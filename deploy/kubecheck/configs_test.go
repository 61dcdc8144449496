package kubecheck_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestConfigurationsAreValid validates each configuration of the telemetry tiers, as
// kustomize writes it, by the program that reads it.
func TestConfigurationsAreValid(t *testing.T) {
	collector, jaeger := os.Getenv("TENHOP_COLLECTOR_BIN"), os.Getenv("TENHOP_JAEGER_BIN")
	if collector == "" || jaeger == "" {
		t.Skip("SKIPPED: the collectors' and Jaeger's configurations were not checked; make configs-check names the programs")
	}
	programs := map[string]struct {
		bin   string
		files []string // merged in this order
	}{
		"otel-agent":   {collector, []string{"config.yaml"}},
		"otel-gateway": {collector, []string{"otel-collector.yaml", "kafka.yaml"}},
		"jaeger":       {jaeger, []string{"ingester.yaml"}},
	}
	cluster := filepath.Join(t.TempDir(), "kubeconfig")
	err := os.WriteFile(cluster, []byte(`{apiVersion: v1, kind: Config, current-context: none,
  clusters: [{name: none, cluster: {server: "http://127.0.0.1:1"}}], contexts: [{name: none, context: {cluster: none}}]}`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, o := range build(t).Resources() {
		for name, program := range programs {
			if o.GetKind() != "ConfigMap" || !strings.HasPrefix(o.GetName(), name) { // a generated map's name ends with a hash
				continue
			}
			dir, data := t.TempDir(), o.GetDataMap()
			args := []string{"validate"}
			for _, file := range program.files {
				path := filepath.Join(dir, file)
				if err := os.WriteFile(path, []byte(data[file]), 0o600); err != nil {
					t.Fatal(err)
				}
				args = append(args, "--config="+path)
			}
			cmd := exec.CommandContext(t.Context(), program.bin, args...)
			// The agent's exporter requires a cluster, but does not contact it yet.
			cmd.Env = append(os.Environ(), "COLLECTOR_DATA="+dir, "CLICKHOUSE_USER=jaeger", "CLICKHOUSE_PASSWORD=secret",
				"KUBECONFIG="+cluster)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", o.GetName(), err, out)
				continue
			}
			t.Logf("%s (%s): valid, says %s", o.GetName(), strings.Join(program.files, " + "), filepath.Base(program.bin))
			checked++
		}
	}
	if checked != len(programs) && !t.Failed() {
		t.Errorf("%d configurations found, want %d", checked, len(programs))
	}
}

// TestTheAgentRedactsLikeTheCollector: the agents send log lines to Loki
// themselves, so that their patterns must not fall behind.
func TestTheAgentRedactsLikeTheCollector(t *testing.T) {
	type file struct {
		Processors struct {
			Redaction struct {
				Keys   []string `json:"blocked_key_patterns"`
				Values []string `json:"blocked_values"`
			} `json:"redaction"`
		} `json:"processors"`
		Service struct {
			Pipelines map[string]struct {
				Processors []string `json:"processors"`
			} `json:"pipelines"`
		} `json:"service"`
	}
	read := func(content []byte) (f file) {
		if err := yaml.Unmarshal(content, &f); err != nil {
			t.Fatal(err)
		}
		return f
	}
	content, err := os.ReadFile("../../otel-collector.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want, found := read(content), false
	for _, o := range build(t).Resources() {
		if o.GetKind() != "ConfigMap" || o.GetName() != "otel-agent" {
			continue
		}
		found = true
		got := read([]byte(o.GetDataMap()["config.yaml"]))
		if len(want.Processors.Redaction.Values) == 0 ||
			!slices.Equal(got.Processors.Redaction.Keys, want.Processors.Redaction.Keys) ||
			!slices.Equal(got.Processors.Redaction.Values, want.Processors.Redaction.Values) {
			t.Errorf("the agent redacts %+v, the collector %+v", got.Processors.Redaction, want.Processors.Redaction)
		}
		for name, p := range got.Service.Pipelines {
			if !slices.Contains(p.Processors, "redaction") {
				t.Errorf("the agent's pipeline %s does not redact", name)
			}
		}
	}
	if !found {
		t.Error("there is no agent")
	}
}
