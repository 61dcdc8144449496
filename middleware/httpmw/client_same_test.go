package httpmw_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// The response leads to the caller's request, not to the copy that was sent.
func TestTheResponsesRequestIsTheCallers(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	r, err := http.NewRequest(http.MethodGet, srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: httpmw.Transport(nil, httpmw.WithTelemetry(mwtest.New(t).Telemetry))}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.Request != r {
		t.Errorf("the request is %v, want the caller's", resp.Request)
	}
}

// A timeout of http.Client has the error of a deadline, before and in the body.
func TestTheClientsTimeoutIsADeadline(t *testing.T) {
	for _, header := range []bool{false, true} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if header {
				w.(http.Flusher).Flush()
			}
			<-r.Context().Done()
		}))
		rec := mwtest.New(t)
		c := &http.Client{Transport: httpmw.Transport(nil, httpmw.WithTelemetry(rec.Telemetry)), Timeout: 100 * time.Millisecond}
		resp, err := c.Get(srv.URL)
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		// http.Client appends its own part when its timer was first.
		if inner := errors.Unwrap(err); inner != nil {
			err = inner
		}
		if !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), context.DeadlineExceeded.Error()) {
			t.Errorf("header %v: %v", header, err)
		}
		srv.Close()
	}
}

// A request without a header is refused by http.Transport.
func TestARequestWithoutHeaderIsRefused(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "http://localhost/", nil)
	r.Header = nil
	rt := httpmw.Transport(nil, httpmw.WithTelemetry(mwtest.New(t).Telemetry))
	if resp, err := rt.RoundTrip(r); err == nil || err.Error() != "http: nil Request.Header" {
		t.Errorf("%v, %v", resp, err)
	}
}
