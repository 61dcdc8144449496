// Package why tells on what the slow requests of a hop spend their own time: running,
// waiting for a processor, a lock, another goroutine, the network, a system call, the
// garbage collector or a timer. It reads Go's execution trace of the hop's process, in
// which the middleware marks the requests (package flight).
package why

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/exp/trace"

	"github.com/tenhop/tenhop/diagnose/result"
)

// NoRequestsError reports a trace without requests of the operation.
type NoRequestsError struct {
	Operation string
	Others    []string // operations that the trace has requests of
}

// Error implements error.
func (e *NoRequestsError) Error() string {
	of := ""
	if e.Operation != "" {
		of = " of " + e.Operation
	}
	others := ""
	if len(e.Others) > 0 {
		others = "; there were requests of " + strings.Join(e.Others, ", ")
	}
	return "no request" + of + " began and ended in the recording" + others
}

// Read reads an execution trace and divides the own time of the slow requests of an
// operation, or of all operations if it is empty. slower is the minimum own time of a slow
// request. If it is 0, requests are slow whose own time is at least half of the one that
// divides the own time of all requests in two halves, so that a few slow requests among
// many are found, and all if they are alike.
//
// The error is a NoRequestsError if there are no such requests.
func Read(in io.Reader, operation string, slower time.Duration) (*result.Why, error) {
	rec, err := read(in)
	if err != nil {
		return nil, err
	}
	return rec.why(operation, slower)
}

// read reads the events of a trace.
func read(in io.Reader) (*recording, error) {
	r, err := trace.NewReader(in)
	if err != nil {
		return nil, fmt.Errorf("this is no execution trace that tenhop can read; was the service built with a newer Go? %w", err)
	}
	rec := newRecording()
	for {
		e, err := r.ReadEvent()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("the execution trace is damaged: %w", err)
		}
		rec.add(e)
	}
	rec.finish()
	return rec, nil
}

// choice holds the requests of a recording by what can be said of them.
type choice struct {
	ended      []*hop // and of the operation
	unfinished []*hop
	moved      int
	others     map[string]bool
}

func (r *recording) choose(operation string) choice {
	c := choice{others: map[string]bool{}}
	for _, h := range r.hops {
		switch {
		case !h.ended:
			c.unfinished = append(c.unfinished, h)
		case operation != "" && h.operation != operation:
			c.others[h.operation] = true
		case h.moved:
			c.moved++
		default:
			c.ended = append(c.ended, h)
		}
	}
	return c
}

func (r *recording) why(operation string, slower time.Duration) (*result.Why, error) {
	c := r.choose(operation)
	w := &result.Why{Seconds: float64(r.whole.len()) / 1e9, Requests: len(c.ended)}
	hops := c.ended
	if len(hops) == 0 {
		if hops = c.unfinished; len(hops) == 0 {
			return nil, &NoRequestsError{operation, slices.Sorted(maps.Keys(c.others))}
		}
		w.Unseen = append(w.Unseen, fmt.Sprintf("no request ended in the recording: the times are those of %s until the end of the recording, whose operations are not known", count(len(hops), "request", "requests")))
	} else if n := len(c.unfinished); n > 0 {
		w.Unseen = append(w.Unseen, fmt.Sprintf("%s had not ended with the recording", count(n, "request", "requests")))
	}
	if slower <= 0 {
		slower = time.Duration(border(hops))
	}
	sp, own, self := &split{rec: r}, int64(0), int64(0)
	for _, h := range hops {
		if ns := h.ownTime(); ns >= slower.Nanoseconds() {
			w.Slow++
			own += ns
			self += h.self
			sp.hop(h)
		}
	}
	w.SlowerThanMS = ms(slower.Nanoseconds())
	if w.Slow == 0 {
		return nil, &NoRequestsError{operation + " with an own time of " + slower.String(), nil}
	}
	w.OwnMS, w.Parts = ms(own)/float64(w.Slow), sp.result(w.Slow)
	w.Unseen = append(w.Unseen, r.unseen(c, own, self)...)
	return w, nil
}

// border returns half of the own time that divides the own time of all requests in two
// halves, in ns.
func border(hops []*hop) int64 {
	var own []int64
	total := int64(0)
	for _, h := range hops {
		ns := h.ownTime()
		own = append(own, ns)
		total += ns
	}
	slices.SortFunc(own, func(a, b int64) int { return cmp.Compare(b, a) })
	sum := int64(0)
	for _, ns := range own {
		if sum += ns; 2*sum >= total {
			return ns / 2
		}
	}
	return 0
}

// Limits of what is worth a sentence.
const (
	muchStolen  = 0.1 // of the time that the threads ran or could have run
	muchUnequal = 0.1 // of the self time that the middleware measured
)

// unseen returns what the recording does not show of the requests.
func (r *recording) unseen(c choice, own, self int64) (out []string) {
	if r.unknown > 0 {
		out = append(out, count(r.unknown, "request that ended had", "requests that ended had")+" begun before the recording")
	}
	if c.moved > 0 {
		out = append(out, count(c.moved, "request", "requests")+" ended in another goroutine than they began in and are left out")
	}
	switch stolen := float64(r.waited) / max(float64(r.ran+r.waited), 1); {
	case !r.threads:
		out = append(out, "whether the kernel ran its threads is not known on this system: running may be waiting for a processor of the machine")
	case stolen >= muchStolen:
		out = append(out, fmt.Sprintf("the kernel ran the threads of the process for %.1f s and let them wait for %.1f s: of the time running, about %.0f %% is waiting for a processor of the machine or for its quota",
			float64(r.ran)/1e9, float64(r.waited)/1e9, 100*stolen))
	}
	if d := float64(own-self) / max(float64(self), 1); self > 0 && (d > muchUnequal || d < -muchUnequal) {
		out = append(out, fmt.Sprintf("the trace has %+.0f %% of the self time that the middleware measured", 100*d))
	}
	return out
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
