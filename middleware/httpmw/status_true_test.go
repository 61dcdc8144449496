package httpmw_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// http.TimeoutHandler around the middleware: the client sees 503, all signals
// say 200 and no error.
func TestTimeoutHandlerOutside(t *testing.T) {
	rec := mwtest.New(t)
	done := make(chan struct{})
	h := http.TimeoutHandler(httpmw.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		<-r.Context().Done()
		_, _ = io.WriteString(w, "late") // http.ErrHandlerTimeout
	}), httpmw.WithTelemetry(rec.Telemetry)), 20*time.Millisecond, "too slow")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	<-done
	time.Sleep(20 * time.Millisecond)
	if s := rec.Spans()[0]; s.Attributes["http.response.status_code"] == "200" && s.Attributes["error.type"] == "" {
		t.Errorf("the client got %d, the span says 200 without error.type", w.Code)
	}
}

// A service that shuts down cancels its BaseContext, the handler returns and
// the client gets 200: the client did not close anything.
func TestShutdownIsNotTheClientsDoing(t *testing.T) {
	rec := mwtest.New(t)
	ctx, cancel := context.WithCancel(context.Background())
	srv := httptest.NewUnstartedServer(httpmw.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}), httpmw.WithTelemetry(rec.Telemetry)))
	srv.Config.BaseContext = func(net.Listener) context.Context { return ctx }
	srv.Start()
	resp, err := http.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	srv.Close()
	if s := rec.Spans()[0]; s.Attributes["error.type"] == "client_closed_request" {
		t.Errorf("the client is there and got %d; recorded is %s %s", resp.StatusCode, s.Attributes["http.response.status_code"], s.Attributes["error.type"])
	}
}
