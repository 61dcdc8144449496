package promserver

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Queries wait for each other, for a time; what costs little does not wait.
func TestQueriesWaitForTheirTurn(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	h := newLimiter(1, 50*time.Millisecond).limit(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("slow") {
			entered <- struct{}{}
			<-leave
		}
	}))
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w
	}
	done := make(chan struct{})
	go func() {
		get("/api/v1/query_range?slow")
		close(done)
	}()
	<-entered
	for _, path := range []string{"/api/v1/query", "/api/v1/series", "/api/v1/labels", "/api/v1/label/job/values", "/api/v1/read"} {
		if w := get(path); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), `"status":"error"`) {
			t.Errorf("%s beside another query: %d %s", path, w.Code, w.Body)
		}
	}
	if w := get("/api/v1/targets"); w.Code != http.StatusOK {
		t.Errorf("the targets wait for queries: %d", w.Code)
	}
	close(leave)
	<-done
	if w := get("/api/v1/query"); w.Code != http.StatusOK {
		t.Errorf("afterwards: %d %s", w.Code, w.Body)
	}
}
