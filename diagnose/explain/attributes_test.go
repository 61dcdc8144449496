package explain

import (
	"fmt"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/trace"
)

// What instrumentation and samplers write about a request's outcome, or about
// themselves, is no evidence. What the application writes is.
func TestOwnMarksAreNoEvidence(t *testing.T) {
	var slow, normal []trace.Trace
	for i := range 20 {
		of := func(attributes map[string]string) trace.Trace {
			return trace.Trace{ID: fmt.Sprint(i), Spans: []trace.Span{{ID: "1", Service: "bank", Operation: "Pay", Kind: trace.Server,
				Duration: time.Millisecond, Attributes: attributes}}}
		}
		slow = append(slow, of(map[string]string{"tenant": "large", "tenhop.exemplar": "true", "error": "true", "error.type": "timeout", "otel.status_code": "ERROR",
			"sampler.type": "const", "sampling.priority": "1", "_sampling_priority_v1": "1", "internal.span.format": "otlp", "http.response.status_code": "504",
			"rpc.grpc.status_code": "4", "exception.type": "Timeout", "db.response.status_code": "40001"}))
		normal = append(normal, of(map[string]string{"tenant": "small"}))
	}
	for _, kind := range []string{result.KindSelf, result.KindErrors} {
		got := attributes(&result.Finding{Hop: "bank", Kind: kind}, slow, normal)
		if len(got) != 1 || got[0].Key != "tenant" {
			t.Errorf("%s: %+v, want the tenant alone", kind, got)
		}
	}
}
