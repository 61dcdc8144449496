// Package jaegertest serves traces in the diagnosis's model to tests as Jaeger
// does.
package jaegertest

import (
	"net/http/httptest"
	"testing"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/internal/spans"
	"github.com/tenhop/tenhop/query/jaeger/jaegertest"
	"github.com/tenhop/tenhop/trace"
)

// Serve is Serve of query/jaeger/jaegertest.
func Serve(t testing.TB, traces ...diagnose.Trace) *httptest.Server {
	t.Helper()
	out := make([]trace.Trace, len(traces))
	for i, tr := range traces {
		out[i] = spans.ToTrace(tr)
	}
	return jaegertest.Serve(t, out...)
}
