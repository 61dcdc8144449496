package httpmw_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// MaxBytesReader tells the server's own writer to close the connection; it does
// not look behind a wrapper. Every wrapping middleware has it;
// ours could set Connection: close when a read ends with *http.MaxBytesError.
func TestTooLargeABodyClosesTheConnection(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 8)); err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		}
	})
	for name, h := range map[string]http.Handler{"plain": h, "tenhop": httpmw.Handler(h, httpmw.WithTelemetry(mwtest.New(t).Telemetry))} {
		srv := httptest.NewServer(h)
		resp, err := http.Post(srv.URL, "text/plain", strings.NewReader(strings.Repeat("x", 64)))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if !resp.Close {
			t.Errorf("%s: %d without Connection: close", name, resp.StatusCode)
		}
		srv.Close()
	}
}
