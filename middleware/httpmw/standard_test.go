package httpmw_test

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// The handler's writer has the methods of the standard library's writer, and Unwrap.
func TestTheWriterHasTheMethodsOfTheServers(t *testing.T) {
	var names [2][]string
	see := func(i int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			names[i] = nil
			for m := range reflect.TypeOf(w).NumMethod() {
				names[i] = append(names[i], reflect.TypeOf(w).Method(m).Name)
			}
		})
	}
	measured := httpmw.Handler(see(1), httpmw.WithTelemetry(mwtest.New(t).Telemetry))
	get := func(h http.Handler, http2 bool) {
		srv := httptest.NewUnstartedServer(h)
		srv.EnableHTTP2 = http2
		srv.StartTLS()
		defer srv.Close()
		resp, err := srv.Client().Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	within := func(h http.Handler) http.Handler { return http.TimeoutHandler(h, time.Hour, "") }
	for name, serve := range map[string]func(http.Handler){
		"HTTP/1":           func(h http.Handler) { get(h, false) },
		"HTTP/2":           func(h http.Handler) { get(h, true) },
		"TimeoutHandler":   func(h http.Handler) { get(within(h), false) },
		"ResponseRecorder": func(h http.Handler) { h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)) },
	} {
		serve(see(0))
		serve(measured)
		names[0] = slices.DeleteFunc(names[0], func(n string) bool { return n == "Result" }) // called on the recorder itself
		names[1] = slices.DeleteFunc(names[1], func(n string) bool { return n == "Unwrap" })
		if !slices.Equal(names[0], names[1]) || len(names[0]) == 0 {
			t.Errorf("%s: the server has %v, the handler sees %v", name, names[0], names[1])
		}
	}
}
