package httpmw_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/httpmw"
)

// goroutineLabels returns the labels of the calling goroutine, as a profile has them.
//
//go:noinline
func goroutineLabels(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		t.Fatal(err)
	}
	for group := range strings.SplitSeq(b.String(), "\n\n") {
		if strings.Contains(group, "goroutineLabels") {
			for line := range strings.Lines(group) {
				if labels, ok := strings.CutPrefix(line, "# labels: "); ok {
					return strings.TrimSpace(labels)
				}
			}
		}
	}
	return ""
}

func labelled(tb testing.TB, next http.Handler, opts ...hop.Option) http.Handler {
	tel, err := hop.New(append(opts, hop.WithServiceName("shop"), hop.WithRegistry(prometheus.NewRegistry()), hop.WithZerolog(zerolog.New(io.Discard)))...)
	if err != nil {
		tb.Fatal(err)
	}
	return httpmw.Handler(next, httpmw.WithTelemetry(tel))
}

// The goroutine of a handler has the operation as a label, beside those of the user, which
// it has alone before and after.
func TestProfileLabels(t *testing.T) {
	var within string
	mux := http.NewServeMux()
	mux.HandleFunc("GET /carts/{id}", func(http.ResponseWriter, *http.Request) { within = goroutineLabels(t) })
	for _, c := range []struct {
		opts         []hop.Option
		user         []string
		before, want string
	}{
		{nil, nil, "{}", "{}"},
		{nil, []string{"tenant", "a"}, `{"tenant":"a"}`, `{"tenant":"a"}`},
		{[]hop.Option{hop.WithProfileLabels()}, nil, "{}", `{"operation":"GET /carts/{id}"}`},
		{[]hop.Option{hop.WithProfileLabels()}, []string{"tenant", "a"}, `{"tenant":"a"}`, `{"operation":"GET /carts/{id}", "tenant":"a"}`},
	} {
		h := labelled(t, mux, c.opts...)
		pprof.Do(context.Background(), pprof.Labels(c.user...), func(ctx context.Context) {
			for range 2 { // made, then known
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/carts/7", nil).WithContext(ctx))
			}
			if after := goroutineLabels(t); within != c.want || after != c.before {
				t.Errorf("%d options, user %v: %s within, %s after", len(c.opts), c.user, within, after)
			}
		})
	}
}

func BenchmarkProfileLabels(b *testing.B) {
	for name, opts := range map[string][]hop.Option{"without": nil, "with": {hop.WithProfileLabels()}} {
		b.Run(name, func(b *testing.B) {
			mux := http.NewServeMux()
			mux.HandleFunc("GET /carts/{id}", func(http.ResponseWriter, *http.Request) {})
			h, r, w := labelled(b, mux, opts...), httptest.NewRequest("GET", "/carts/7", nil), httptest.NewRecorder()
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		})
	}
}
