package promserver

import (
	"context"
	"encoding/json"
	"mime"
	"net/http"
	"strings"
	"time"
)

// limiter bounds the number of running queries, since each may use the memory of
// maxSamples. The evaluation of rules is not limited.
type limiter struct {
	running chan struct{}
	timeout time.Duration
}

func newLimiter(queries int, timeout time.Duration) *limiter {
	return &limiter{running: make(chan struct{}, queries), timeout: timeout}
}

// maxParameters is the maximum size of the parameters of a request in bytes: a query whose
// every byte is escaped, and others.
const maxParameters = 3*maxQueryBytes + 16<<10

// limit returns a handler that passes requests on to next. A request whose parameters are
// too long gets 400. A request that reads series waits for a slot, and gets 503 if there is
// none before the timeout. Both errors have Prometheus's format.
func (l *limiter) limit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.URL.RawQuery) > maxParameters {
			tooLong(w)
			return
		}
		if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/x-www-form-urlencoded" {
			r.Body = http.MaxBytesReader(w, r.Body, maxParameters)
		}
		if !readsSeries(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		wait, cancel := context.WithTimeout(r.Context(), l.timeout)
		defer cancel()
		select {
		case l.running <- struct{}{}:
			defer func() { <-l.running }()
		case <-wait.Done():
			refuse(w)
			return
		}
		// For calls that do not use the engine, which has its own timeout.
		ctx, cancel := context.WithTimeout(r.Context(), l.timeout+time.Second)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// readsSeries reports whether a request's cost depends on the stored series.
func readsSeries(path string) bool {
	path = strings.TrimPrefix(path, "/api/v1/")
	for _, prefix := range []string{"query", "series", "label", "read", "status/tsdb"} {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

func tooLong(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(map[string]string{ // the client is gone
		"status": "error", "errorType": "bad_data",
		"error": "the parameters of the request are too long",
	})
}

func refuse(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Retry-After", "1")
	w.WriteHeader(http.StatusServiceUnavailable)
	_ = json.NewEncoder(w).Encode(map[string]string{ // the client is gone
		"status": "error", "errorType": "unavailable",
		"error": "too many queries are running; try again later",
	})
}
