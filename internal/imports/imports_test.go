// Package imports holds the import directions of the parts.
package imports

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/tenhop/tenhop"

// TestDirections checks what each part must never reach, however indirectly.
func TestDirections(t *testing.T) {
	for _, c := range []struct {
		why      string
		packages []string
		never    func(path string) bool
	}{
		{"diagnose must not see the answers", []string{module + "/diagnose/..."}, func(p string) bool {
			return within(p, module+"/drill") || within(p, module+"/middleware/chaos") || within(p, module+"/supervisor")
		}},
		{"services speak to addresses, never to the embedded stack", []string{module + "/services/..."}, func(p string) bool {
			return within(p, module+"/stack")
		}},
		{"middleware is other people's dependency", []string{module + "/middleware/...", module + "/middleware/grpcmw/...",
			module + "/middleware/kafkamw/...", module + "/middleware/saramamw/...", module + "/middleware/kafkagomw/...", module + "/middleware/amqpmw/...", module + "/middleware/sqlmw/...", module + "/middleware/redismw/...", module + "/middleware/setup/..."}, func(p string) bool {
			return within(p, module) && !within(p, module+"/middleware")
		}},
	} {
		t.Run(c.why, func(t *testing.T) {
			for path, by := range dependencies(t, c.packages) {
				if c.never(path) {
					t.Errorf("%s is imported by %s", path, by)
				}
			}
		})
	}
}

// dependencies returns every package that the patterns reach and one that
// imports it; tests are left out.
func dependencies(t *testing.T, patterns []string) map[string]string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-deps", "-json=ImportPath,Imports"}, patterns...)...).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	deps := map[string]string{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := deps[p.ImportPath]; !ok {
			deps[p.ImportPath] = "the patterns"
		}
		for _, i := range p.Imports {
			deps[i] = p.ImportPath
		}
	}
	if len(deps) == 0 {
		t.Fatalf("%v match nothing", patterns)
	}
	return deps
}

func within(path, prefix string) bool { return path == prefix || strings.HasPrefix(path, prefix+"/") }
