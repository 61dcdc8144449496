package logstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// sinkBytes is the size at which a file of received logs is put aside; one
// such file a service is kept.
const sinkBytes = 32 << 20

// sink writes received log records in the form of the services' own lines.
type sink struct {
	dir string

	mu    sync.Mutex
	files map[string]*os.File
	sizes map[string]int64
}

// Append writes the records to files of this directory, one a service, where
// they are followed like the others. It returns the first error of the disk.
func (s *Store) Append(ld plog.Logs) error {
	s.sink.mu.Lock()
	defer s.sink.mu.Unlock()
	for _, rl := range ld.ResourceLogs().All() {
		service := "unknown"
		if v, ok := rl.Resource().Attributes().Get("service.name"); ok && v.AsString() != "" {
			service = v.AsString()
		}
		var buf []byte
		for _, sl := range rl.ScopeLogs().All() {
			for _, rec := range sl.LogRecords().All() {
				line, err := json.Marshal(fields(service, rec))
				if err != nil {
					return fmt.Errorf("encode log record: %w", err)
				}
				buf = append(append(buf, line...), '\n')
			}
		}
		if len(buf) == 0 {
			continue
		}
		if err := s.sink.write(service, buf); err != nil {
			return fmt.Errorf("store log records: %w", err)
		}
	}
	return nil
}

func fields(service string, rec plog.LogRecord) map[string]any {
	out := map[string]any{}
	for k, v := range rec.Attributes().All() {
		out[k] = v.AsRaw()
	}
	// A body that is a map is a structured line: its keys are the line's.
	if rec.Body().Type() == pcommon.ValueTypeMap {
		for k, v := range rec.Body().Map().All() {
			out[k] = v.AsRaw()
		}
	} else {
		out["message"] = rec.Body().AsString()
	}
	at := rec.Timestamp()
	if at == 0 {
		at = rec.ObservedTimestamp()
	}
	out["time"] = at.AsTime().Format(time.RFC3339Nano)
	out["service"] = service
	if text := rec.SeverityText(); text != "" {
		out["level"] = strings.ToLower(text)
	}
	if !rec.TraceID().IsEmpty() {
		out["trace_id"] = rec.TraceID().String()
	}
	if !rec.SpanID().IsEmpty() {
		out["span_id"] = rec.SpanID().String()
	}
	return out
}

func (k *sink) write(service string, lines []byte) error {
	if k.files == nil {
		k.files, k.sizes = map[string]*os.File{}, map[string]int64{}
	}
	name := fileName(service)
	path := filepath.Join(k.dir, name+".otlp.jsonl")
	if f := k.files[name]; f != nil && k.sizes[name] >= sinkBytes {
		delete(k.files, name)
		err := f.Close()
		if err = errors.Join(err, os.Rename(path, filepath.Join(k.dir, name+".otlp-old.jsonl"))); err != nil {
			return err
		}
	}
	if k.files[name] == nil {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		info, err := f.Stat()
		if err != nil {
			return errors.Join(err, f.Close())
		}
		k.files[name], k.sizes[name] = f, info.Size()
	}
	n, err := k.files[name].Write(lines)
	k.sizes[name] += int64(n)
	return err
}

func (k *sink) close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var errs []error
	for _, f := range k.files {
		errs = append(errs, f.Close())
	}
	k.files = nil
	return errors.Join(errs...)
}

// fileName keeps a service's name from leaving the directory.
func fileName(service string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '_'
	}, service)
	return clean[:min(len(clean), 100)]
}
