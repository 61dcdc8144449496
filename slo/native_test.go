package slo

import (
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/promqltest"
)

// Rules for native histograms measure what the histograms hold. The calls of the
// test take from 0.5 s to 1 s, or from 1 s to 2 s, half of them each.
func TestNativeRules(t *testing.T) {
	f, err := ReadNative(strings.NewReader(`
version: tenhop/v1
service: billing
slos:
  - {name: slow, objective: 99, latency: 1s, rpc: {method: acme.Billing/Pay}}
  - {name: interpolated, objective: 99, latency: 700ms, http: {method: GET, route: /bills}}
  - {name: available, objective: 99, http: {method: GET, route: /bills}}
  - {name: never-failed, objective: 99, rpc: {method: acme.Billing/Pay}}
  - {name: silent, objective: 99, latency: 1s, messages: {destination: bills}}
`))
	if err != nil {
		t.Fatal(err)
	}
	ratio := map[string]string{}
	for _, s := range f.SLOs {
		ratio[s.Name] = strings.ReplaceAll(strings.ReplaceAll(s.ratio(f), "$window", "5m"), "\n", " ")
	}
	promqltest.RunTest(t, `
load 1m
  rpc_server_call_duration_seconds{service_name="billing",rpc_method="acme.Billing/Pay",error_type=""} {{schema:0 sum:10 count:10 buckets:[5 5]}}+{{schema:0 sum:10 count:10 buckets:[5 5]}}x10
  http_server_request_duration_seconds{service_name="billing",http_request_method="GET",http_route="/bills",http_response_status_code="200"} {{schema:0 sum:10 count:9 buckets:[9]}}+{{schema:0 sum:10 count:9 buckets:[9]}}x10
  http_server_request_duration_seconds{service_name="billing",http_request_method="GET",http_route="/bills",http_response_status_code="503"} {{schema:0 sum:10 count:1 buckets:[1]}}+{{schema:0 sum:10 count:1 buckets:[1]}}x10

eval instant at 10m `+ratio["slow"]+`
  {} 0.5

# log2(0.7 / 0.5) of the bucket is below 700 ms.
eval instant at 10m abs((`+ratio["interpolated"]+`) - 0.515) < bool 0.01
  {} 1

eval instant at 10m `+ratio["available"]+`
  {} 0.1

eval instant at 10m `+ratio["never-failed"]+`
  {} 0

eval instant at 10m `+ratio["silent"]+`
`, promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery))
}

// The form of the histograms is classic or native.
func TestHistogramsForm(t *testing.T) {
	file := "version: tenhop/v1\nservice: x\nhistograms: %\nslos: [{name: a, objective: 99, latency: 300ms, rpc: {method: m}}]"
	if _, err := Read(strings.NewReader(strings.ReplaceAll(file, "%", "native"))); err != nil {
		t.Errorf("any latency can be an objective of a native histogram: %v", err)
	}
	if _, err := Read(strings.NewReader(strings.ReplaceAll(file, "%", "exponential"))); err == nil || !strings.Contains(err.Error(), "classic or native") {
		t.Errorf("got %v", err)
	}
}
