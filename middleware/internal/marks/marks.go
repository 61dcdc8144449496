// Package marks writes the hops of a process into Go's execution trace, and reads them
// from it. Each hop is a task of runtime/trace. The times at which it begins and ends to
// wait for its calls, and its end, are log events of the task.
package marks

import (
	"context"
	"runtime/trace"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Category is the category of the log events, and the beginning of the type of the tasks.
const Category = "tenhop"

// Messages of log events. The end has further fields, see Mark.End.
const (
	wait    = "wait"    // the first of the calls in flight has begun
	own     = "own"     // the last one has ended
	end     = "end"     // of a hop
	unknown = "unknown" // end of a hop that began before the trace
	threads = "threads" // of the process, see Threads
)

// On reports whether a trace is being recorded. It is one atomic load.
func On() bool { return trace.IsEnabled() }

// Mark is a hop in the trace. The methods of a nil Mark do nothing.
type Mark struct {
	ctx  context.Context
	task *trace.Task
}

// Begin marks the start of a hop in the calling goroutine.
func Begin(protocol string) *Mark {
	m := &Mark{}
	m.ctx, m.task = trace.NewTask(context.Background(), Category+" "+protocol)
	return m
}

// Wait marks that the hop's own time is interrupted: a call is in flight.
func (m *Mark) Wait() {
	if m != nil {
		trace.Log(m.ctx, Category, wait)
	}
}

// Own marks that the hop's own time continues: no call is in flight.
func (m *Mark) Own() {
	if m != nil {
		trace.Log(m.ctx, Category, own)
	}
}

// End marks the end of a hop and counts it for the recording. A nil Mark is that of a hop
// that began before the trace.
func (m *Mark) End(operation string, duration, self time.Duration) {
	if m == nil {
		trace.Log(context.Background(), Category, unknown)
		return
	}
	b := make([]byte, 0, 64)
	b = append(b, end...)
	b = strconv.AppendInt(append(b, ' '), duration.Nanoseconds(), 10)
	b = strconv.AppendInt(append(b, ' '), self.Nanoseconds(), 10)
	b = append(append(b, ' '), operation...)
	trace.Log(m.ctx, Category, string(b))
	m.task.End()
	if w := watched.Load(); w != nil {
		w.count(operation, self)
	}
}

// Threads marks how long the kernel ran the threads of the process during the trace, and
// how long it let threads wait that could have run.
func Threads(ran, waited time.Duration) {
	trace.Log(context.Background(), Category, threads+" "+strconv.FormatInt(ran.Nanoseconds(), 10)+" "+strconv.FormatInt(waited.Nanoseconds(), 10))
}

// Event is a log event of a hop or of the process.
type Event struct {
	Wait, Own, End, Unknown, Threads bool // one of them

	Ran, Waited time.Duration // of Threads

	Operation      string        // of an End
	Duration, Self time.Duration // of an End
}

// Parse returns the event that a log message with the Category is, and whether it is one.
func Parse(message string) (Event, bool) {
	switch message {
	case wait:
		return Event{Wait: true}, true
	case own:
		return Event{Own: true}, true
	case unknown:
		return Event{Unknown: true}, true
	}
	f := strings.SplitN(message, " ", 4)
	if len(f) < 3 {
		return Event{}, false
	}
	a, err := strconv.ParseInt(f[1], 10, 64)
	b, err2 := strconv.ParseInt(f[2], 10, 64)
	switch {
	case err != nil, err2 != nil:
	case f[0] == end && len(f) == 4:
		return Event{End: true, Operation: f[3], Duration: time.Duration(a), Self: time.Duration(b)}, true
	case f[0] == threads && len(f) == 3:
		return Event{Threads: true, Ran: time.Duration(a), Waited: time.Duration(b)}, true
	}
	return Event{}, false
}

// Watch counts the slow hops that end.
type Watch struct {
	Operation string        // "" counts all operations
	Slower    time.Duration // minimum self time of a hop that counts
	Enough    int           // number of hops after which Done is closed; 0 means never

	Done chan struct{}
	seen atomic.Int64
}

// watched is the Watch of the recording in progress. The recorder of the runtime, too,
// exists once in a process.
var watched atomic.Pointer[Watch]

// Start counts from now on. It reports false if another Watch is counting.
func (w *Watch) Start() bool { return watched.CompareAndSwap(nil, w) }

// Stop ends the counting.
func (w *Watch) Stop() { watched.CompareAndSwap(w, nil) }

func (w *Watch) count(operation string, self time.Duration) {
	if w.Operation != "" && w.Operation != operation || self < w.Slower {
		return
	}
	if n := w.seen.Add(1); w.Enough > 0 && n == int64(w.Enough) {
		close(w.Done)
	}
}
