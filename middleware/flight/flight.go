// Package flight records Go's execution trace of a service for seconds, on request of an
// operator. `tenhop diagnose --why` reads from it on what the slow requests of a hop spend
// their own time. Mount the handler on the admin port, which has no customers:
//
//	setup.WithAdmin("", setup.AdminToken(token), setup.AdminHandler(flight.Path, flight.Handler(token)))
//
// Nothing is recorded until somebody asks. While a trace is being recorded, by this
// package or by others, each hop is a task in it: its type is "tenhop" and the protocol.
// Log events of the category "tenhop" tell when the hop begins ("wait") and ends ("own") to
// wait for its calls, and its operation ("end"). ParseMark reads them.
package flight

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tenhop/tenhop/middleware/internal/marks"
)

// Path is where the handler is mounted.
const Path = "/debug/flight"

// Bounds of a recording.
const (
	MaxSeconds = 30       // time that the recorder is armed
	MaxBytes   = 16 << 20 // size of a trace; what does not fit is left out from the oldest on
)

// pause is the minimum time from the end of a recording to the next one, as a multiple of
// the time that the recorder was armed.
const (
	pause    = 2
	minPause = 2 * time.Second
)

// Handler returns a handler that serves
//
//	GET /debug/flight?seconds=5&requests=20&slower=50ms&operation=OPERATION
//
// to callers with "Authorization: Bearer <token>". It records until so many requests of the
// operation ended whose self time is at least slower, and at most for the seconds. It
// responds with the trace, in the format of runtime/trace. By default it records for 5 s.
// The CPU profiler runs meanwhile, unless it runs already, so that the trace has samples
// of running code.
//
// Without a token, Handler responds with 404 to everything. It responds with 409 if
// another flight recorder is active in the process and with 429 during a recording and for
// a while after it, both with Retry-After.
func Handler(token string) http.Handler { return &handler{token: token} }

type handler struct {
	token string

	mu   sync.Mutex
	busy bool
	next time.Time // no recording before
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	got, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case h.token == "":
		http.NotFound(w, r)
		return
	case !bearer, subtle.ConstantTimeCompare([]byte(got), []byte(h.token)) != 1:
		http.Error(w, "send Authorization: Bearer with the token", http.StatusUnauthorized)
		return
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "use GET", http.StatusMethodNotAllowed)
		return
	}
	q, err := parse(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if wait := h.begin(q.length); wait > 0 {
		retryAfter(w, wait)
		http.Error(w, "a recording is in progress or has just ended; ask again after the seconds in Retry-After", http.StatusTooManyRequests)
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // it would end the request; a recorder in tests has none
	out, err := h.record(r.Context(), q)
	switch {
	case errors.Is(err, errActive):
		retryAfter(w, minPause)
		http.Error(w, err.Error(), http.StatusConflict)
	case errors.Is(err, context.Canceled):
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	default:
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", strconv.Itoa(out.Len()))
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = out.WriteTo(w)
	}
}

// record records what q asks for, and frees the recorder.
func (h *handler) record(ctx context.Context, q request) (*bytes.Buffer, error) {
	began := time.Now()
	defer func() { h.end(time.Since(began)) }()
	return q.record(ctx)
}

func retryAfter(w http.ResponseWriter, d time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int((d+time.Second-1)/time.Second)))
}

// begin reserves the recorder, or returns how long it is not free.
func (h *handler) begin(length time.Duration) (wait time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.busy {
		return max(length, time.Second) // an upper bound is not known
	}
	if wait = time.Until(h.next); wait > 0 {
		return wait
	}
	h.busy = true
	return 0
}

func (h *handler) end(armed time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.busy, h.next = false, time.Now().Add(max(pause*armed, minPause))
}

// request holds the parameters of a caller.
type request struct {
	length    time.Duration
	requests  int
	slower    time.Duration
	operation string
}

func parse(v url.Values) (request, error) {
	q := request{length: 5 * time.Second, operation: v.Get("operation")}
	if s := v.Get("seconds"); s != "" {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || !(f >= 0.1 && f <= MaxSeconds) {
			return q, fmt.Errorf("seconds=%q: use a number from 0.1 to %d", s, MaxSeconds)
		}
		q.length = time.Duration(f * float64(time.Second))
	}
	if s := v.Get("requests"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			return q, fmt.Errorf("requests=%q: use a number; 0 is no limit", s)
		}
		q.requests = n
	}
	if s := v.Get("slower"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 {
			return q, fmt.Errorf("slower=%q: use a duration such as 50ms", s)
		}
		q.slower = d
	}
	return q, nil
}

var errActive = errors.New("another flight recorder is active in the process; ask again when it has stopped")

// record arms the recorder and returns the trace. The recorder is stopped when it returns.
func (q request) record(ctx context.Context) (*bytes.Buffer, error) {
	watch := &marks.Watch{Operation: q.operation, Slower: q.slower, Enough: q.requests, Done: make(chan struct{})}
	if !watch.Start() {
		return nil, errActive
	}
	defer watch.Stop()
	// The recorder keeps a generation of about a second beyond its limit.
	rec := trace.NewFlightRecorder(trace.FlightRecorderConfig{MinAge: q.length + time.Second, MaxBytes: MaxBytes / 2})
	if err := rec.Start(); err != nil {
		return nil, fmt.Errorf("%w (%w)", errActive, err)
	}
	defer rec.Stop()
	if pprof.StartCPUProfile(discard{}) == nil { // else it runs already, and the trace has its samples
		defer pprof.StopCPUProfile()
	}
	before := readThreads("/proc/self/task")
	timer := time.NewTimer(q.length)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-watch.Done:
	case <-ctx.Done():
		return nil, context.Canceled
	}
	if ran, waited, ok := before.since("/proc/self/task"); ok {
		marks.Threads(ran, waited)
	}
	out := &bounded{}
	if _, err := rec.WriteTo(out); err != nil {
		return nil, err
	}
	return &out.buf, nil
}

// discard drops a profile. Its samples are in the trace.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// bounded is a buffer of at most MaxBytes.
type bounded struct{ buf bytes.Buffer }

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	if b.buf.Len()+len(p) > MaxBytes {
		return 0, fmt.Errorf("a second of the trace exceeds %d MiB; ask for less, such as ?seconds=0.3", MaxBytes>>20)
	}
	return b.buf.Write(p)
}

// Mark is a log event with the category Category in a trace.
type Mark = marks.Event

// Category is the category of the log events of hops, and the first word of the type of
// their tasks.
const Category = marks.Category

// ParseMark returns the event of a log message with the Category, and whether it is one.
func ParseMark(message string) (Mark, bool) { return marks.Parse(message) }
