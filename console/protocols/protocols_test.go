package protocols

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write comparison.json again")

// TestRecorded compares the page's data with the table of the documentation, which
// `make protocols` writes.
func TestRecorded(t *testing.T) {
	page, err := os.ReadFile("../../docs/protocols.md")
	if err != nil {
		t.Fatal(err)
	}
	want, err := json.MarshalIndent(parse(t, string(page)), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	switch {
	case bytes.Equal(want, recorded):
	case *update:
		if err := os.WriteFile("comparison.json", want, 0o600); err != nil { // an existing file keeps its mode
			t.Fatal(err)
		}
	default:
		t.Error("comparison.json is stale; run go generate ./console/protocols")
	}
}

// parse reads the part of the page between the marks of the table.
func parse(t *testing.T, page string) Comparison {
	t.Helper()
	_, rest, begins := strings.Cut(page, "<!-- table -->")
	table, _, ends := strings.Cut(rest, "<!-- /table -->")
	if !begins || !ends {
		t.Fatal("docs/protocols.md has no table")
	}
	var c Comparison
	for line := range strings.Lines(table) {
		line = strings.TrimSpace(line)
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case line == "" || strings.HasPrefix(line, "|---"):
		case strings.HasPrefix(line, "Not worth comparing"):
			c.Doubt = line
		case !strings.HasPrefix(line, "|"):
			c.Measured = strings.TrimSpace(c.Measured + " " + line)
		case c.Columns == nil:
			c.Columns = cells
		default:
			c.Rows = append(c.Rows, cells)
		}
	}
	for _, row := range c.Rows {
		if len(row) != len(c.Columns) {
			t.Fatalf("%q has not %d cells", row, len(c.Columns))
		}
	}
	if len(c.Rows) < 4 || c.Measured == "" {
		t.Fatalf("the table of docs/protocols.md has %d rows, measured %q", len(c.Rows), c.Measured)
	}
	return c
}
