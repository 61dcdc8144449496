package transparency

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// exchange is one run of a script, with or without the middleware. It records a
// transcript in tracks. Within a track the order counts. Between tracks it does not,
// since they belong to different goroutines.
type exchange struct {
	*testing.T
	measured bool
	tel      *hop.Telemetry

	mu     sync.Mutex
	tracks map[string][]string
	known  map[string]string // addresses and the like, by what they are called
	taps   []*tap
	served func()   // waits for the raw server
	ended  []func() // run before the transcript is made
}

func newExchange(t *testing.T, measured bool) *exchange {
	return &exchange{T: t, measured: measured, tel: mwtest.New(t).Telemetry, tracks: map[string][]string{}, known: map[string]string{}}
}

// note adds a line to a track.
func (x *exchange) note(track, format string, args ...any) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.tracks[track] = append(x.tracks[track], fmt.Sprintf(format, args...))
}

// call records the result of a call.
func (x *exchange) call(track, name string, err error) { x.note(track, "%s: %s", name, describe(err)) }

// rename makes the transcript say name for a value that differs from run to run.
func (x *exchange) rename(value, name string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if value != "" {
		x.known[value] = name
	}
}

// await waits until a track has a line with this text.
func (x *exchange) await(track, text string) {
	for {
		x.mu.Lock()
		lines := x.tracks[track]
		x.mu.Unlock()
		if slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, text) }) {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// describe returns the type and text of an error, and which of the usual errors it is.
func describe(err error) string {
	if err == nil {
		return "nil"
	}
	s := fmt.Sprintf("%T %s", err, err)
	for _, known := range []error{io.EOF, io.ErrUnexpectedEOF, context.Canceled, context.DeadlineExceeded, os.ErrDeadlineExceeded, net.ErrClosed} {
		if errors.Is(err, known) {
			s += " is " + known.Error()
		}
	}
	return s
}

var volatile = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`(?im)^(date|last-modified): [A-Z][a-z]{2}, .* GMT`), "$1: then"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "host:port"},
	{regexp.MustCompile(`(?m)^grpc-timeout: \S+`), "grpc-timeout: some"},
	{regexp.MustCompile(`uncompressed_bytes=\d+`), "uncompressed_bytes=some"},
	{regexp.MustCompile(`[0-9a-f]{60}`), "boundary"},
	// net/http names its caller in some messages, which is the middleware then.
	{regexp.MustCompile(`from \S+ \(\w+\.go:\d+\)`), "from caller"},
	{regexp.MustCompile(`0x[0-9a-f]{6,}`), "0xaddress"},
}

// transcript returns the tracks, in order of their names.
func (x *exchange) transcript() string {
	for _, f := range x.ended {
		f()
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.frames()
	var b strings.Builder
	for _, name := range slices.Sorted(mapKeys(x.tracks)) {
		fmt.Fprintf(&b, "== %s\n", name)
		for _, line := range x.tracks[name] {
			b.WriteString(strings.ReplaceAll(line, "\r\n", "\n"))
			b.WriteByte('\n')
		}
	}
	s := b.String()
	for value, name := range x.known {
		s = strings.ReplaceAll(s, value, name)
	}
	for _, v := range volatile {
		s = v.pattern.ReplaceAllString(s, v.with)
	}
	return s
}

func mapKeys[M ~map[K]V, K comparable, V any](m M) func(func(K) bool) {
	return func(yield func(K) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// serverLog returns a logger for a server. The transcript has the first line of each
// message, and whether a stack names the code of this package.
func (x *exchange) serverLog() *log.Logger { return log.New(logTrack{x}, "", 0) }

type logTrack struct{ x *exchange }

func (l logTrack) Write(p []byte) (int, error) {
	first, stack, _ := bytes.Cut(bytes.TrimSpace(p), []byte("\n"))
	if bytes.Contains(first, []byte("TLS handshake error")) { // a raw client that leaves
		return len(p), nil
	}
	l.x.note("server log", "%s", first)
	if len(stack) > 0 {
		l.x.note("server log", "the stack names the handler: %v", bytes.Contains(stack, []byte("transparency.")))
	}
	return len(p), nil
}

// must fails the test at once.
func (x *exchange) must(err error) {
	x.Helper()
	if err != nil {
		x.Fatal(err)
	}
}
