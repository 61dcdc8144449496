package watch

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/tenhop/tenhop/internal/hostcheck"
	"github.com/tenhop/tenhop/stack/budget"
)

const (
	// maxBody is the maximum size of a payload, in bytes: some thousand alerts.
	maxBody = 16 << 20
	// maxReceiving is the maximum memory of all payloads that are received at a time, in
	// bytes, and decodedFactor the memory that a payload takes, per byte.
	maxReceiving  = 4 * decodedFactor * maxBody
	decodedFactor = 4
	// maxAnswers is the maximum number of histories that are answered at a time.
	maxAnswers = 4
)

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
	in := budget.Reader{In: http.MaxBytesReader(out, r.Body, maxBody), Free: w.receiving, Factor: decodedFactor}
	defer in.Release()
	body, err := io.ReadAll(&in)
	if err != nil {
		status := http.StatusBadRequest
		if errors.Is(err, budget.ErrBusy) {
			status = http.StatusServiceUnavailable // Alertmanager sends it again
		} else if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
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

// History is the answer of GET /incidents. MTTD is from the beginning to the first alert or
// the look that found it, MTTN to the sure verdict, MTTR to the recovery: means in seconds of the incidents that have it.
type History struct {
	Incidents []*Incident `json:"incidents"`
	MTTD      *float64    `json:"mttd_seconds"`
	MTTN      *float64    `json:"mttn_seconds"`
	MTTR      *float64    `json:"mttr_seconds"`
}

// history writes the incidents under the lock into memory, not to the client: the newest ones,
// of which a Remote reads maxHistory bytes. The means are those of all.
func (w *Watcher) history(out http.ResponseWriter, r *http.Request) {
	select {
	case w.answering <- struct{}{}:
		defer func() { <-w.answering }()
	case <-r.Context().Done():
		return
	}
	w.mu.Lock()
	h := NewHistory(w.told())
	h.Incidents = newestOf(h.Incidents, maxHistory/2)
	body, err := json.Marshal(h)
	w.mu.Unlock()
	if err != nil {
		http.Error(out, err.Error(), http.StatusInternalServerError)
		return
	}
	out.Header().Set("Content-Type", "application/json")
	_, _ = out.Write(body)
}

// newestOf returns the first incidents whose alerts have a size together. Alerts are the part of
// an incident that somebody else bounds.
func newestOf(incidents []*Incident, bytes int) []*Incident {
	for n, i := range incidents {
		if bytes -= i.bytes; bytes < 0 {
			return incidents[:n]
		}
	}
	return incidents
}

// told returns the incidents of the history, newest first. The caller holds mu.
func (w *Watcher) told() []*Incident {
	out := []*Incident{}
	for _, i := range slices.Backward(w.incidents) {
		if i.told() {
			out = append(out, i)
		}
	}
	return out
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
