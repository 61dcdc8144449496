package httpmw_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// The client goes away, the handler's query fails with its context and the
// handler answers 500 to nobody: not an error of the service
// .
func TestClientThatLeftIsNo5xx(t *testing.T) {
	rec := mwtest.New(t)
	done := make(chan struct{})
	srv := httptest.NewServer(httpmw.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		<-r.Context().Done()
		http.Error(w, r.Context().Err().Error(), http.StatusInternalServerError)
	}), httpmw.WithTelemetry(rec.Telemetry)))
	defer srv.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, nil)
	_, _ = http.DefaultClient.Do(req)
	<-done
	time.Sleep(30 * time.Millisecond)
	if n := rec.Count("http_server_request_duration_seconds", "http_response_status_code", "500"); n != 0 {
		t.Errorf("%d request of a client that had left counts as 500", n)
	}
	if s := rec.Spans()[0]; s.Status.String() == "Error" {
		t.Errorf("span status %v, error.type %q", s.Status, s.Attributes["error.type"])
	}
}

// A transport that panics leaves no call open.
func TestATransportThatPanicsEndsItsCall(t *testing.T) {
	rec := mwtest.New(t)
	client := httpmw.Transport(panicking{}, httpmw.WithTelemetry(rec.Telemetry), httpmw.WithDependency("prices"))
	func() {
		defer func() {
			if r := recover(); r != "broken" {
				t.Errorf("the panic is %v", r)
			}
		}()
		req := httptest.NewRequest(http.MethodGet, "http://prices.example/", nil)
		resp, err := client.RoundTrip(req)
		t.Errorf("returned %v, %v", resp, err)
	}()
	if n := rec.Count("http_client_request_duration_seconds"); n != 1 {
		t.Errorf("%d calls are counted", n)
	}
	if spans := rec.Spans(); len(spans) != 1 {
		t.Errorf("%d spans", len(spans))
	}
}

type panicking struct{}

func (panicking) RoundTrip(*http.Request) (*http.Response, error) { panic("broken") }
