package slo

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

var update = flag.Bool("update", false, "write the generated rules again")

const (
	source = "alerts/slo/storefront.yaml"
	golden = "alerts/slo.yaml"
)

// TestStorefrontRules compares the committed rules with their source.
func TestStorefrontRules(t *testing.T) {
	in, err := os.Open("../" + source)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	f, err := Read(in)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := Generate(&got, f, source); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("../"+golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("../" + golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%s is not what %s says; run go generate ./alerts", golden, source)
	}
	if _, errs := rulefmt.Parse(got.Bytes(), false, model.LegacyValidation, parser.NewParser(parser.Options{}), nil); len(errs) > 0 {
		t.Errorf("Prometheus does not take the rules: %v", errs)
	}
}

// TestEveryKindOfObjective parses each kind's expressions with Prometheus's parser.
func TestEveryKindOfObjective(t *testing.T) {
	f, err := Read(strings.NewReader(`
version: tenhop/v1
service: billing
slos:
  - {name: rpc, objective: 99, rpc: {method: acme.Billing/Pay}}
  - {name: rpc-slow, objective: 99, latency: 1s, rpc: {method: acme.Billing/Pay}}
  - {name: topic, objective: 99, messages: {destination: bills}}
  - {name: flow, objective: 99, latency: 10s, messages: {destination: bills, completion: true}}
  - name: raw
    objective: 99.9
    events: {bad: 'sum(rate(bad_total[$window]))', total: 'sum(rate(all_total[$window]))'}
`))
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := Generate(&got, f, "billing.yaml"); err != nil {
		t.Fatal(err)
	}
	groups, errs := rulefmt.Parse(got.Bytes(), false, model.LegacyValidation, parser.NewParser(parser.Options{}), nil)
	if len(errs) > 0 {
		t.Fatalf("%v\n%s", errs, got.String())
	}
	for _, want := range []string{
		`rpc_server_call_duration_seconds_bucket{service_name="billing",rpc_method="acme.Billing/Pay",le="1.0"}[5m]`,
		`hop_completion_duration_seconds_bucket{service_name="billing",operation="process bills",le="10.0"}[3d]`,
		`sum(rate(bad_total[6h]))`,
	} {
		if !strings.Contains(got.String(), want) {
			t.Errorf("the rules do not contain %s", want)
		}
	}
	alerts := 0
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			if r.Alert != "" {
				alerts++
			}
		}
	}
	if want := 5 * 4; alerts != want {
		t.Errorf("%d alerts, want one per objective and pair of windows: %d", alerts, want)
	}
}

func TestReadNamesWhatIsWrong(t *testing.T) {
	for _, c := range []struct{ why, file, want string }{
		{"an unknown field is a typing error", "version: tenhop/v1\nservices: x\n", "services"},
		{"a format that this program does not know", "version: v9\nservice: x\nslos: [{name: a, objective: 99, rpc: {method: m}}]", "tenhop/v1"},
		{"an objective of 100 % has no budget", "version: tenhop/v1\nservice: x\nslos: [{name: a, objective: 100, rpc: {method: m}}]", "objective 100"},
		{"an objective that is no number", "version: tenhop/v1\nservice: x\nslos: [{name: a, objective: .nan, rpc: {method: m}}]", "objective NaN"},
		{"a negative threshold", "version: tenhop/v1\nservice: x\nslos: [{name: a, objective: 99, latency: -1s, rpc: {method: m}}]", "negative"},
		{"a threshold between buckets cannot be counted", "version: tenhop/v1\nservice: x\nslos: [{name: a, objective: 99, latency: 300ms, rpc: {method: m}}]", "no bucket's bound"},
		{"two selectors contradict each other", "version: tenhop/v1\nservice: x\nslos: [{name: a, objective: 99, rpc: {method: m}, http: {method: GET, route: /}}]", "set one of"},
		{"one name would overwrite the other's series", "version: tenhop/v1\nservice: x\nslos: [{name: a, objective: 99, rpc: {method: m}}, {name: a, objective: 9, rpc: {method: n}}]", "is taken"},
		{"events without a range", "version: tenhop/v1\nservice: x\nslos: [{name: a, objective: 99, events: {bad: b, total: t}}]", "$window"},
		{"windows that nobody defined", "version: tenhop/v1\nservice: x\nwindows: [weekly]\nslos: [{name: a, objective: 99, rpc: {method: m}}]", "weekly"},
	} {
		if _, err := Read(strings.NewReader(c.file)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.why, err, c.want)
		}
	}
}
