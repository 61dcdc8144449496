package jaeger_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/query/jaeger"
)

// answer is a transport that answers every request with a body.
type answer []byte

// RoundTrip implements http.RoundTripper.
func (a answer) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(a)), Request: r}, nil
}

// FuzzAnswer reads any answer of either API without a panic. A trace that was found has
// spans.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"data":[{"traceID":"1","spans":[{"spanID":"2","references":[{"traceID":"1","spanID":"2"}],"startTime":1e300}],"processes":{}}]}`))
	f.Add([]byte(`{"result":{"resourceSpans":[{"scopeSpans":[{"spans":[{"spanId":"0000000000000001","startTimeUnixNano":"18446744073709551615"}]}]}]}}{"result":{}}`))
	f.Add([]byte(`<html>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := jaeger.New("http://h", &http.Client{Transport: answer(b)})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time with what the client has learned
			found, _ := c.Traces(t.Context(), query.Search{Service: "a", From: time.Unix(1, 0), To: time.Unix(2, 0), Limit: 1})
			for _, tr := range found {
				if len(tr.Spans) == 0 {
					t.Error("a trace without spans")
				}
			}
			if tr, err := c.Trace(t.Context(), "01"); err == nil && len(tr.Spans) == 0 {
				t.Error("a trace without spans")
			}
			_, _ = c.Services(t.Context())
			_, _ = c.Operations(t.Context(), "a")
		}
	})
}
