package docpage

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	fences   = regexp.MustCompile("(?ms)^```+.*?^```+ *$")
	links    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	headings = regexp.MustCompile(`(?m)^#+ (.*)$`)
	marks    = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// TestLinks checks that each link of a page to a file or heading of the repository leads somewhere.
func TestLinks(t *testing.T) {
	const root = "../.."
	pages := 0
	err := filepath.WalkDir(root, func(page string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && page != root && (strings.HasPrefix(name, ".") || name == "node_modules") {
			return filepath.SkipDir
		}
		if filepath.Ext(page) != ".md" || d.IsDir() {
			return nil
		}
		pages++
		for _, m := range links.FindAllStringSubmatch(text(t, page), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			file, anchor, _ := strings.Cut(m[1], "#")
			target := page
			if file != "" {
				target = filepath.Join(filepath.Dir(page), filepath.FromSlash(file))
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %s is missing", page, m[1])
			} else if anchor != "" && filepath.Ext(target) == ".md" && !anchors(text(t, target))[anchor] {
				t.Errorf("%s: %s has no such heading", page, m[1])
			}
		}
		return nil
	})
	if err != nil || pages == 0 {
		t.Fatalf("%d pages: %v", pages, err)
	}
}

// text returns a page without its blocks of code.
func text(t *testing.T, page string) string {
	t.Helper()
	content, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return fences.ReplaceAllString(string(content), "")
}

// anchors returns the names of a page's headings, as GitHub makes them.
func anchors(page string) map[string]bool {
	out := map[string]bool{}
	for _, m := range headings.FindAllStringSubmatch(page, -1) {
		name := links.ReplaceAllString(m[1], "]")
		out[strings.ReplaceAll(marks.ReplaceAllString(strings.ToLower(name), ""), " ", "-")] = true
	}
	return out
}
