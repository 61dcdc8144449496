package lokiapi

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// A query that panics must give its slot back: the server recovers the panic,
// and the queries after it still run.
func TestPanicsReleaseTheirSlot(t *testing.T) {
	s := &server{now: time.Now, running: make(chan struct{}, maxQueries)}
	broken := s.answer(func(*http.Request) (any, error) { panic("broken") })
	request := func() *http.Request {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		t.Cleanup(cancel)
		return httptest.NewRequestWithContext(ctx, http.MethodGet, "/loki/api/v1/labels", nil)
	}
	for range maxQueries {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic is lost: net/http logs it with its stack")
				}
			}()
			broken(httptest.NewRecorder(), request())
		}()
	}
	w := httptest.NewRecorder()
	s.answer(s.labels)(w, request())
	if w.Code != http.StatusOK {
		t.Errorf("after %d panics a query answers %d %s", maxQueries, w.Code, w.Body)
	}
}
