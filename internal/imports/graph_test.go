// Package imports_test checks the import directions of the repository's
// packages, and the page that lists them.
package imports_test

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/tenhop/tenhop"

// graph maps the import path of each package of the workspace to the package.
// Paths are relative to the repository: "diagnose/jaeger", "" for the root.
type graph map[string]pkg

type pkg struct {
	doc     string
	imports []string // of this repository, direct, sorted
	tests   []string // the same, by the package's tests
}

// load reads the packages of every module in go.work.
func load(t *testing.T) graph {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Doc,Imports,TestImports,XTestImports", "work").Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		t.Fatalf("go list: %v\n%s", err, exit.Stderr)
	}
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	g := graph{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath, Doc                    string
			Imports, TestImports, XTestImports []string
		}
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name := relative(p.ImportPath)
		g[name] = pkg{p.Doc, own(p.Imports, name), own(append(p.TestImports, p.XTestImports...), name)}
	}
	return g
}

func relative(importPath string) string {
	return strings.TrimPrefix(strings.TrimPrefix(importPath, module), "/")
}

// own keeps the imports that belong to the repository.
func own(imports []string, self string) []string {
	var out []string
	for _, i := range imports {
		if i != module && !strings.HasPrefix(i, module+"/") {
			continue
		}
		if i = relative(i); i != self {
			out = append(out, i)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// reach returns every package that from imports, directly or not, each with the
// chain of imports that leads to it.
func (g graph) reach(from string) map[string][]string {
	chains := map[string][]string{}
	for next := []string{from}; len(next) > 0; next = next[1:] {
		chain := append(slices.Clone(chains[next[0]]), next[0])
		for _, i := range g[next[0]].imports {
			if _, seen := chains[i]; !seen {
				chains[i] = chain
				next = append(next, i)
			}
		}
	}
	return chains
}

// match returns the packages that a pattern selects, sorted. A pattern is a
// path, with "..." for it and all below as in go list, or "*" for one element.
func (g graph) match(patterns string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(g)) {
		if matches(patterns, name) {
			out = append(out, name)
		}
	}
	return out
}

// matches reports whether one of the space-separated patterns selects name and
// no pattern that begins with "!" does.
func matches(patterns, name string) bool {
	found := false
	for p := range strings.FieldsSeq(patterns) {
		if not, ok := strings.CutPrefix(p, "!"); ok {
			if matches(not, name) {
				return false
			}
			continue
		}
		if root, ok := strings.CutSuffix(p, "/..."); ok {
			found = found || name == root || strings.HasPrefix(name, root+"/")
			continue
		}
		ok, err := path.Match(p, name)
		found = found || p == "..." || (ok && err == nil)
	}
	return found
}
