package httpmw_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// A reverse proxy copies the headers of its request. A host that is not trusted does not
// get the correlation ID and the baggage that came, nor what the service takes from them.
// It gets what the service has set for it.
func TestAProxyTellsThirdPartiesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		came   http.Header
		set    func(h http.Header, r *http.Request) // by the handler
		remain map[string]string                    // at a host that is not trusted
	}{
		"the caller's":    {http.Header{"X-Correlation-Id": {"c-1"}, "Baggage": {"tier=gold, correlation.id=c-1,hop.entry=GET%20/,hop.start=1700000000000"}}, nil, nil},
		"several headers": {http.Header{"X-Correlation-Id": {"c-1", "c-2"}, "Baggage": {"tier=gold", "region=us ; p=1,,"}}, nil, nil},
		"X-Request-ID":    {http.Header{"X-Request-Id": {"r-1"}}, nil, nil},
		"both IDs":        {http.Header{"X-Correlation-Id": {"c-1"}, "X-Request-Id": {"r-1"}}, nil, nil},
		"invalid":         {http.Header{"X-Correlation-Id": {strings.Repeat("c", 200)}, "Baggage": {"tier,=,x"}}, nil, nil},
		"too large":       {http.Header{"Baggage": {"tier=gold," + strings.Repeat("a=b,", 4000) + "tier=silver"}}, nil, nil},
		"no caller's":     {http.Header{}, nil, nil},
		"set by hand from the request": {http.Header{"Baggage": {"tier=gold"}}, func(h http.Header, r *http.Request) {
			h.Set("X-Correlation-Id", hop.CorrelationID(r.Context()))
		}, nil},
		"set by hand": {http.Header{"X-Correlation-Id": {"c-1"}, "Baggage": {"tier=gold"}}, func(h http.Header, _ *http.Request) {
			h.Set("X-Correlation-Id", "partner-7")
			h.Add("Baggage", "contract=7")
		}, map[string]string{"X-Correlation-Id": "partner-7", "Baggage": "contract=7"}},
	} {
		for _, edge := range [][]httpmw.Option{nil, {httpmw.WithPublicEdge()}} {
			for _, trusted := range []bool{false, true} {
				rec := mwtest.New(t)
				var got http.Header
				up := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header }))
				target, err := url.Parse(up.URL)
				if err != nil {
					t.Fatal(err)
				}
				hosts := []string{"payment"}
				if trusted {
					hosts = append(hosts, target.Hostname())
				}
				proxy := httputil.NewSingleHostReverseProxy(target)
				proxy.Transport = httpmw.Transport(nil, httpmw.WithTelemetry(rec.Telemetry), httpmw.WithTrustedHosts(hosts...))
				next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if c.set != nil {
						c.set(r.Header, r)
					}
					proxy.ServeHTTP(w, r)
				})
				r := httptest.NewRequest(http.MethodGet, "/", nil)
				r.Header = c.came.Clone()
				httpmw.Handler(next, append(edge, httpmw.WithTelemetry(rec.Telemetry))...).ServeHTTP(httptest.NewRecorder(), r)
				up.Close()
				if got.Get("Traceparent") == "" || trusted && got.Get("X-Correlation-Id") == "" {
					t.Errorf("%s, trusted %v: %v", name, trusted, got)
				}
				for _, key := range []string{"X-Correlation-Id", "X-Request-Id", "Baggage"} {
					if v := strings.Join(got[key], ","); !trusted && v != c.remain[key] {
						t.Errorf("%s, public %v: a host that is not trusted gets %s: %.100s, want %q", name, edge != nil, key, v, c.remain[key])
					}
				}
			}
		}
	}
}
