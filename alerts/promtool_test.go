package alerts_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestRulesWithPromtool runs Prometheus's own rule tests: each alert fires,
// resolves, stays silent on no data, on a fresh start and on a restart. promtool
// is pinned in tools/promtool and takes minutes to build the first time;
// PROMTOOL names one that is already built.
func TestRulesWithPromtool(t *testing.T) {
	if testing.Short() {
		t.Skip("builds promtool; not with -short")
	}
	files, err := filepath.Glob("tests/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no rule tests: %v", err)
	}
	args := []string{"tool", "-modfile=" + filepath.Join("..", "tools", "promtool", "go.mod"), "promtool"}
	program := "go"
	if p := os.Getenv("PROMTOOL"); p != "" {
		program, args = p, nil
	}
	cmd := exec.CommandContext(t.Context(), program, append(append(args, "test", "rules"), files...)...)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.CombinedOutput()
	t.Logf("promtool test rules:\n%s", out)
	if err != nil {
		t.Errorf("promtool: %v", err)
	}
}
