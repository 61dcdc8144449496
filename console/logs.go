package console

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// LogLine is a line of a trace.
type LogLine struct {
	At      int64          `json:"at"` // microseconds since 1970; lines of services are stamped to the second
	Service string         `json:"service"`
	Level   string         `json:"level"`
	SpanID  string         `json:"span_id,omitempty"`
	Message string         `json:"message"`
	Fields  map[string]any `json:"fields"`
}

const (
	maxLines  = 1000
	logMargin = 5 * time.Second // lines are stamped to the second, and written after their span
)

// traceLogs returns the lines that bear a trace's ID.
func (c *Console) traceLogs(r *http.Request) (any, error) {
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
	var answer struct {
		Data struct {
			Result []struct {
				Stream map[string]string `json:"stream"`
				Values [][2]string       `json:"values"`
			} `json:"result"`
		} `json:"data"`
	}
	err := c.loki.get(r.Context(), &answer, url.Values{
		"query": {fmt.Sprintf("{service_name=~`.+`} |= `%s`", id)}, "limit": {strconv.Itoa(maxLines)}, "direction": {"forward"},
		"start": {strconv.FormatInt(time.UnixMicro(from).Add(-logMargin).UnixNano(), 10)},
		"end":   {strconv.FormatInt(time.UnixMicro(to).Add(logMargin).UnixNano(), 10)},
	}, "loki", "api", "v1", "query_range")
	if err != nil {
		return nil, err
	}
	out := []LogLine{}
	for _, stream := range answer.Data.Result {
		for _, v := range stream.Values {
			ns, err := strconv.ParseInt(v[0], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("the answer of Loki has another form than expected: %w", err)
			}
			out = append(out, logLine(ns/1000, stream.Stream, v[1]))
		}
	}
	slices.SortStableFunc(out, func(a, b LogLine) int { return cmp.Compare(a.At, b.At) })
	return out, nil
}

// logLine reads a JSON line; another line is its own message.
func logLine(at int64, stream map[string]string, line string) LogLine {
	l := LogLine{At: at, Service: cmp.Or(stream["service_name"], stream["service"]), Level: stream["level"], Message: line, Fields: map[string]any{}}
	if json.Unmarshal([]byte(line), &l.Fields) != nil {
		return l
	}
	take := func(key string, to *string) {
		if v, ok := l.Fields[key].(string); ok {
			*to = v
			delete(l.Fields, key)
		}
	}
	l.Message = ""
	take("message", &l.Message)
	take("level", &l.Level)
	take("span_id", &l.SpanID)
	for _, known := range []string{"trace_id", "service", "time", "correlation_id"} {
		delete(l.Fields, known)
	}
	return l
}
