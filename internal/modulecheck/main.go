// Command modulecheck runs `go vet` and `go test` in every module of the repository
// with GOWORK=off, as users build a module.
//
// The modules require each other at versions that are published only with a
// release, and a released go.mod may have no replace directive. The replacements
// are therefore in a temporary copy of go.mod, passed by -modfile.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/modfile"
)

func main() {
	var (
		only    = flag.String("only", "", "comma-separated module folders; empty means every module in go.work")
		skip    = flag.String("skip", ".", "comma-separated module folders to leave out (the root is tested by `go test work`)")
		verb    = flag.String("verb", "test", "what to run: build, vet or test")
		race    = flag.Bool("race", false, "run the tests under the race detector")
		outside = flag.Bool("outside", false, "check the modules outside go.work too")
	)
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: go run ./internal/modulecheck [flags]\n\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	if err := run(*only, *skip, *verb, *race, *outside); err != nil {
		fmt.Fprintln(os.Stderr, "modulecheck:", err)
		os.Exit(1)
	}
}

func run(only, skip, verb string, race, outside bool) error {
	root, err := filepath.Abs(".")
	if err != nil {
		return err
	}
	inWork, err := workspace(root)
	if err != nil {
		return fmt.Errorf("read go.work (run this from the repository's root): %w", err)
	}
	modules, err := findModules(root)
	if err != nil {
		return err
	}
	wanted, unwanted := split(only), split(skip)
	var failed []string
	for _, m := range modules {
		switch {
		case len(wanted) > 0 && !wanted[m.folder]:
			continue
		case len(wanted) == 0 && (unwanted[m.folder] || (!inWork[m.folder] && !outside)):
			continue
		}
		start := time.Now()
		if err := m.check(modules, verb, race); err != nil {
			failed = append(failed, m.folder)
			fmt.Printf("FAIL  %-28s %s\n%s\n", m.folder, time.Since(start).Round(time.Second), err)
			continue
		}
		fmt.Printf("ok    %-28s %s with GOWORK=off in %s\n", m.folder, verb, time.Since(start).Round(time.Second))
	}
	if len(failed) > 0 {
		return fmt.Errorf("these modules do not stand alone: %s", strings.Join(failed, ", "))
	}
	return nil
}

type moduleDir struct {
	path   string // module path
	folder string // relative to the root
	dir    string // absolute
}

// check runs the go command in the module with replacements for its siblings.
func (m moduleDir) check(all []moduleDir, verb string, race bool) error {
	tmp, err := os.MkdirTemp("", "modulecheck")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	data, err := os.ReadFile(filepath.Join(m.dir, "go.mod"))
	if err != nil {
		return err
	}
	file, err := modfile.Parse("go.mod", data, nil)
	if err != nil {
		return err
	}
	have := map[string]bool{}
	for _, r := range file.Replace {
		have[r.Old.Path] = true
	}
	for _, other := range all {
		if other.path == m.path || have[other.path] {
			continue
		}
		if err := file.AddReplace(other.path, "", other.dir, ""); err != nil {
			return err
		}
	}
	for _, r := range file.Replace {
		if have[r.Old.Path] && strings.HasPrefix(r.New.Path, ".") {
			if err := file.AddReplace(r.Old.Path, "", filepath.Join(m.dir, r.New.Path), ""); err != nil {
				return err
			}
		}
	}
	out, err := file.Format()
	if err != nil {
		return err
	}
	mod := filepath.Join(tmp, "check.mod")
	if err := os.WriteFile(mod, out, 0o600); err != nil {
		return err
	}
	if sum, err := os.ReadFile(filepath.Join(m.dir, "go.sum")); err == nil {
		if err := os.WriteFile(filepath.Join(tmp, "check.sum"), sum, 0o600); err != nil {
			return err
		}
	}
	args := []string{verb, "-modfile=" + mod}
	if race && verb == "test" {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "./...")...)
	cmd.Dir = m.dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	var buf bytes.Buffer
	cmd.Stdout, cmd.Stderr = &buf, &buf
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w\n%s", err, buf.String())
	}
	return nil
}

func workspace(root string) (map[string]bool, error) {
	data, err := os.ReadFile(filepath.Join(root, "go.work"))
	if err != nil {
		return nil, err
	}
	work, err := modfile.ParseWork("go.work", data, nil)
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	for _, u := range work.Use {
		used[filepath.Clean(u.Path)] = true
	}
	return used, nil
}

func findModules(root string) ([]moduleDir, error) {
	var found []moduleDir
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if d.IsDir() || d.Name() != "go.mod" {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		found = append(found, moduleDir{path: modfile.ModulePath(data), folder: folder, dir: filepath.Dir(path)})
		return nil
	})
	return found, err
}

func split(list string) map[string]bool {
	set := map[string]bool{}
	for _, s := range strings.Split(list, ",") {
		if s = strings.TrimSpace(s); s != "" {
			set[filepath.Clean(s)] = true
		}
	}
	return set
}
