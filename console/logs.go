package console

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tenhop/tenhop/query/loki"
)

// LogLine is a log line of a trace.
type LogLine struct {
	At      int64          `json:"at"` // microseconds since 1970, to the second for lines of the services
	Service string         `json:"service"`
	Level   string         `json:"level"`
	SpanID  string         `json:"span_id,omitempty"`
	Message string         `json:"message"`
	Fields  map[string]any `json:"fields"`
}

const (
	maxLines  = 1000
	logMargin = 5 * time.Second // lines have whole seconds, and are written after their span
)

// traceLogs returns the log lines that contain a trace ID.
func (c *Console) traceLogs(r *http.Request) ([]LogLine, error) {
	id := r.PathValue("id")
	if !traceID.MatchString(id) {
		return nil, badRequest("%q is no trace ID", id)
	}
	in := r.URL.Query()
	from, err1 := strconv.ParseInt(in.Get("from"), 10, 64)
	to, err2 := strconv.ParseInt(in.Get("to"), 10, 64)
	if err1 != nil || err2 != nil {
		return nil, badRequest("from and to must be microseconds since 1970")
	}
	start, end := time.UnixMicro(from).Add(-logMargin), time.UnixMicro(to).Add(logMargin)
	out := []LogLine{}
	earlier := map[string]bool{} // found by an earlier query; a line may repeat within one query
	for _, query := range logQueries {
		found, err := c.lokiLines(r.Context(), fmt.Sprintf(query, id), start, end)
		if err != nil {
			return nil, err
		}
		found = slices.DeleteFunc(found, func(l foundLine) bool { return earlier[l.key] })
		for _, l := range found {
			earlier[l.key] = true
			out = append(out, l.LogLine)
		}
	}
	slices.SortStableFunc(out, func(a, b LogLine) int { return cmp.Compare(a.At, b.At) })
	return out, nil
}

// logQueries lists the queries for a trace's lines in both forms that Loki stores: JSON
// lines that contain the ID, and OTLP records with the ID in structured metadata.
var logQueries = []string{
	"{service_name=~`.+`} |= `%s`",
	"{service_name=~`.+`} | trace_id = `%s`",
}

// foundLine is a line with its identity.
type foundLine struct {
	key string
	LogLine
}

// lokiLines returns the lines that a query finds.
func (c *Console) lokiLines(ctx context.Context, query string, start, end time.Time) ([]foundLine, error) {
	if !c.loki.configured() {
		return nil, missing("Loki")
	}
	client, err := loki.New(c.loki.url, c.loki.client)
	if err != nil {
		return nil, err
	}
	streams, err := client.Lines(ctx, query, start, end, maxLines)
	if err != nil {
		return nil, err
	}
	var lines []foundLine
	for _, stream := range streams {
		for _, l := range stream.Lines {
			line := logLine(l.At.UnixMicro(), stream.Labels, l.Text)
			key := strings.Join([]string{l.At.Format(time.RFC3339Nano), line.Service, line.SpanID, l.Text}, "\x00")
			lines = append(lines, foundLine{key, line})
		}
	}
	return lines, nil
}

// logLine parses a JSON line. For any other line, the message is the line itself, and
// the fields are the labels and structured metadata.
func logLine(at int64, stream map[string]string, line string) LogLine {
	l := LogLine{At: at, Service: cmp.Or(stream["service_name"], stream["service"]), Fields: map[string]any{}}
	if json.Unmarshal([]byte(line), &l.Fields) != nil || l.Fields == nil {
		l.Fields = map[string]any{"message": line}
		for k, v := range stream {
			l.Fields[k] = v
		}
	}
	take := func(keys ...string) string {
		var first string
		for _, key := range keys {
			if v, ok := l.Fields[key].(string); ok {
				first = cmp.Or(first, v)
				delete(l.Fields, key)
			}
		}
		return first
	}
	l.Message = take("message")
	l.Level = cmp.Or(take("level", "severity_text", "detected_level"), stream["level"], stream["detected_level"])
	l.SpanID = take("span_id")
	for _, known := range []string{"trace_id", "service", "service_name", "time", "correlation_id", "severity_number", "observed_timestamp", "flags"} {
		delete(l.Fields, known)
	}
	return l
}
