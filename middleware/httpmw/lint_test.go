package httpmw_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

func TestMetricsAreLintClean(t *testing.T) {
	rec := mwtest.New(t)
	serve(httpmw.Handler(respond(200), httpmw.WithTelemetry(rec.Telemetry)), "GET", "/")
	resp, err := httpmw.Transport(&captured{}, httpmw.WithTelemetry(rec.Telemetry)).RoundTrip(newRequest())
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	problems, err := testutil.GatherAndLint(rec.Registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", err, problems)
	}
}
