package httpmw_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"testing"

	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// An interim response has no correlation ID, and the final one has one, also behind a
// reverse proxy, which clears its header in between.
func TestInterimResponsesHaveNoCorrelationID(t *testing.T) {
	tel := httpmw.WithTelemetry(mwtest.New(t).Telemetry)
	hints := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>")
		w.WriteHeader(http.StatusEarlyHints)
	})
	measured, bare := httptest.NewServer(httpmw.Handler(hints, tel)), httptest.NewServer(hints)
	defer measured.Close()
	defer bare.Close()
	front := func(s *httptest.Server) *httptest.Server {
		u, err := url.Parse(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		return httptest.NewServer(httpmw.Handler(httputil.NewSingleHostReverseProxy(u), tel))
	}
	proxy, proxyOfBare := front(measured), front(bare)
	defer proxy.Close()
	defer proxyOfBare.Close()
	for name, s := range map[string]*httptest.Server{"server": measured, "proxy": proxy, "proxy of a bare server": proxyOfBare} {
		interim := 0
		r, err := http.NewRequest(http.MethodGet, s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		r = r.WithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			if interim++; h.Get("X-Correlation-ID") != "" || h.Get("Link") == "" {
				t.Errorf("%s: the %d has %v", name, code, h)
			}
			return nil
		}}))
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if n := len(resp.Header.Values("X-Correlation-ID")); n != 1 || interim != 1 {
			t.Errorf("%s: %d interim responses, %d IDs in the final one", name, interim, n)
		}
	}
}
