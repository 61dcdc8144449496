package config_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

var example = regexp.MustCompile("(?s)```yaml\n(# backends\\.yaml.*?)```")

// The files in the documentation are valid.
func TestDocs(t *testing.T) {
	t.Setenv("TEMPO_PASSWORD", "secret")
	pages, err := filepath.Glob("../../docs/your-fleet/*.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range example.FindAllSubmatch(text, -1) {
			seen++
			if _, err := read(t, string(block[1])); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
	if seen < 4 {
		t.Errorf("%d files were found", seen)
	}
}
