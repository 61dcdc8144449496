package logstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/tenhop/tenhop/stack/otelcol"
)

// OverflowService is the service name under which the records of a service are
// stored once MaxServices names are in use. The name that was sent is in the
// field original_service.
const OverflowService = "_OTHER"

// maxDepth is the maximum nesting of an attribute or a body.
const maxDepth = 64

// Append writes the records to files in the store's directory, one per service. The
// store follows them like other files.
//
// Append rejects records that are longer than 256 KiB or nested deeper than 64 levels.
// It stores the others and returns an *otelcol.RejectedError. Any other error means
// that no record was stored. A request that is equal to one stored before, with the times
// and resources of its records, is not stored again, so a client may retry a request whose
// response was lost. Records that are equal within a request, or in two different ones,
// are all stored. A record without a time gets that of its arrival.
func (s *Store) Append(ld plog.Logs) error {
	k := s.sink
	k.mu.Lock()
	defer k.mu.Unlock()
	rejected := &otelcol.RejectedError{}
	b, err := k.encode(ld, rejected)
	if err != nil {
		return fmt.Errorf("encode log records: %w", err)
	}
	if b.size > k.diskBytes {
		rejected.Count += b.records
		rejected.Reason = fmt.Sprintf("log records of %d bytes in one request exceed the disk space for logs", b.size)
		return rejected
	}
	if err := k.store(b); err != nil {
		return fmt.Errorf("store log records: %w", err)
	}
	if rejected.Count > 0 {
		return rejected
	}
	return nil
}

// request holds the encoded records of an Append.
type request struct {
	services []*serviceLines
	records  int
	size     int64
	hash     uint64         // of the request
	again    map[uint64]int // lines that an earlier process stored
}

// serviceLines holds the records of one service.
type serviceLines struct {
	storedAs string
	lines    []byte
	file     *sinkFile
}

// encode returns the records that are not stored. It counts in rejected those that cannot
// be encoded.
func (k *sink) encode(ld plog.Logs, rejected *otelcol.RejectedError) (*request, error) {
	setTimes(ld, k.now())
	sent, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	if err != nil {
		return nil, err
	}
	b := &request{hash: xxhash.Sum64(sent), again: map[uint64]int{}}
	stored := k.recent.has(b.hash)
	byName := map[string]*serviceLines{}
	for _, rl := range ld.ResourceLogs().All() {
		name := "unknown"
		if v, ok := rl.Resource().Attributes().Get("service.name"); ok && v.AsString() != "" {
			name = v.AsString()
		}
		f, storedAs := k.serviceFile(name)
		if err := k.know(f); err != nil {
			return nil, err
		}
		to := byName[storedAs]
		if to == nil {
			to = &serviceLines{storedAs: storedAs}
			byName[storedAs] = to
			b.services = append(b.services, to)
		}
		for _, sl := range rl.ScopeLogs().All() {
			for _, rec := range sl.LogRecords().All() {
				line, err := encode(storedAs, name, rec)
				if err != nil {
					rejected.Count++
					rejected.Reason = err.Error()
					continue
				}
				if stored {
					continue
				}
				if hash := xxhash.Sum64(line); b.again[hash] < k.recent.lines[hash] {
					b.again[hash]++
					continue
				}
				to.lines = append(append(to.lines, line...), '\n')
				b.size += int64(len(line)) + 1
				b.records++
			}
		}
	}
	return b, nil
}

// setTimes gives each record without a time that of its arrival.
func setTimes(ld plog.Logs, now time.Time) {
	arrived := pcommon.NewTimestampFromTime(now)
	for _, rl := range ld.ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			for _, rec := range sl.LogRecords().All() {
				if rec.Timestamp() == 0 && rec.ObservedTimestamp() == 0 {
					rec.SetObservedTimestamp(arrived)
				}
			}
		}
	}
}

// store writes a request, all of it or nothing.
func (k *sink) store(b *request) error {
	if err := k.room(b.size); err != nil {
		return err
	}
	for i, s := range b.services {
		if len(s.lines) == 0 {
			continue
		}
		s.file, _ = k.serviceFile(s.storedAs)
		err := k.prepare(s.file)
		if err == nil {
			_, err = k.ops.WriteAt(s.file.file, s.lines, s.file.size)
		}
		if err != nil {
			for _, done := range b.services[:i+1] {
				if done.file != nil {
					k.undo(done.file, int64(len(done.lines)))
				}
			}
			return err
		}
	}
	now := k.now()
	for _, s := range b.services {
		if s.file == nil {
			continue
		}
		if s.file.size == 0 {
			s.file.started = now
		}
		s.file.size += int64(len(s.lines))
		s.file.written = now
		k.total += int64(len(s.lines))
	}
	k.recent.add(b.hash, b.again)
	return nil
}

var (
	errLineTooLong = errors.New("log record is longer than 256 KiB")
	errTooDeep     = fmt.Errorf("log record is nested deeper than %d levels", maxDepth)
)

// encode returns a record in the format that the services log in, without the newline.
func encode(service, original string, rec plog.LogRecord) ([]byte, error) {
	out, err := fields(rec)
	if err != nil {
		return nil, err
	}
	out["service"] = service
	if service != original {
		out["original_service"] = original
	}
	line, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("encode log record: %w", err)
	}
	if len(line)+1 > readChunk {
		return nil, errLineTooLong
	}
	return line, nil
}

func fields(rec plog.LogRecord) (map[string]any, error) {
	out := map[string]any{}
	if err := addFields(out, rec.Attributes(), 0); err != nil {
		return nil, err
	}
	// The keys of a structured body become keys of the line.
	if rec.Body().Type() == pcommon.ValueTypeMap {
		if err := addFields(out, rec.Body().Map(), 0); err != nil {
			return nil, err
		}
	} else {
		message, err := plain(rec.Body(), 0)
		if err != nil {
			return nil, err
		}
		if _, ok := message.(string); !ok {
			message = rec.Body().AsString()
		}
		out["message"] = message
	}
	at := rec.Timestamp()
	if at == 0 {
		at = rec.ObservedTimestamp()
	}
	out["time"] = at.AsTime().Format(time.RFC3339Nano)
	if text := rec.SeverityText(); text != "" {
		out["level"] = strings.ToLower(text)
	}
	if !rec.TraceID().IsEmpty() {
		out["trace_id"] = rec.TraceID().String()
	}
	if !rec.SpanID().IsEmpty() {
		out["span_id"] = rec.SpanID().String()
	}
	return out, nil
}

func addFields(out map[string]any, m pcommon.Map, depth int) error {
	for k, v := range m.All() {
		value, err := plain(v, depth+1)
		if err != nil {
			return err
		}
		out[k] = value
	}
	return nil
}

// plain returns a value in a form that encoding/json accepts. NaN and infinities become
// the strings "NaN", "+Inf" and "-Inf".
func plain(v pcommon.Value, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	switch v.Type() {
	case pcommon.ValueTypeDouble:
		if f := v.Double(); math.IsNaN(f) || math.IsInf(f, 0) {
			return strconv.FormatFloat(f, 'g', -1, 64), nil
		}
		return v.Double(), nil
	case pcommon.ValueTypeMap:
		out := map[string]any{}
		return out, addFields(out, v.Map(), depth)
	case pcommon.ValueTypeSlice:
		out := make([]any, 0, v.Slice().Len())
		for _, e := range v.Slice().All() {
			value, err := plain(e, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, value)
		}
		return out, nil
	default:
		return v.AsRaw(), nil
	}
}
