// Package mwtest records spans, metrics and log lines of the middleware in tests of
// services, and has a conformance test for adapters.
//
// A test of a service:
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
// The package has its own tracer provider. Tests need no OpenTelemetry SDK.
//
// Authors of adapters call TestServer and TestClient.
package mwtest
