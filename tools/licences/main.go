// The licences program checks the licences of the modules that the repository's own
// modules build and test with. It fails if a module has none, if it has one that is not
// in the list, or if it is under the AGPL. Tools that are never distributed may be under
// the GPL.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// allowed lists the SPDX names of licences that permit closed use.
var allowed = []string{"0BSD", "Apache-2.0", "BSD-1-Clause", "BSD-2-Clause", "BSD-2-Clause-FreeBSD", "BSD-2-Clause-Views", "BSD-3-Clause", "BSD-3-Clause-Clear", "BlueOak-1.0.0", "CC0-1.0",
	"CC-BY-3.0", "CC-BY-4.0", "CC-BY-SA-4.0", "GooglePatentClause", "ISC", "MIT", "MIT-0", "MPL-2.0", "MPL-2.0-no-copyleft-exception", "OFL-1.1", "PSF-2.0", "Python-2.0", "Unicode-DFS-2016", "Unlicense", "UPL-1.0", "WTFPL", "Zlib"}

func main() {
	root := flag.String("root", ".", "root of the repository")
	flag.Parse()
	if err := run(*root); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// module is a dependency.
type module struct{ Path, Version, Dir string }

func run(root string) error {
	files, err := exec.Command("git", "-C", root, "ls-files", "--cached", "--others", "--exclude-standard", "go.mod", "*/go.mod").Output()
	if err != nil {
		return fmt.Errorf("list the modules of the repository: %w", err)
	}
	seen, counts, problems := map[string]string{}, map[string]int{}, []error{}
	for _, file := range strings.Fields(string(files)) {
		dir := filepath.Dir(file)
		tool := dir == "tools" || strings.HasPrefix(dir, "tools/")
		workspace := "off"
		if dir == "." { // it requires modules of this repository that only the workspace has
			workspace = ""
		}
		deps, err := dependencies(filepath.Join(root, dir), workspace)
		if err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
		for _, m := range deps {
			key := m.Path + "@" + m.Version
			licence, known := seen[key]
			if !known {
				licence = licenceOf(m.Dir)
				seen[key] = licence
				counts[licence]++
			}
			if err := judge(licence, tool); err != nil {
				problems = append(problems, fmt.Errorf("%s uses %s: %w", dir, key, err))
			}
		}
	}
	for _, licence := range slices.Sorted(keys(counts)) {
		fmt.Printf("%5d  %s\n", counts[licence], licence)
	}
	fmt.Printf("%5d  modules\n", len(seen))
	return errors.Join(problems...)
}

func keys(m map[string]int) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// dependencies returns the modules of other repositories that a module's packages,
// their tests and its tools need. workspace is the value of GOWORK.
func dependencies(dir, workspace string) ([]module, error) {
	seen, out := map[string]bool{}, []module{}
	for _, args := range [][]string{{"-test", "./..."}, {"tool"}} {
		cmd := exec.Command("go", append([]string{"list", "-e", "-deps", "-json=Module"}, args...)...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOWORK="+workspace)
		b, err := cmd.Output()
		if err != nil && args[0] != "tool" { // a module may have no tools
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				err = fmt.Errorf("%w: %s", err, exit.Stderr)
			}
			return nil, fmt.Errorf("go list: %w", err)
		}
		dec := json.NewDecoder(strings.NewReader(string(b)))
		for dec.More() {
			var p struct {
				Module *struct {
					module
					Main    bool
					Replace *module
				}
			}
			if err := dec.Decode(&p); err != nil {
				return nil, err
			}
			m := p.Module
			if m == nil || m.Main { // the standard library, the module itself
				continue
			}
			if m.Replace != nil {
				m.Version, m.Dir = m.Replace.Version, m.Replace.Dir
			}
			own := m.Version == "" || strings.HasPrefix(m.Path, "github.com/tenhop/")
			if key := m.Path + "@" + m.Version; !own && !seen[key] {
				seen[key] = true
				out = append(out, m.module)
			}
		}
	}
	return out, nil
}

// licenceOf returns the SPDX names of the licences in the files of a module's root, or
// of its top directories if the root has none, joined by " AND ". It is empty if there
// is none.
func licenceOf(dir string) string {
	if licence := licenceIn(dir); licence != "" {
		return licence
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ""
	}
	var found []string
	for _, e := range entries {
		if licence := licenceIn(filepath.Join(dir, e.Name())); e.IsDir() && licence != "" && !slices.Contains(found, licence) {
			found = append(found, licence)
		}
	}
	return strings.Join(found, " AND ")
}

// licenceIn is licenceOf for the files of one directory.
func licenceIn(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ""
	}
	var found []string
	for _, e := range entries {
		if !isLicenceFile(e) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			continue
		}
		for _, match := range licensecheck.Scan(text).Match {
			if !match.IsURL && !slices.Contains(found, match.ID) {
				found = append(found, match.ID)
			}
		}
	}
	slices.Sort(found)
	return strings.Join(found, " AND ")
}

func isLicenceFile(e fs.DirEntry) bool {
	name := strings.ToUpper(e.Name())
	return !e.IsDir() && (strings.HasPrefix(name, "LICENSE") || strings.HasPrefix(name, "LICENCE") ||
		strings.HasPrefix(name, "COPYING") || strings.HasPrefix(name, "UNLICENSE") || strings.HasPrefix(name, "MIT-LICENSE"))
}

// judge returns an error if a licence is not allowed. A module with several must be
// allowed under each.
func judge(licence string, tool bool) error {
	if licence == "" {
		return errors.New("no licence was found")
	}
	for _, id := range strings.Split(licence, " AND ") {
		copyleft := strings.HasPrefix(id, "GPL-") || strings.HasPrefix(id, "LGPL-")
		if !slices.Contains(allowed, id) && !(tool && copyleft) {
			return fmt.Errorf("the licence %s is not allowed", id)
		}
	}
	return nil
}
