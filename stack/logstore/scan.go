package logstore

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"
)

// Line is one line of a file.
type Line struct {
	Time    time.Time
	Service string
	Level   string
	TraceID string
	Raw     []byte // without the newline; valid until the callback returns
}

// Scan selects the lines of Store.Each.
type Scan struct {
	From, To time.Time         // both inclusive
	Service  func(string) bool // selects services by name; nil for all
	TraceID  string            // 32 hexadecimal digits that each line contains; empty for any
	Forward  bool              // oldest first, else newest first
}

// span is a block of a file during a scan.
type span struct {
	block
	path    string
	service string
}

// ErrUnordered is returned if the lines are too far out of order to be sorted in
// 64 MiB of memory.
var ErrUnordered = errors.New("the lines are too far out of order")

// maxPending is the maximum size of the lines that wait for earlier ones.
const maxPending = 64 << 20

// lineCost is the memory of a waiting line in addition to its bytes.
const lineCost = 128

// Each calls f for the selected lines in order of time, until f returns false or
// ctx ends. Files that are removed during the call are skipped.
func (s *Store) Each(ctx context.Context, q Scan, f func(Line) bool) error {
	spans := s.spans(q)
	// Blocks overlap in time, within a file and across files. Lines wait in
	// pending until no unread block can hold an earlier one.
	var pending []Line
	waiting := 0 // bytes
	from, to := q.From.UnixNano(), q.To.UnixNano()
	for i, sp := range spans {
		if err := ctx.Err(); err != nil {
			return err
		}
		lines, err := sp.read(from, to, []byte(q.TraceID))
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			return err
		}
		pending = append(pending, lines...)
		for _, l := range lines {
			waiting += len(l.Raw) + lineCost
		}
		sortLines(pending, q.Forward)
		n := len(pending)
		if i+1 < len(spans) {
			n = ready(pending, spans[i+1].block, q.Forward)
		}
		for _, l := range pending[:n] {
			waiting -= len(l.Raw) + lineCost
			if !f(l) {
				return nil
			}
		}
		if pending = pending[n:]; waiting > maxPending {
			return ErrUnordered
		}
	}
	for _, l := range pending {
		if !f(l) {
			return nil
		}
	}
	return ctx.Err()
}

// ready returns the number of lines that precede all lines of next, and so of
// the blocks after it.
func ready(lines []Line, next block, forward bool) int {
	for i, l := range lines {
		at := l.Time.UnixNano()
		if (forward && at >= next.minTime) || (!forward && at <= next.maxTime) {
			return i
		}
	}
	return len(lines)
}

func sortLines(lines []Line, forward bool) {
	slices.SortStableFunc(lines, func(a, b Line) int {
		if forward {
			return a.Time.Compare(b.Time)
		}
		return b.Time.Compare(a.Time)
	})
}

func (s *Store) spans(q Scan) []span {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var spans []span
	from, to := q.From.UnixNano(), q.To.UnixNano()
	for _, f := range s.files {
		if q.Service != nil && !q.Service(f.service) {
			continue
		}
		for _, b := range f.blocks {
			if b.minTime <= to && b.maxTime >= from && b.mayHold(q.TraceID) {
				spans = append(spans, span{b, f.path, f.service})
			}
		}
	}
	slices.SortFunc(spans, func(a, b span) int {
		if q.Forward {
			return cmp.Compare(a.minTime, b.minTime)
		}
		return cmp.Compare(b.maxTime, a.maxTime)
	})
	return spans
}

// read returns the lines of [from, to] that contain traceID, which may be empty.
func (sp span) read(from, to int64, traceID []byte) ([]Line, error) {
	fd, err := os.Open(sp.path)
	if err != nil {
		return nil, err
	}
	defer fd.Close()
	buf := make([]byte, sp.size)
	n, _ := fd.ReadAt(buf, sp.off) // short if the file was truncated
	buf = buf[:n]
	var lines []Line
	last := sp.minTime
	var skipped []byte // the line before, not parsed
	for len(buf) > 0 {
		line, rest, _ := bytes.Cut(buf, []byte{'\n'})
		buf = rest
		if !bytes.Contains(line, traceID) {
			skipped = line
			continue
		}
		if skipped != nil {
			_, last = parseHead(skipped, last)
			skipped = nil
		}
		h, at := parseHead(line, last)
		last = at
		if len(line) == 0 || at < from || at > to {
			continue
		}
		service := h.Service
		if service == "" {
			service = sp.service
		}
		lines = append(lines, Line{Time: time.Unix(0, at).UTC(), Service: service, Level: h.Level, TraceID: h.TraceID, Raw: line})
	}
	return lines, nil
}

func sortedKeys(set map[string]struct{}) []string { return slices.Sorted(maps.Keys(set)) }
