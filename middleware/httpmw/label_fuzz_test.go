package httpmw_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"unicode/utf8"

	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// FuzzLabels sends any method, path and route through the handler: labels stay
// valid UTF-8 and short, and the request is counted once.
func FuzzLabels(f *testing.F) {
	f.Add("GET", "/items/7", "GET /items/{id}")
	f.Add("\xff", "/\x00", "\xff\xfe")
	f.Add("", "", "example.com/a")
	f.Fuzz(func(t *testing.T, method, path, route string) {
		rec := mwtest.New(t)
		r := &http.Request{Method: method, URL: &url.URL{Path: path}, Header: http.Header{}, Host: path, RemoteAddr: route}
		httpmw.Handler(respond(204), httpmw.WithTelemetry(rec.Telemetry), httpmw.WithExclude(),
			httpmw.WithRouteFunc(func(*http.Request) string { return route })).ServeHTTP(httptest.NewRecorder(), r)
		if rec.Count(serverFamily) != 1 {
			t.Error("the request was not counted once")
		}
		mfs, err := rec.Registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, mf := range mfs {
			for _, m := range mf.GetMetric() {
				for _, l := range m.GetLabel() {
					if !utf8.ValidString(l.GetValue()) || len(l.GetValue()) > 300 {
						t.Errorf("%s: label %s is %q", mf.GetName(), l.GetName(), l.GetValue())
					}
				}
			}
		}
	})
}
