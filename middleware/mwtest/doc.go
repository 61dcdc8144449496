// Package mwtest records what the middleware reports, for tests of services
// that use it: the log lines, the metrics and, from any OpenTelemetry SDK, the
// spans of one request.
//
//	func TestCheckout(t *testing.T) {
//		rec := mwtest.New(t)
//		srv := httptest.NewServer(httpmw.Handler(mux, httpmw.WithTelemetry(rec.Telemetry)))
//		defer srv.Close()
//		// … one request with the header X-Correlation-ID: abc …
//		line := rec.Line("abc")
//		if line["operation"] != "POST /checkout" { t.Error(line) }
//		if n := rec.Count("hop_self_duration_seconds", "operation", "POST /checkout"); n != 1 { t.Error(n) }
//		rec.Span("POST /checkout").Want("http.response.status_code", "200")
//	}
//
// The spans are recorded by a small tracer provider of its own, so that a
// test needs no SDK.
package mwtest
