package runtime

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"net/http/pprof"
	goruntime "runtime"
	"strings"
	"sync"
	"time"
)

// adminHandler serves /metrics, /healthz (liveness), /readyz (readiness), and
// /chaos and /debug/pprof, which need the token.
func (e *Env) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) { e.Metrics.ServeHTTP(w, r) })
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", e.readyz)
	admin := e.Chaos.AdminHandler()
	mux.Handle("/chaos", admin)
	mux.Handle("/chaos/", admin)
	var waits waitSampler
	mux.Handle("GET /debug/pprof/", e.withToken(untimed(waits.during(pprof.Index))))
	mux.Handle("GET /debug/pprof/profile", e.withToken(untimed(pprof.Profile)))
	mux.Handle("GET /debug/pprof/symbol", e.withToken(pprof.Symbol))
	return mux
}

// untimed lifts the server's read timeout, which would end a profile that takes
// longer. The token has been checked.
func untimed(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // a recorder in tests has none
		next(w, r)
	}
}

// waitSampler enables the block and mutex profiles during requests for them, since
// they cost memory.
type waitSampler struct {
	mu       sync.Mutex
	requests int
}

func (s *waitSampler) during(next http.HandlerFunc) http.HandlerFunc {
	add := func(n int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.requests += n; s.requests == 0 {
			goruntime.SetBlockProfileRate(0)
			goruntime.SetMutexProfileFraction(0)
			return
		}
		goruntime.SetBlockProfileRate(int(time.Millisecond))
		goruntime.SetMutexProfileFraction(100)
	}
	return func(w http.ResponseWriter, r *http.Request) {
		add(1)
		defer add(-1)
		next(w, r)
	}
}

// withToken requires the token. If none is configured, it answers 404.
func (e *Env) withToken(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		switch {
		case e.ChaosToken == "":
			http.NotFound(w, r)
		case subtle.ConstantTimeCompare([]byte(got), []byte(e.ChaosToken)) != 1:
			http.Error(w, "send Authorization: Bearer with the token", http.StatusUnauthorized)
		default:
			next(w, r)
		}
	})
}

// readyz answers 200 if every check passes, else 503 with the failures. Peers are
// not checked, since their outage must not take this service out of rotation.
func (e *Env) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	e.mu.Lock()
	checks := e.checks
	e.mu.Unlock()
	failed := map[string]string{}
	for _, c := range checks {
		if err := c.ok(ctx); err != nil {
			failed[c.name] = err.Error()
		}
	}
	w.Header().Set("Content-Type", "application/json")
	if len(failed) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"ready": len(failed) == 0, "failed": failed})
}
