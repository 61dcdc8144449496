package scenario

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/internal/docpage"
)

//go:generate go test -run TestPage -update .

var update = flag.Bool("update", false, "write the table of docs/drills.md")

// TestPage compares the table of scenarios in docs/drills.md with the files.
func TestPage(t *testing.T) {
	all, err := Builtin(storefront())
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("\n| scenario | faults | what happens | look at |\n|---|---|---|---|\n")
	for _, s := range all {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.Name, faults(s), s.Description, s.Look)
	}
	b.WriteString("\n")
	docpage.Compare(t, "../../docs/drills.md", "scenarios", b.String(), *update, "go generate ./drill/scenario")
}

// faults returns the faults of a scenario in a few words.
func faults(s Scenario) string {
	var all []string
	for _, f := range s.Faults {
		words := f.Kind
		switch {
		case f.Ramp > 0:
			words += ", growing"
		case f.Every > 0 && f.For > 0:
			words += ", on and off"
		case f.At > 0:
			words += fmt.Sprintf(" after %s", time.Duration(f.At))
		}
		all = append(all, words)
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, "; ")
}
