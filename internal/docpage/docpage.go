// Package docpage holds the generated parts of pages against what generates them.
package docpage

import (
	"os"
	"strings"
	"testing"
)

// Compare compares the part of a file between the lines "<!-- name -->" and "<!-- /name -->"
// with want, which ends with a newline. If update is set, it writes want there instead. The
// test fails if the part is another one, with the command that renews it.
func Compare(t *testing.T, file, name, want string, update bool, command string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
	before, rest, found := strings.Cut(string(content), begin)
	_, after, ends := strings.Cut(rest, end)
	if !found || !ends {
		t.Fatalf("%s has nothing between %q and %q", file, begin, end)
	}
	text := before + begin + want + end + after
	switch {
	case text == string(content):
	case update:
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil { // an existing file keeps its mode
			t.Fatal(err)
		}
	default:
		t.Errorf("%s is stale; run %s", file, command)
	}
}
