package httpmw_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// The longest path that a server accepts has half a million segments. None may cost a
// lookup of the rest.
func TestAPathOfManySegmentsIsCheap(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /users/{id}", func(http.ResponseWriter, *http.Request) {})
	rec := mwtest.New(t)
	h := httpmw.Handler(http.StripPrefix("/none", mux), httpmw.WithMux(mux), httpmw.WithTelemetry(rec.Telemetry))
	for _, path := range []string{strings.Repeat("/a", 400_000), "/a" + strings.Repeat("/", 800_000)} {
		began := time.Now()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("a path of %d bytes took %s", len(path), took)
		}
	}
}

// A reverse proxy's transport reads the body while the handler passes the response on.
func TestTooLargeABodyThatAnotherGoroutineReads(t *testing.T) {
	h := httpmw.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = io.Copy(io.Discard, r.Body)
		}()
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		<-done
	}), httpmw.WithTelemetry(mwtest.New(t).Telemetry))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("x", 1<<20))))
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", w.Code)
	}
}

// A gRPC server within net/http answers 200 for a method that it does not have. Callers
// choose the names of such methods.
func TestAProcedureThatDoesNotExistIsNoRoute(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/shop.Cart/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		w.WriteHeader(http.StatusOK)
		status := "0"
		if r.URL.Path != "/shop.Cart/Add" {
			status = "12"
		}
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", status)
	})
	rec := mwtest.New(t)
	h := httpmw.Handler(mux, httpmw.WithTelemetry(rec.Telemetry))
	for i, c := range []struct{ path, want string }{{"/shop.Cart/Add", "/shop.Cart/Add"}, {"/shop.Cart/Made_up", "/shop.Cart/"}} {
		r := httptest.NewRequest(http.MethodPost, c.path, nil)
		r.Header.Set("Content-Type", "application/grpc")
		h.ServeHTTP(httptest.NewRecorder(), r)
		if got := rec.Spans()[i].Attributes["http.route"]; got != c.want {
			t.Errorf("%s: route %q, want %q", c.path, got, c.want)
		}
	}
}
