package imports_test

//go:generate go test -count=1 -run TestArchitecturePage . -update

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/internal/docpage"
)

var update = flag.Bool("update", false, "write the list of packages in docs/architecture.md again")

const (
	root = "../../"
	page = "docs/architecture.md"
)

// TestArchitecturePage compares the page's list of packages and directions with
// the code. With -update it writes the list.
func TestArchitecturePage(t *testing.T) {
	docpage.Compare(t, root+page, "packages", list(load(t)), *update, "go generate ./internal/imports")
}

// list returns a table of the packages: purpose and imports. Packages without
// documentation hold only tests or generated code and are left out.
func list(g graph) string {
	var b strings.Builder
	b.WriteString("| package | purpose | imports |\n|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(g)) {
		if g[name].doc == "" {
			continue
		}
		var imports []string
		for _, i := range g[name].imports {
			imports = append(imports, "`"+i+"`")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, purpose(g[name].doc), strings.Join(imports, " "))
	}
	return b.String()
}

var subject = regexp.MustCompile(`^(Package|Command) \w+ `)

// purpose is a package's synopsis, up to its first colon and without its name.
func purpose(doc string) string {
	doc = subject.ReplaceAllString(doc, "")
	if i := strings.Index(doc, ": "); i > 0 {
		doc = doc[:i] + "."
	}
	doc = strings.TrimSuffix(doc, ":")
	doc = strings.ToUpper(doc[:1]) + doc[1:]
	return strings.ReplaceAll(doc, "|", `\|`)
}

// A file or folder of the repository: it has a slash and no spaces or braces.
var named = regexp.MustCompile("`((?:[a-z0-9_]+/)+[a-z0-9_.]+)`")

// TestArchitecturePageNamesFiles checks that what the page names exists.
func TestArchitecturePageNamesFiles(t *testing.T) {
	content, err := os.ReadFile(root + page)
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(content), "<!-- packages -->")
	found := named.FindAllStringSubmatch(text, -1)
	if len(found) < 20 {
		t.Errorf("%s names %d files, want at least 20", page, len(found))
	}
	for _, m := range found {
		if _, err := os.Stat(root + m[1]); err != nil {
			t.Errorf("%s: %v", page, err)
		}
	}
}
