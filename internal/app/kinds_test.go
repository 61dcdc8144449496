package app

import (
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/internal/docpage"
	"github.com/tenhop/tenhop/middleware/chaos"
)

var update = flag.Bool("update", false, "write the table of docs/storefront.md")

// TestKindsPage compares the page's table with the kinds that services and shoppers offer.
func TestKindsPage(t *testing.T) {
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
	docpage.Compare(t, filepath.Join("..", "..", "docs", "storefront.md"), "kinds", b.String(), *update, "go test ./internal/app -run TestKindsPage -update")
}
