package why

import (
	"fmt"
	"path"
	"strings"

	"golang.org/x/exp/trace"
)

// stackTable numbers the stacks of a trace. 0 is the empty one.
type stackTable struct {
	known map[trace.Stack]int
	ids   map[string]int
	texts [][]string // innermost frame first
	keys  []string   // of frames, by number; "" if not yet made
}

// maxFrames bounds the frames that are read of a stack.
const maxFrames = 64

func (t *stackTable) id(s trace.Stack) int {
	if s == trace.NoStack {
		return 0
	}
	if id, ok := t.known[s]; ok {
		return id
	}
	var frames []string
	for f := range s.Frames() {
		if len(frames) == maxFrames {
			break
		}
		frames = append(frames, fmt.Sprintf("%s %s:%d", f.Func, path.Base(f.File), f.Line))
	}
	key := strings.Join(frames, "\n")
	id, ok := t.ids[key]
	if !ok {
		id = len(t.texts)
		t.texts = append(t.texts, frames)
		t.ids[key] = id
	}
	t.known[s] = id
	return id
}

// has reports whether one of the innermost frames is of a function with the prefix, such
// as "sync.(*Mutex).".
func (t *stackTable) has(id int, prefixes ...string) bool {
	frames := t.texts[id]
	for _, f := range frames[:min(len(frames), 12)] {
		for _, p := range prefixes {
			if strings.HasPrefix(f, p) {
				return true
			}
		}
	}
	return false
}

// collects reports whether a stack is of the garbage collector, on behalf of the
// goroutine.
func (t *stackTable) collects(id int) bool {
	return t.has(id, "runtime.GC ", "runtime.gcStart", "runtime.gcMarkDone", "runtime.gcAssistAlloc", "runtime.gcSweep", "runtime.(*sweepLocked)", "runtime.sweepone", "runtime.(*mcentral).cacheSpan")
}

// shown is the number of frames of a stack that are shown.
const shown = 4

// frames returns the frames of a stack that tell where the service's code waits or runs:
// those outside the Go runtime and the middleware, from the innermost one on.
func (t *stackTable) frames(id int) []string {
	out := []string{}
	for _, f := range t.texts[id] {
		if len(out) == shown {
			break
		}
		if !internals(f) {
			out = append(out, f)
		}
	}
	return out
}

// key returns the functions of the frames of a stack in one string.
func (t *stackTable) key(id int) string {
	if len(t.keys) < len(t.texts) {
		t.keys = append(t.keys, make([]string, len(t.texts)-len(t.keys))...)
	}
	if t.keys[id] == "" {
		for _, f := range t.frames(id) {
			function, _, _ := strings.Cut(f, " ")
			t.keys[id] += function + "\n"
		}
	}
	return t.keys[id]
}

// internals reports whether a frame is of the runtime or of the packages that every wait
// passes through.
func internals(frame string) bool {
	for _, p := range []string{"runtime.", "internal/", "sync.", "syscall.", "time.Sleep", "os.(*File)", "maps.", "slices.", "github.com/tenhop/tenhop/middleware/"} {
		if strings.HasPrefix(frame, p) {
			return true
		}
	}
	return false
}
