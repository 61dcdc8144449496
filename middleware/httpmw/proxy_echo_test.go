package httpmw_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// Gateway and upstream both use the middleware: ReverseProxy adds the
// upstream's echo to ours.
func TestOneCorrelationHeaderBehindAProxy(t *testing.T) {
	tel := httpmw.WithTelemetry(mwtest.New(t).Telemetry)
	up := httptest.NewServer(httpmw.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), tel))
	defer up.Close()
	u, _ := url.Parse(up.URL)
	rp := httputil.NewSingleHostReverseProxy(u)
	rp.Transport = httpmw.Transport(nil, tel)
	front := httptest.NewServer(httpmw.Handler(rp, tel))
	defer front.Close()
	resp, err := http.Get(front.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if v := resp.Header.Values("X-Correlation-ID"); len(v) != 1 {
		t.Errorf("the answer has %d: %q", len(v), v)
	}
}
