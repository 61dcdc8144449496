package promserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

var errTooLong = fmt.Errorf("the parameters of the request have more than %d bytes", maxParameters)

// limit returns a handler that passes requests on to next. A request whose parameters are
// too long gets 400. A request that reads series waits for a slot, and gets 503 if there is
// none before the timeout. Both errors have Prometheus's format.
func (l *limiter) limit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := checkParameters(w, r); err != nil {
			refuse(w, http.StatusBadRequest, "bad_data", err.Error())
			return
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
			w.Header().Set("Retry-After", "1")
			refuse(w, http.StatusServiceUnavailable, "unavailable", "too many queries are running; try again later")
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

// checkParameters reads the parameters of a request and returns an error if they are too
// long. A remote read has none: its body is a message, of which Prometheus reads 32 MiB.
func checkParameters(w http.ResponseWriter, r *http.Request) error {
	if len(r.URL.RawQuery) > maxParameters {
		return errTooLong
	}
	if r.URL.Path == "/api/v1/read" {
		return nil
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxParameters)
	err := r.ParseForm()
	if err == nil {
		err = r.ParseMultipartForm(maxParameters)
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return errTooLong
	case err != nil && !errors.Is(err, http.ErrNotMultipart):
		return fmt.Errorf("the parameters of the request cannot be parsed: %w", err)
	}
	return nil
}

func refuse(w http.ResponseWriter, code int, kind, reason string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]string{ // the client is gone
		"status": "error", "errorType": kind, "error": reason,
	})
}
