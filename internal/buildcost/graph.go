package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
)

// pkg is a package as `go list` describes it.
type pkg struct {
	ImportPath, Dir  string
	GoFiles, Imports []string
	ImportMap        map[string]string // of the standard library's vendored packages
	Module           *struct{ Path string }
}

func (p pkg) module() string {
	if p.Module == nil {
		return "standard library"
	}
	return p.Module.Path
}

// graph holds a package and all that it imports.
type graph struct {
	root     string
	packages map[string]pkg
}

func list(target string) (*graph, error) {
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Dir,GoFiles,Imports,ImportMap,Module", target)
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	g := &graph{packages: map[string]pkg{}}
	for d := json.NewDecoder(strings.NewReader(string(text))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return g, nil
		} else if err != nil {
			return nil, err
		}
		g.packages[p.ImportPath], g.root = p, p.ImportPath // the root is last
	}
}

// sizes returns the megabytes of Go files by package.
func (g *graph) sizes() map[string]float64 {
	out := map[string]float64{}
	for name, p := range g.packages {
		for _, file := range p.GoFiles {
			if info, err := os.Stat(filepath.Join(p.Dir, file)); err == nil {
				out[name] += float64(info.Size()) / 1e6
			}
		}
	}
	return out
}

// reach returns what the root imports if a module is left out; "" is none.
func (g *graph) reach(without string) map[string]bool {
	seen, next := map[string]bool{g.root: true}, []string{g.root}
	for len(next) > 0 {
		p := g.packages[next[len(next)-1]]
		next = next[:len(next)-1]
		for _, name := range p.Imports {
			name = cmp.Or(p.ImportMap[name], name)
			if q, ok := g.packages[name]; ok && !seen[name] && q.module() != without {
				seen[name], next = true, append(next, name)
			}
		}
	}
	return seen
}

// importers returns the packages of other modules that import a module.
func (g *graph) importers(module string) []string {
	var out []string
	for name, p := range g.packages {
		if p.module() != module && slices.ContainsFunc(p.Imports, func(i string) bool {
			q, ok := g.packages[i]
			return ok && q.module() == module
		}) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// print prints a line per module: its own cost, and what the build would save without it and
// what only it imports.
func (g *graph) print(w io.Writer, cost map[string]float64, unit string, rows int) error {
	type line struct {
		module   string
		own, all float64
		packages int
	}
	own, total := map[string]float64{}, cost["link"]
	for name, p := range g.packages {
		own[p.module()] += cost[name]
		total += cost[name]
	}
	self, base := g.packages[g.root].module(), g.reach("") // without what the Go command adds, such as runtime/cgo
	var lines []line
	for module := range own {
		l := line{module: module, own: own[module]}
		left := map[string]bool{}
		if module != self && module != "standard library" {
			left = g.reach(module)
		}
		for name, p := range g.packages {
			if base[name] && !left[name] && (len(left) > 0 || p.module() == module) {
				l.all += cost[name]
				l.packages++
			}
		}
		lines = append(lines, l)
	}
	slices.SortFunc(lines, func(a, b line) int { return cmp.Or(cmp.Compare(b.all, a.all), cmp.Compare(a.module, b.module)) })
	fmt.Fprintf(w, "%d packages of %d modules, %.1f %s in all, linker %.1f\n\n", len(g.packages), len(own), total, unit, cost["link"])
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "OWN %s\tWITH ITS OWN IMPORTS\tPACKAGES\tMODULE\tIMPORTED BY\n", unit)
	for _, l := range lines[:min(rows, len(lines))] {
		by := g.importers(l.module)
		more := ""
		if len(by) > 2 {
			more = fmt.Sprintf(" and %d more", len(by)-2)
		}
		fmt.Fprintf(t, "%.2f\t%.2f\t%d\t%s\t%s%s\n", l.own, l.all, l.packages, l.module, strings.Join(by[:min(2, len(by))], ", "), more)
	}
	return t.Flush()
}
