package app

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/tenhop/tenhop/alerts"
)

// Rules adds the rule files of own to the built-in ones. A file with the name of a
// built-in one replaces it. The notices tell of that, and of rules that have the name
// of a built-in rule; both are evaluated then. own is read again when files change.
func Rules(own fs.FS) (rules fs.FS, notices []string, err error) {
	builtIn, err := ruleNames(alerts.FS)
	if err != nil {
		return nil, nil, err
	}
	mine, err := ruleNames(own)
	if err != nil {
		return nil, nil, err
	}
	if len(mine) == 0 {
		notices = append(notices, "the directory holds no *.yaml or *.yml file with rules; only the built-in rules are evaluated")
	}
	for _, name := range slices.Sorted(maps.Keys(mine)) {
		if _, same := builtIn[name]; same {
			notices = append(notices, fmt.Sprintf("%s replaces the built-in file of that name", name))
			delete(builtIn, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(mine)) {
		for _, rule := range mine[name] {
			for _, file := range slices.Sorted(maps.Keys(builtIn)) {
				copied := strings.HasPrefix(file, "coarse") // for longer scrape intervals
				if !copied && slices.Contains(builtIn[file], rule) {
					notices = append(notices, fmt.Sprintf("%s: %s is the name of a built-in rule too (%s); both are evaluated", name, rule, file))
				}
			}
		}
	}
	return union{own, alerts.FS}, notices, nil
}

var ruleName = regexp.MustCompile(`(?m)^\s*(?:-\s+)?(?:alert|record):\s*["']?([^\s"'#]+)`)

// ruleNames returns the names of the rules in each rule file.
func ruleNames(fsys fs.FS) (map[string][]string, error) {
	out := map[string][]string{}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if ext := path.Ext(name); err != nil || d.IsDir() || ext != ".yaml" && ext != ".yml" {
			return err
		}
		content, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		out[name] = []string{}
		for _, m := range ruleName.FindAllStringSubmatch(string(content), -1) {
			if !slices.Contains(out[name], m[1]) {
				out[name] = append(out[name], m[1])
			}
		}
		return nil
	})
	return out, err
}

// union is a file system with the files of two others. Those of the first take
// precedence.
type union [2]fs.FS

// Open implements fs.FS.
func (u union) Open(name string) (fs.File, error) {
	f, err := u[0].Open(name)
	if err != nil {
		if g, second := u[1].Open(name); second == nil {
			return g, nil
		}
	}
	return f, err
}

// ReadDir implements fs.ReadDirFS.
func (u union) ReadDir(name string) ([]fs.DirEntry, error) {
	first, err := fs.ReadDir(u[0], name)
	second, err2 := fs.ReadDir(u[1], name)
	if err != nil && err2 != nil {
		return nil, err
	}
	all := first
	for _, e := range second {
		if !slices.ContainsFunc(first, func(f fs.DirEntry) bool { return f.Name() == e.Name() }) {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(x, y fs.DirEntry) int { return cmp.Compare(x.Name(), y.Name()) })
	return all, nil
}
