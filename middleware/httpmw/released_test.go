package httpmw_test

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"weak"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

type stringBody struct {
	io.Reader
	_ [64]byte
}

func (*stringBody) Close() error { return nil }

// A long hop, such as a job or a stream, makes any number of calls. None of them is held
// once it has ended, in whatever order they end: not by the hop and not by its context.
func TestEndedCallsAreReleased(t *testing.T) {
	rec := mwtest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ctx, h := rec.Core().Begin(ctx, adapter.Incoming{Protocol: "test", Operation: "job"})
	defer h.End(adapter.Outcome{Quiet: true})
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 2, 0, 3}, {2, 0, 3, 1}} {
		bodies, ended := make([]weak.Pointer[stringBody], 4), make([]func(), 4)
		for i := range bodies {
			body := &stringBody{Reader: strings.NewReader("ok")}
			bodies[i] = weak.Make(body)
			tr := httpmw.Transport(roundTripper(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: http.StatusOK, Body: body}, nil
			}), httpmw.WithTelemetry(rec.Telemetry), httpmw.WithDependency("payment"))
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://payment/", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := tr.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			ended[i] = func() { _ = resp.Body.Close() }
		}
		for _, i := range order {
			ended[i]()
			ended[i] = nil
		}
		runtime.GC()
		for i := range bodies {
			if bodies[i].Value() != nil {
				t.Errorf("order %v: call %d is held after its end", order, i)
			}
		}
	}
}
