package httpmw_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

type answering struct{}

func (answering) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("ok"))}, nil
}

// A service calls the hosts of its customers, as webhooks do, through a transport without
// a name. The label sets keep room for the dependencies that have one.
func TestHostsOfCustomersDoNotFillTheLabelSets(t *testing.T) {
	rec := mwtest.New(t)
	unnamed := &http.Client{Transport: httpmw.Transport(answering{}, httpmw.WithTelemetry(rec.Telemetry))}
	named := &http.Client{Transport: httpmw.Transport(answering{}, httpmw.WithTelemetry(rec.Telemetry), httpmw.WithDependency("payment"))}
	const hosts = 3000 // more than the families have room for
	h := httpmw.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		client, url := named, "http://payment:8080/"
		if id := r.URL.Query().Get("customer"); id != "" {
			client, url = unnamed, "https://customer-"+id+".example/hook"
		}
		req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, url, nil)
		if err != nil {
			t.Error(err)
			return
		}
		if resp, err := client.Do(req); err != nil {
			t.Error(err)
		} else {
			_ = resp.Body.Close()
		}
	}), httpmw.WithTelemetry(rec.Telemetry))
	for i := range hosts {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/?customer="+strconv.Itoa(i), nil))
	}
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", nil))
	for _, family := range []string{"http_client_request_duration_seconds", "hop_wait_duration_seconds"} {
		for dependency, want := range map[string]int{"payment": 1, "customer-0.example": 1, "_OTHER": hosts - 256} {
			if n := rec.Count(family, "dependency", dependency); n != want {
				t.Errorf("%s: %d calls to %s, want %d", family, n, dependency, want)
			}
		}
	}
	last := rec.Spans()[2*(hosts-1)]
	if last.Attributes["server.address"] != "customer-2999.example" || last.Attributes["peer.service"] != "customer-2999.example" {
		t.Errorf("the span of the last host has %v", last.Attributes)
	}
}
