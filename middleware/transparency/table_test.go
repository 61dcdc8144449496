package transparency

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/middleware/transparency.md again")

const page = "../../docs/middleware/transparency.md"

// family is one table of the page.
type family struct {
	title   string
	about   string
	columns []string
	rows    []row
}

// row is one feature. Its cells run the script on a column. A column without a cell
// does not have the feature.
type row struct {
	feature string
	cells   map[string]func(*exchange)
	// intended names a documented difference in behaviour. Its cells assert on their own
	// what happens with and without the middleware, and record nothing else.
	intended string
}

// on returns the cells of a script that runs on several columns.
func on(script func(*exchange, string), columns ...string) map[string]func(*exchange) {
	cells := map[string]func(*exchange){}
	for _, c := range columns {
		cells[c] = func(x *exchange) { script(x, c) }
	}
	return cells
}

// The names of the differences that are meant, as the page has them.
const (
	same       = "same"
	responseID = "ID in the response"
	context1   = "context sent"
)

// added are the headers that the middleware adds, and what the page calls them.
var added = []struct {
	header, track, difference string
}{
	{"x-correlation-id", "response", responseID},
	{"x-correlation-id", "request", context1},
	{"traceparent", "request", context1},
	{"baggage", "request", context1},
}

// compare returns the content of a cell, or an error that shows where the transcripts
// first differ. Tracks of what a server sent have "response" in their name, those of
// what a client sent "request".
func compare(bare, measured string) (string, error) {
	if bare == measured {
		return same, nil
	}
	stripped, found, err := strip(measured, bare)
	if err != nil {
		return "", err
	}
	if stripped != bare {
		return "", fmt.Errorf("%s", firstDifference(bare, stripped))
	}
	return strings.Join(found, ", "), nil
}

// strip removes the added headers, unless bare has them too. A header that stands twice in one head is an error.
func strip(transcript, bare string) (string, []string, error) {
	var kept, found []string
	track, head := "", map[string]bool{}
	for line := range strings.Lines(transcript) {
		if name, ok := strings.CutPrefix(line, "== "); ok {
			track, head = name, map[string]bool{}
		}
		if strings.TrimSpace(line) == "" {
			head = map[string]bool{}
		}
		difference := ""
		for _, a := range added {
			if strings.Contains(track, a.track) && strings.HasPrefix(strings.ToLower(line), a.header+": ") && !strings.Contains(bare, "\n"+line) {
				if difference = a.difference; head[a.header] {
					return "", nil, fmt.Errorf("%s twice in the %s", a.header, track)
				}
				head[a.header] = true
			}
		}
		if difference == "" {
			kept = append(kept, line)
		} else if !slices.Contains(found, difference) {
			found = append(found, difference)
		}
	}
	slices.Sort(found)
	return strings.Join(kept, ""), found, nil
}

func firstDifference(bare, measured string) string {
	a, b := strings.Split(bare, "\n"), strings.Split(measured, "\n")
	track := ""
	for i := range max(len(a), len(b)) {
		at := func(s []string) string {
			if i < len(s) {
				return s[i]
			}
			return "(the end)"
		}
		if at(a) != at(b) {
			return fmt.Sprintf("%s differ:\nwithout: %q\nwith:    %q\n--- without\n%s\n--- with\n%s", track, at(a), at(b), bare, measured)
		}
		if strings.HasPrefix(at(a), "== ") {
			track = at(a)
		}
	}
	return "no difference"
}

// TestTransparency runs every script with and without the middleware, and compares the
// page with the result.
func TestTransparency(t *testing.T) {
	var b strings.Builder
	b.WriteString(intro)
	cells, run := 0, 0
	for _, f := range families() {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| feature | %s |\n|---|%s\n", f.title, f.about, strings.Join(f.columns, " | "), strings.Repeat("---|", len(f.columns)))
		for _, r := range f.rows {
			fmt.Fprintf(&b, "| %s |", r.feature)
			for _, c := range f.columns {
				cell := "-"
				if script := r.cells[c]; script != nil {
					cells++
					t.Run(fmt.Sprintf("%s/%s/%s", f.title, r.feature, c), func(t *testing.T) {
						run++
						cell = r.run(t, script)
					})
				}
				fmt.Fprintf(&b, " %s |", cell)
			}
			b.WriteByte('\n')
			for c := range r.cells {
				if !slices.Contains(f.columns, c) {
					t.Errorf("%s: there is no column %s", r.feature, c)
				}
			}
		}
	}
	if run < cells || t.Failed() { // -run chose some
		return
	}
	if *update {
		if err := os.WriteFile(filepath.FromSlash(page), []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(filepath.FromSlash(page))
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != b.String() {
		t.Errorf("docs/middleware/transparency.md is stale: %s\nrun `go test -run Transparency . -update` in middleware/transparency", firstDifference(string(have), b.String()))
	}
}

func (r row) run(t *testing.T, script func(*exchange)) string {
	var transcripts [2]string
	for i, measured := range []bool{false, true} {
		x := newExchange(t, measured)
		script(x)
		transcripts[i] = x.transcript()
	}
	if !strings.Contains(transcripts[0], "\n") {
		t.Error("the script has recorded nothing")
	}
	t.Logf("with the middleware:\n%s", transcripts[1])
	cell, err := compare(transcripts[0], transcripts[1])
	if err != nil {
		t.Error(err)
	}
	if r.intended != "" && cell == same {
		return r.intended
	}
	return cell
}
