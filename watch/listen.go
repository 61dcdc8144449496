package watch

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/tenhop/tenhop/internal/hostcheck"
)

// maxBody is the maximum size of a payload, in bytes: some thousand alerts.
const maxBody = 16 << 20

// Handler serves Alertmanager's webhook at POST /alerts, and the incidents at
// GET /incidents, newest first, and metrics, if not nil, at GET /metrics. With a token, all
// need it as a bearer token. Unsafe requests of other origins and host names that addr does not serve are rejected.
func (w *Watcher) Handler(addr net.Addr, token string, metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /alerts", withToken(token, w.receive))
	mux.Handle("GET /incidents", withToken(token, w.history))
	if metrics != nil {
		mux.Handle("GET /metrics", withToken(token, metrics.ServeHTTP))
	}
	mux.HandleFunc("GET /healthz", func(out http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(out, "ok\n") })
	return hostcheck.Handler(addr, nil, mux)
}

// receive answers 200 when the incidents are stored, so that Alertmanager repeats what a
// crash would lose.
func (w *Watcher) receive(out http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(out, r.Body, maxBody))
	if err != nil {
		status := http.StatusBadRequest
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			status = http.StatusRequestEntityTooLarge
		}
		http.Error(out, err.Error(), status)
		return
	}
	alerts, err := Decode(body)
	if err != nil {
		http.Error(out, err.Error(), http.StatusBadRequest)
		return
	}
	if err := w.accept(alerts, false); err != nil {
		http.Error(out, "the incident was not stored", http.StatusServiceUnavailable)
	}
}

// History is the answer of GET /incidents. MTTD is from the beginning to the page, MTTN to
// the sure verdict, MTTR to the recovery: means in seconds of the incidents that have it.
type History struct {
	Incidents []*Incident `json:"incidents"`
	MTTD      *float64    `json:"mttd_seconds"`
	MTTN      *float64    `json:"mttn_seconds"`
	MTTR      *float64    `json:"mttr_seconds"`
}

// history writes the incidents under the lock into memory, not to the client.
func (w *Watcher) history(out http.ResponseWriter, _ *http.Request) {
	w.mu.Lock()
	h := History{Incidents: []*Incident{}}
	var paged, named, recovered mean
	for n := range w.incidents {
		i := w.incidents[len(w.incidents)-1-n]
		if !i.Posted && i.State != Closed {
			continue
		}
		h.Incidents = append(h.Incidents, i)
		paged.add(i.Began, &i.Paged)
		named.add(i.Began, i.Named)
		recovered.add(i.Began, i.Recovered)
	}
	h.MTTD, h.MTTN, h.MTTR = paged.value(), named.value(), recovered.value()
	body, err := json.Marshal(h)
	w.mu.Unlock()
	if err != nil {
		http.Error(out, err.Error(), http.StatusInternalServerError)
		return
	}
	out.Header().Set("Content-Type", "application/json")
	_, _ = out.Write(body)
}

type mean struct{ sum, n float64 }

func (m *mean) add(from time.Time, to *time.Time) {
	if to != nil {
		m.sum += to.Sub(from).Seconds()
		m.n++
	}
}

func (m *mean) value() *float64 {
	if m.n == 0 {
		return nil
	}
	v := m.sum / m.n
	return &v
}

// withToken passes on requests that carry the token, or all without one.
func withToken(token string, next http.HandlerFunc) http.Handler {
	want := sha256.Sum256([]byte("Bearer " + token))
	return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		got := sha256.Sum256([]byte(r.Header.Get("Authorization")))
		if token != "" && subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			out.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(out, "this needs the token", http.StatusUnauthorized)
			return
		}
		next(out, r)
	})
}
