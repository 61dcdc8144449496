package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestProgress(t *testing.T) {
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	p := newProgress(map[string]int64{"a": 50, "b": 450, "c": 500}, began)
	for _, c := range []struct {
		line    string
		name    bool
		seconds int
		want    string
	}{
		{"a", true, 10, "10s: 1 of 3 packages"},
		{"a", false, 10, "10s: 1 of 3 packages"},
		{"x.go:1:1: expected declaration", false, 10, "10s: 1 of 3 packages"},
		{"b", true, 60, "1m0s: 2 of 3 packages, about 1m0s left"},
		{"c", true, 100, "1m40s: 3 of 3 packages, linking"},
	} {
		if got := p.compiled(c.line); got != c.name {
			t.Errorf("compiled(%q) = %v", c.line, got)
		}
		if got := p.at(began.Add(time.Duration(c.seconds) * time.Second)); got != c.want {
			t.Errorf("after %s: %q, want %q", c.line, got, c.want)
		}
	}
}

func TestSizes(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.go"), make([]byte, 99), 0o600); err != nil {
		t.Fatal(err)
	}
	got := sizes("p/q\t" + dir + "\ta.go\tgone.go\n\nunsafe\t/x\n")
	if len(got) != 2 || got["p/q"] != 100 || got["unsafe"] != 1 {
		t.Errorf("%v", got)
	}
}

// TestNothingToCompile holds the launcher to the standard library: what it imports is what
// a fresh clone compiles before it prints a line.
func TestNothingToCompile(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Skip("go list:", err)
	}
	if got := strings.Fields(string(out)); len(got) != 1 {
		t.Errorf("the launcher imports %v", got)
	}
}
