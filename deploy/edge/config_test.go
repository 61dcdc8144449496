package edge_test

import (
	"os"
	"os/exec"
	"testing"
)

// TestConfigurations checks what cannot run here by the programs of its owners.
func TestConfigurations(t *testing.T) {
	for _, c := range []struct {
		product, variable, program, hint string
		args                             []string
	}{
		{"Kong", "TENHOP_KONG_BIN", "kong", "install Kong", []string{"config", "parse", "kong.yaml"}},
		{"AWS API Gateway", "TENHOP_CFN_LINT_BIN", "cfn-lint", "pip install cfn-lint", []string{"aws-api-gateway.yaml"}},
	} {
		t.Run(c.product, func(t *testing.T) {
			bin := os.Getenv(c.variable)
			if bin == "" {
				bin, _ = exec.LookPath(c.program)
			}
			if bin == "" {
				t.Skipf("SKIPPED: the configuration for %s was not checked: %s is not in PATH and %s is not set; %s", c.product, c.program, c.variable, c.hint)
			}
			if out, err := exec.CommandContext(t.Context(), bin, c.args...).CombinedOutput(); err != nil {
				t.Errorf("%s %v: %v\n%s", c.program, c.args, err, out)
			}
		})
	}
}
