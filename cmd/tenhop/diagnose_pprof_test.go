package main

import (
	"strings"
	"testing"

	"github.com/tenhop/tenhop/diagnose/result"
)

// The error of a service without a pprof endpoint names the flag that gives one.
func TestUnknownPprofEndpoint(t *testing.T) {
	res := result.Result{Verdict: result.Spike, Findings: []result.Finding{{Hop: "payment"}}}
	err := profile(t.Context(), t.TempDir(), map[string]string{"cart": "http://127.0.0.1:1"}, &res)
	if src := res.Sources; err != nil || len(src) != 1 || !strings.HasSuffix(src[0].Error, "give --pprof payment=URL") {
		t.Errorf("%v, %+v", err, src)
	}
}
