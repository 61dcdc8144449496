// Package profiles serves the profiles of net/http/pprof, for setup.AdminHandler:
//
//	setup.WithAdmin("", setup.AdminToken(token), setup.AdminHandler("/debug/pprof/", profiles.Handler()))
//
// It is a package of its own because net/http/pprof also registers its handlers with
// http.DefaultServeMux. A service that serves that mux to others should not import it.
package profiles

import (
	"net/http"
	"net/http/pprof"
	"runtime"
	"sync"
	"time"
)

// Handler returns a handler for /debug/pprof/. The block and mutex profiles are recorded
// during requests for a profile only, since they cost memory and time.
func Handler() http.Handler {
	mux := http.NewServeMux()
	var waits waitSampler
	mux.Handle("GET /debug/pprof/", untimed(waits.during(pprof.Index)))
	mux.Handle("GET /debug/pprof/profile", untimed(pprof.Profile))
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	return mux
}

// untimed lifts the server's read timeout, which would end a profile that takes longer.
func untimed(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // a recorder in tests has none
		next(w, r)
	}
}

// waitSampler enables the block and mutex profiles during requests for them.
type waitSampler struct {
	mu       sync.Mutex
	requests int
}

func (s *waitSampler) during(next http.HandlerFunc) http.HandlerFunc {
	add := func(n int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.requests += n; s.requests == 0 {
			runtime.SetBlockProfileRate(0)
			runtime.SetMutexProfileFraction(0)
			return
		}
		runtime.SetBlockProfileRate(int(time.Millisecond))
		runtime.SetMutexProfileFraction(100)
	}
	return func(w http.ResponseWriter, r *http.Request) {
		add(1)
		defer add(-1)
		next(w, r)
	}
}
