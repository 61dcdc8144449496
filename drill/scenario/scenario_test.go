package scenario

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/services"
)

func storefront() Known {
	known := Known{}
	for _, d := range services.Definitions() {
		known[d.Name] = d.Operations
	}
	return known
}

// Every scenario names services, operations and kinds that the storefront has.
func TestBuiltin(t *testing.T) {
	all, err := Builtin(storefront())
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 30 {
		t.Errorf("%d scenarios", len(all))
	}
	var controls, pairs, attributes, instances, times, ramps int
	for _, s := range all {
		if len(s.Expect) == 0 {
			controls++
		}
		if len(s.Expect) == 2 {
			pairs++
		}
		for _, a := range s.Expect {
			if len(a.Attributes) > 0 {
				attributes++
			}
			if a.Instance != "" {
				instances++
			}
		}
		for _, f := range s.Faults {
			if f.Every > 0 && f.For > 0 {
				times++
			}
			if f.Ramp > 0 {
				ramps++
			}
		}
	}
	for what, n := range map[string]int{"controls": controls, "pairs": pairs, "attributes": attributes, "instances": instances, "on and off": times, "ramps": ramps} {
		if n == 0 {
			t.Errorf("no scenario has %s", what)
		}
	}
	s, err := Load("payment-spike", storefront())
	if err != nil || len(s.Faults) != 1 || s.Faults[0].Latency != chaos.Duration(500*time.Millisecond) || s.Expect[0].Hop != "payment" {
		t.Errorf("payment-spike: %+v, %v", s, err)
	}
}

const good = `name: slow
description: Slow.
look: Here.
faults:
  - service: payment
    operation: tenhop.v1.Payment/Charge
    kind: latency
    latency: 500ms
expect:
  - hop: payment
`

// What is wrong is reported with its line and with what is allowed.
func TestDecodeErrors(t *testing.T) {
	for _, c := range []struct{ why, from, to, want string }{
		{"a field that does not exist", "latency: 500ms", "latencey: 500ms", `x.yaml:8: there is no field "latencey" here; the fields are at, bytes, code`},
		{"a field that only drills set", "latency: 500ms", "latency: 500ms\n    sealed: true", `x.yaml:9: there is no field "sealed" here`},
		{"a field of the top", "look: Here.", "look: Here.\nrounds: 3", `x.yaml:4: there is no field "rounds" here; the fields are description, entry, expect, faults, look, name, replicas`},
		{"not a duration", "latency: 500ms", "latency: 500", `x.yaml:8: "500" is not a duration such as 500ms or 2m`},
		{"an unknown kind of fault", "kind: latency", "kind: slow", `x.yaml:7: there is no kind of fault "slow"; the kinds are `},
		{"an unknown service", "service: payment", "service: paymint", `x.yaml:5: there is no service "paymint"; the services are cart, catalog`},
		{"an unknown operation", "operation: tenhop.v1.Payment/Charge", "operation: Pay", `x.yaml:6: payment has no operation "Pay"; it has tenhop.v1.Payment/Charge, tenhop.v1.Payment/Refund`},
		{"a process that does not run", "service: payment", "service: payment-2", "x.yaml:5: payment-2 does not run in this scenario; ask for it with `replicas: {payment: 2}`"},
		{"a field that the kind does not use", "latency: 500ms", "latency: 500ms\n    code: UNAVAILABLE", "x.yaml:5: latency does not use code"},
		{"too much", "latency: 500ms", "latency: 10m", "x.yaml:5: latency must be above 0"},
		{"over a hundred", "latency: 500ms", "latency: 500ms\n    percent: 120", "x.yaml:9: percent is 120"},
		{"a number as text", "look: Here.", "look: 7", "x.yaml:3: 7: wanted is text, in quotes"},
		{"text as a number", "latency: 500ms", "latency: 500ms\n    percent: many", "x.yaml:9: many: wanted is a number"},
		{"a list that is none", "faults:\n  - service: payment", "faults:\n    service: payment", "x.yaml:5: wanted is a list, each item a mapping with the fields at, "},
		{"a value that is missing", "look: Here.", "look:", "x.yaml:3: a value is missing; wanted is text"},
		{"twice", "look: Here.", "look: Here.\nlook: There.", `x.yaml:4: "look" is given twice`},
		{"no answer", "expect:\n  - hop: payment\n", "", "x.yaml:1: expect is missing"},
		{"an unknown cause", "  - hop: payment\n", "  - hop: payment\n    causes: [cpu, magic]\n", `x.yaml:11: there is no kind of cause "magic"; the kinds are cpu, throttled`},
		{"an instance of another", "  - hop: payment\n", "  - hop: payment\n    instance: order-1\n", "x.yaml:11: order-1 does not run"},
		{"no name", "name: slow\n", "", `x.yaml:1: name ""`},
		{"off before on", "latency: 500ms", "latency: 500ms\n    for: 9s\n    every: 5s", "x.yaml:10: every is 5s; it must be at least 1s and longer than for"},
		{"a ramp of errors", "kind: latency\n    latency: 500ms", "kind: error\n    ramp: 30s", "x.yaml:8: ramp is for latency"},
		{"no YAML", "look: Here.", "look: [", "x.yaml: line "},
		{"two documents", "  - hop: payment\n", "  - hop: payment\n---\nname: b\n", "a file holds one scenario"},
	} {
		if !strings.Contains(good, c.from) {
			t.Fatalf("%s: %q is not in the file", c.why, c.from)
		}
		_, err := Decode("x.yaml", []byte(strings.Replace(good, c.from, c.to, 1)), storefront())
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s:\n%v\nwant\n%s", c.why, err, c.want)
		}
	}
	if _, err := Decode("x.yaml", nil, nil); err == nil || !strings.Contains(err.Error(), "x.yaml:1: the file is empty") {
		t.Errorf("an empty file: %v", err)
	}
	if _, err := Decode("x.yaml", []byte(strings.NewReplacer("500ms", "5", "Charge", "Pay").Replace(good)+"more: 1\n"), storefront()); strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("not all errors of the form are listed: %v", err)
	}
}

func TestLoad(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(file, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Load(file, storefront()); err != nil || s.Name != "slow" {
		t.Errorf("a file: %+v, %v", s, err)
	}
	if _, err := Load("no-such", nil); err == nil || !strings.Contains(err.Error(), "tenhop drill scenarios") {
		t.Errorf("an unknown name: %v", err)
	}
}

// A ramp adds up to its latency.
func TestSteps(t *testing.T) {
	f := Fault{Service: "payment", Fault: chaos.Fault{Kind: "latency", Latency: chaos.Duration(time.Second)}, At: chaos.Duration(time.Second), Ramp: chaos.Duration(9 * time.Second)}
	var sum chaos.Duration
	steps := f.Steps()
	for i, s := range steps {
		sum += s.Latency
		if want := chaos.Duration(time.Duration(i+1) * time.Second); s.At != want {
			t.Errorf("step %d begins at %s, want %s", i, time.Duration(s.At), time.Duration(want))
		}
	}
	if sum != f.Latency || len(steps) != 10 {
		t.Errorf("%d steps of %s in all", len(steps), time.Duration(sum))
	}
}

func TestMissing(t *testing.T) {
	s := Scenario{Replicas: map[string]int{"payment": 2}}
	if service, n := s.Missing(map[string][]string{"payment": {"payment"}}); service != "payment" || n != 2 {
		t.Errorf("%s, %d", service, n)
	}
	if service, _ := s.Missing(map[string][]string{"payment": {"payment-1", "payment-2"}}); service != "" {
		t.Errorf("%s", service)
	}
}
