package app_test

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/tenhop/tenhop/alerts"
	"github.com/tenhop/tenhop/internal/app"
)

// Own rules come beside the built-in ones, and a name that both have is told.
func TestRules(t *testing.T) {
	builtIn, err := fs.Glob(alerts.FS, "*.yaml")
	if err != nil || len(builtIn) == 0 {
		t.Fatal(err)
	}
	const replaced = "kafka.yaml"
	content, err := fs.ReadFile(alerts.FS, "hops.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(content), "alert: ")
	name, _, _ := strings.Cut(rest, "\n")
	own := fstest.MapFS{
		"team/own.yml": {Data: []byte("groups:\n- name: own\n  rules:\n  - alert: " + name + "\n    expr: up == 0\n  - alert: ShelfEmpty\n    expr: up == 0\n")},
		replaced:       {Data: []byte("groups: []\n")},
		"README.md":    {Data: []byte("alert: " + name)},
	}
	rules, notices, err := app.Rules(own)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	if err := fs.WalkDir(rules, ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, want := range append(builtIn, "team/own.yml") {
		if !slices.Contains(names, want) {
			t.Errorf("no %s in %v", want, names)
		}
	}
	if b, err := fs.ReadFile(rules, replaced); err != nil || string(b) != "groups: []\n" {
		t.Errorf("%s: %q, %v", replaced, b, err)
	}
	said := strings.Join(notices, "\n")
	if len(notices) != 2 || !strings.Contains(said, replaced+" replaces the built-in file") || !strings.Contains(said, "team/own.yml: "+name+" is the name of a built-in rule too (hops.yaml)") {
		t.Errorf("notices %q", notices)
	}
	if _, notices, err := app.Rules(fstest.MapFS{}); err != nil || len(notices) != 1 {
		t.Errorf("an empty directory: %q, %v", notices, err)
	}
}
