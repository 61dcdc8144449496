package profiles

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
)

// Waits are sampled while somebody asks, and only then.
func TestWaitsAreSampledWhileAsked(t *testing.T) {
	rate := func() int { return runtime.SetMutexProfileFraction(-1) } // below 0 it only reads
	var s waitSampler
	entered, leave := make(chan struct{}), make(chan struct{})
	h := s.during(func(http.ResponseWriter, *http.Request) {
		entered <- struct{}{}
		<-leave
	})
	ask := func() { h(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/debug/pprof/mutex", nil)) }
	done := make(chan struct{})
	for range 2 {
		go func() {
			ask()
			done <- struct{}{}
		}()
		<-entered
	}
	leave <- struct{}{}
	<-done
	if got := rate(); got != 100 {
		t.Errorf("while one still asks the fraction is %d, want 100", got)
	}
	leave <- struct{}{}
	<-done
	if got := rate(); got != 0 {
		t.Errorf("afterwards the fraction is %d, want 0", got)
	}
}
