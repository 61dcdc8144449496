package jaeger_test

import (
	"testing"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/internal/spans"
	"github.com/tenhop/tenhop/trace/jaeger"
)

// Whatever Jaeger answers, it is read or refused, and what was read can be
// measured.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"data":[{"traceID":"a","spans":[{"spanID":"1","operationName":"GET /","startTime":1700000000000000,"duration":5,"processID":"p",
		"references":[{"refType":"CHILD_OF","traceID":"a","spanID":"0"}],"tags":[{"key":"error","type":"bool","value":true},{"key":"n","value":1.5}]}],
		"processes":{"p":{"serviceName":"gateway","tags":[{"key":"service.version","value":"1"}]}}}]}`))
	f.Add([]byte(`{"data":[{"traceID":"a","spans":[{"spanID":"1","references":[{"traceID":"a","spanID":"2"}]},{"spanID":"2","references":[{"traceID":"a","spanID":"1"}]}]}]}`))
	f.Add([]byte(`{"data":null,"errors":[{"code":404}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		found, _ := jaeger.Unmarshal(b)
		book := diagnose.NewBook()
		for _, read := range found {
			tr := spans.FromTrace(read)
			book.Add(tr)
			if s, ok := diagnose.FirstFailing(tr); ok && !s.Failed {
				t.Errorf("%+v has not failed", s)
			}
		}
		book.Diagnose(diagnose.Options{})
	})
}
