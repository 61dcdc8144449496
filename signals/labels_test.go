package signals_test

import (
	"encoding/json"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/tenhop/tenhop/signals"
)

// A label name may be a string or a list, in YAML and in JSON.
func TestLabelsDecode(t *testing.T) {
	var y, j struct {
		Labels signals.Labels `yaml:"labels" json:"labels"`
	}
	if err := yaml.Unmarshal([]byte("labels:\n  service: app\n  operation: [uri, path]\n"), &y); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(`{"labels":{"service":"app","operation":["uri","path"]}}`), &j); err != nil {
		t.Fatal(err)
	}
	for _, l := range []signals.Labels{y.Labels, j.Labels} {
		if err := l.Check(); err != nil || len(l["service"]) != 1 || l["service"][0] != "app" || len(l["operation"]) != 2 || l["operation"][1] != "path" {
			t.Errorf("%v (%v)", l, err)
		}
	}
	if err := json.Unmarshal([]byte(`{"labels":{"service":7}}`), &j); err == nil {
		t.Error("a number is no label name")
	}
}

func TestLabelsCheck(t *testing.T) {
	for _, c := range []struct {
		why    string
		labels signals.Labels
		want   string // part of the error, or ""
	}{
		{"a name with dots is valid since Prometheus 3", signals.Labels{"service": {"service.name"}}, ""},
		{"a typing error", signals.Labels{"servise": {"app"}}, "one of service"},
		{"nothing", signals.Labels{"service": {}}, "names no label"},
		{"an internal name", signals.Labels{"service": {"__address__"}}, "not the name of a label"},
		{"an empty name", signals.Labels{"status": {""}}, "not the name of a label"},
	} {
		err := c.labels.Check()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.why, err)
		}
	}
}

func TestLabelsAdd(t *testing.T) {
	l := signals.Labels{}
	for _, pair := range []string{"service=app", "operation=uri", "operation=path"} {
		if err := l.Add(pair); err != nil {
			t.Error(err)
		}
	}
	if len(l["operation"]) != 2 || l["service"][0] != "app" {
		t.Errorf("%v", l)
	}
	for _, pair := range []string{"service", "colour=red", "service="} {
		if err := l.Add(pair); err == nil {
			t.Errorf("%q is taken", pair)
		}
	}
}
