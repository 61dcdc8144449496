package scenario

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
)

//go:embed files/*.yaml
var files embed.FS

const builtinDir = "files"

// Builtin returns the scenarios that are built in, sorted by name. Only a build with a wrong
// file is an error.
func Builtin(known Known) ([]Scenario, error) {
	entries, err := fs.ReadDir(files, builtinDir) // sorted
	if err != nil {
		return nil, err
	}
	var out []Scenario
	var errs []error
	for _, e := range entries {
		data, err := files.ReadFile(path.Join(builtinDir, e.Name()))
		if err != nil {
			return nil, err
		}
		s, err := Decode(e.Name(), data, known)
		if err == nil && s.Name+".yaml" != e.Name() {
			err = fmt.Errorf("%s: the scenario is named %s", e.Name(), s.Name)
		}
		out, errs = append(out, s), append(errs, err)
	}
	return out, errors.Join(errs...)
}

// Load returns the scenario that is built in under a name, or reads a file. A name with a
// slash or with the ending .yaml or .yml is that of a file.
func Load(name string, known Known) (Scenario, error) {
	if strings.ContainsAny(name, "/\\") || strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml") {
		data, err := os.ReadFile(name)
		if err != nil {
			return Scenario{}, err
		}
		return Decode(name, data, known)
	}
	data, err := files.ReadFile(path.Join(builtinDir, name+".yaml"))
	if err != nil {
		return Scenario{}, fmt.Errorf("there is no scenario %q; see `tenhop drill scenarios`, or name a file that ends in .yaml", name)
	}
	return Decode(name+".yaml", data, known)
}
