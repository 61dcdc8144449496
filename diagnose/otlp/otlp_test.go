package otlp_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/otlp"
)

// Whatever a file holds, it is read, refused with its name, and what was read of
// it can be diagnosed.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"resourceSpans":[{"resource":{"attributes":[{"key":"service.version","value":{"stringValue":"1.2"}}]},"scopeSpans":[{"spans":[
		{"traceId":"01010000000000000000000000000000","spanId":"0100000000000000","name":"POST /pay","kind":2,"startTimeUnixNano":"1700000000000000001","endTimeUnixNano":"1700000000020000001"}]}]}]}`))
	f.Add([]byte(`{"data":[{"traceID":"a","spans":[{"spanID":"1","references":[{"traceID":"a","spanID":"1"}]}],"processes":{}}]}`))
	f.Add([]byte(`[{"traceId":"a","id":"1","timestamp":5}]`))
	path := filepath.Join(f.TempDir(), "name")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		book := diagnose.NewBook()
		all := diagnose.NewAssembler(book.Add)
		n := 0
		stats, err := otlp.ReadFile(t.Context(), path, func(id string, s diagnose.Span) {
			n++
			all.Add(id, s)
		})
		all.Flush()
		if n != stats.Spans {
			t.Errorf("%d spans handed over, %d counted", n, stats.Spans)
		}
		if err != nil && !strings.Contains(err.Error(), "name") {
			t.Errorf("error without the file's name: %v", err)
		}
		res := book.Diagnose(diagnose.Options{})
		book.Explain(&res)
	})
}

// What a diagnosis tells instances and versions apart by is an attribute there.
func TestResource(t *testing.T) {
	path := filepath.Join(t.TempDir(), "traces")
	body := `{"data":[{"traceID":"a","spans":[{"spanID":"1","startTime":1,"processID":"p"}],"processes":{"p":{"serviceName":"pay","tags":[{"key":"service.version","value":"2"},{"key":"host.name","value":"h"}]}}}]}`
	if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := otlp.ReadFile(t.Context(), path, func(_ string, s diagnose.Span) {
		if s.Service != "pay" || s.Attributes["service.version"] != "2" || s.Attributes["host.name"] != "" {
			t.Errorf("%+v", s)
		}
	})
	if err != nil {
		t.Error(err)
	}
}
