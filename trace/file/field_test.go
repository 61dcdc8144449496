package file_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/file"
)

// refused are the files of the field that hold no traces, or not whole ones, by
// how their names begin.
var refused = []string{"empty", "jaeger-error", "page", "prom", "truncated.json", "xray-segments"}

// Files as they are met in the field are in the directory traces below
// TENHOP_FIELD.
func TestField(t *testing.T) {
	dir := os.Getenv("TENHOP_FIELD")
	if dir == "" {
		t.Skip("TENHOP_FIELD is not set: the files of the field are not read")
	}
	paths, err := filepath.Glob(filepath.Join(dir, "traces", "*.json*"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files in %s/traces (%v)", dir, err)
	}
	for _, path := range append(paths, filepath.Join(dir, "traces", "page.html")) {
		name := filepath.Base(path)
		t.Run(name, func(t *testing.T) {
			traces := map[string]int{}
			stats, err := file.Read(t.Context(), path, func(id string, s trace.Span) {
				traces[id]++
				if s.Service == "" || s.Operation == "" || s.ID == "" || s.Duration <= 0 || s.Kind == "" {
					t.Errorf("%s: %+v", id, s)
				}
			})
			bad := false
			for _, r := range refused {
				bad = bad || strings.HasPrefix(name, r)
			}
			t.Logf("%d traces, %+v, %v", len(traces), stats, err)
			if bad != (err != nil) || !bad && len(traces) == 0 {
				t.Errorf("error %v", err)
			}
		})
	}
}
