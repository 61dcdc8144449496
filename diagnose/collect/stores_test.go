package collect

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/diagnose/render"
)

// TestSharedStoreOfFiles: two services whose spans name one database are in the answer,
// whatever its verdict.
func TestSharedStoreOfFiles(t *testing.T) {
	write := func(name, second string) string {
		var traces []string
		for i := range 30 {
			span := func(n int, parent, service, kind string, start, took int, database string) string {
				refs := ""
				if parent != "" {
					refs = fmt.Sprintf(`{"refType":"CHILD_OF","traceID":"%032x","spanID":"%s"}`, i+1, parent)
				}
				return fmt.Sprintf(`{"traceID":"%032x","spanID":"%016x","operationName":"op","references":[%s],"startTime":%d,"duration":%d,"processID":%q,
					"tags":[{"key":"span.kind","type":"string","value":%q}%s]}`, i+1, n, refs, 1_700_000_000_000_000+i*1_000_000+start, took, service, kind, database)
			}
			at := func(database string) string {
				return fmt.Sprintf(`,{"key":"db.system.name","type":"string","value":"postgresql"},{"key":"db.namespace","type":"string","value":%q},
					{"key":"server.address","type":"string","value":"db.internal"},{"key":"db.collection.name","type":"string","value":"orders"}`, database)
			}
			id := func(n int) string { return fmt.Sprintf("%016x", n) }
			traces = append(traces, fmt.Sprintf(`{"traceID":"%032x","spans":[%s,%s,%s,%s,%s],"processes":{"desk":{"serviceName":"desk"},"bills":{"serviceName":"bills"}}}`, i+1,
				span(1, "", "desk", "server", 0, 20_000, ""), span(2, id(1), "desk", "client", 1000, 2000, at("shop")), span(3, id(1), "desk", "client", 5000, 10_000, ""),
				span(4, id(3), "bills", "server", 6000, 8000, ""), span(5, id(4), "bills", "client", 7000, 2000, at(second))))
		}
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(`{"data":[`+strings.Join(traces, ",")+`]}`), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const want = "bills, desk use one database: postgresql shop at db.internal:5432, tables orders"
	for _, c := range []struct {
		second string
		shared int
	}{{"shop", 1}, {"bills", 0}} {
		res, err := Run(t.Context(), Config{Traces: []string{write("now.json", c.second)}, Before: []string{write("before.json", c.second)}})
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		if err := render.Text(&text, res, render.Links{}); err != nil {
			t.Fatal(err)
		}
		if len(res.SharedStores) != c.shared || strings.Contains(text.String(), want) != (c.shared == 1) {
			raw, _ := json.Marshal(res.SharedStores)
			t.Errorf("second database %s: %s\n%s", c.second, raw, text.String())
		}
	}
}
