package watch

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
)

// TestSlowDisk answers requests and diagnoses while files are being written.
func TestSlowDisk(t *testing.T) {
	w, err := New(Config{Dir: t.TempDir(), Diagnose: func(context.Context, Question) (result.Result, error) { return result.Result{}, nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	w.storing.Lock() // as a write does that takes long
	accepted := make(chan error, 1)
	go func() {
		accepted <- w.accept([]Alert{{Labels: map[string]string{"alertname": "Slow"}, StartsAt: time.Now()}}, false)
	}()
	answered := make(chan int, 1)
	go func() {
		out := httptest.NewRecorder()
		w.Handler(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, "", nil).ServeHTTP(out, httptest.NewRequest(http.MethodGet, "http://127.0.0.1/incidents", nil))
		answered <- out.Code
	}()
	select {
	case <-answered:
	case <-time.After(10 * time.Second):
		t.Error("the history waits for the disk")
	}
	select {
	case err := <-accepted:
		t.Errorf("alerts are accepted before they are stored: %v", err)
	default:
	}
	w.storing.Unlock()
	if err := <-accepted; err != nil {
		t.Error(err)
	}
	if stored, err := w.store.load(w.log); err != nil || len(stored) != 1 {
		t.Errorf("%d incidents are stored: %v", len(stored), err)
	}
}
