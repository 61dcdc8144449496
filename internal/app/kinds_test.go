package app

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/middleware/chaos"
)

var update = flag.Bool("update", false, "write the table of docs/storefront.md")

// TestKindsPage compares the page's table with the kinds that services and shoppers offer.
func TestKindsPage(t *testing.T) {
	const begin, end = "<!-- kinds -->\n", "<!-- /kinds -->"
	file := filepath.Join("..", "..", "docs", "storefront.md")
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("| kind | offered by | effect | symptoms | cause | fields |\n|---|---|---|---|---|---|\n")
	shared := map[string]bool{}
	for _, k := range chaos.Kinds() {
		shared[k.Name] = true
	}
	for _, k := range Kinds() {
		if shared[k.Name] {
			continue
		}
		by := "each service that calls others"
		if len(k.Services) > 0 {
			by = strings.Join(k.Services, ", ")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | `%s` | `%s` |\n", k.Name, by, k.Does, k.Symptom, k.Cause, strings.Join(k.Fields, "`, `"))
	}
	before, rest, ok := bytes.Cut(page, []byte(begin))
	have, after, ok2 := bytes.Cut(rest, []byte(end))
	switch {
	case !ok || !ok2:
		t.Fatalf("%s has no %q", file, begin)
	case string(have) == b.String():
	case *update:
		if err := os.WriteFile(file, bytes.Join([][]byte{before, []byte(begin), []byte(b.String()), []byte(end), after}, nil), 0o600); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("the table of %s is stale: go test ./internal/app -run TestKindsPage -update", file)
	}
}
