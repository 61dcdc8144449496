package promserver

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestCompression compresses answers to clients on other machines only.
func TestCompression(t *testing.T) {
	h := openServer(t).Handler()
	for from, want := range map[string]string{
		"127.0.0.1:4711":          "",
		"[::1]:4711":              "",
		"[::ffff:127.0.0.1]:4711": "",
		"192.0.2.1:4711":          "gzip",
		"[2001:db8::1]:4711":      "gzip",
		"@":                       "gzip", // no address
	} {
		r := httptest.NewRequest(http.MethodGet, "/api/v1/query?query=1", nil)
		r.RemoteAddr = from
		r.Header.Set("Accept-Encoding", "gzip")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Header().Get("Content-Encoding"); w.Code != http.StatusOK || got != want {
			t.Errorf("a client at %s gets status %d in the encoding %q, want %q", from, w.Code, got, want)
		}
	}
}
