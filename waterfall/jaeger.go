package waterfall

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tenhop/tenhop/trace"
)

// Jaeger reads traces from Jaeger's query API, a real one's or ours.
type Jaeger struct {
	URL    string       // http://127.0.0.1:16686
	Client *http.Client // http.DefaultClient when nil
}

// ErrNotFound says that no trace fits.
var ErrNotFound = errors.New("no such trace")

// maxAnswer bounds what is read of an answer.
const maxAnswer = 256 << 20

// jaegerTrace is the part of Jaeger's UI model that is used.
type jaegerTrace struct {
	TraceID string `json:"traceID"`
	Spans   []struct {
		SpanID        string `json:"spanID"`
		OperationName string `json:"operationName"`
		References    []struct {
			RefType string `json:"refType"`
			TraceID string `json:"traceID"`
			SpanID  string `json:"spanID"`
		} `json:"references"`
		StartTime int64       `json:"startTime"` // µs since 1970
		Duration  int64       `json:"duration"`  // µs
		Tags      []jaegerTag `json:"tags"`
		Logs      []struct {
			Timestamp int64       `json:"timestamp"` // µs since 1970
			Fields    []jaegerTag `json:"fields"`
		} `json:"logs"`
		ProcessID string `json:"processID"`
	} `json:"spans"`
	Processes map[string]struct {
		ServiceName string      `json:"serviceName"`
		Tags        []jaegerTag `json:"tags"`
	} `json:"processes"`
}

type jaegerTag struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
}

// Trace returns one trace by its ID.
func (j Jaeger) Trace(ctx context.Context, id string) (*trace.Trace, error) {
	traces, err := j.ask(ctx, "/api/traces/"+url.PathEscape(id), nil)
	if err != nil {
		return nil, err
	}
	if len(traces) == 0 {
		return nil, fmt.Errorf("%w: %s; it may be older than what is kept", ErrNotFound, id)
	}
	return traces[0], nil
}

// Query selects traces by what their spans of one service look like.
type Query struct {
	Service, Operation string
	Tags               map[string]string
	MinDuration        time.Duration // of such a span; 0 for any
	Since              time.Duration
	Limit              int
}

// Find returns the traces that a query selects.
func (j Jaeger) Find(ctx context.Context, q Query) ([]*trace.Trace, error) {
	v := url.Values{"service": {q.Service}, "limit": {strconv.Itoa(q.Limit)}}
	if q.Operation != "" {
		v.Set("operation", q.Operation)
	}
	if len(q.Tags) > 0 {
		tags, err := json.Marshal(q.Tags)
		if err != nil {
			return nil, err
		}
		v.Set("tags", string(tags))
	}
	if q.MinDuration > 0 {
		v.Set("minDuration", strconv.FormatInt(q.MinDuration.Microseconds(), 10)+"us")
	}
	now := time.Now()
	v.Set("start", strconv.FormatInt(now.Add(-q.Since).UnixMicro(), 10))
	v.Set("end", strconv.FormatInt(now.UnixMicro(), 10))
	return j.ask(ctx, "/api/traces", v)
}

// Services returns the services that have sent spans.
func (j Jaeger) Services(ctx context.Context) ([]string, error) {
	var answer struct {
		Data []string `json:"data"`
	}
	err := j.get(ctx, "/api/services", nil, &answer)
	return answer.Data, err
}

func (j Jaeger) ask(ctx context.Context, path string, query url.Values) ([]*trace.Trace, error) {
	var answer json.RawMessage
	if err := j.get(ctx, path, query, &answer); err != nil {
		return nil, err
	}
	traces, err := Unmarshal(answer)
	if err != nil {
		return nil, fmt.Errorf("%s does not answer like Jaeger: %w", j.URL, err)
	}
	var out []*trace.Trace
	for i := range traces {
		if len(traces[i].Spans) > 0 {
			out = append(out, &traces[i])
		}
	}
	return out, nil
}

// Unmarshal reads an answer of the query API, {"data":[…]}.
func Unmarshal(b []byte) ([]trace.Trace, error) {
	var answer struct {
		Data []jaegerTrace `json:"data"`
	}
	if err := json.Unmarshal(b, &answer); err != nil {
		return nil, err
	}
	out := make([]trace.Trace, 0, len(answer.Data))
	for _, t := range answer.Data {
		out = append(out, t.convert())
	}
	return out, nil
}

func (j Jaeger) get(ctx context.Context, path string, query url.Values, into any) error {
	address := strings.TrimSuffix(j.URL, "/") + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fmt.Errorf("--jaeger %q: must be a URL such as http://localhost:16686", j.URL)
	}
	client := j.Client
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("jaeger at %s does not answer: %w; see `tenhop status`, or name another with --jaeger URL", j.URL, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read Jaeger's answer: %w", err)
	}
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%w: Jaeger at %s knows none; it may be older than what is kept", ErrNotFound, j.URL)
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("jaeger at %s: %s: %s", j.URL, resp.Status, strings.TrimSpace(string(body[:min(len(body), 300)])))
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%s does not answer like Jaeger: %w", j.URL, err)
	}
	return nil
}

func (t jaegerTrace) convert() trace.Trace {
	out := trace.Trace{ID: t.TraceID, Spans: make([]trace.Span, 0, len(t.Spans))}
	resources := map[string]map[string]string{}
	for id, p := range t.Processes {
		resources[id] = attributes(p.Tags)
	}
	for _, s := range t.Spans {
		span := trace.Span{ID: s.SpanID, Service: t.Processes[s.ProcessID].ServiceName, Operation: s.OperationName,
			Start: time.UnixMicro(s.StartTime), Duration: max(0, time.Duration(s.Duration)*time.Microsecond),
			Attributes: attributes(s.Tags), Resource: resources[s.ProcessID]}
		for _, r := range s.References {
			if r.TraceID == t.TraceID && (span.Parent == "" || r.RefType == "CHILD_OF") {
				span.Parent = r.SpanID
			}
		}
		for _, l := range s.Logs {
			e := trace.Event{Time: time.UnixMicro(l.Timestamp), Attributes: attributes(l.Fields)}
			e.Name = e.Attributes["event"]
			delete(e.Attributes, "event")
			span.Events = append(span.Events, e)
		}
		span.Kind = trace.Kind(strings.ToLower(span.Attributes["span.kind"]))
		if span.Failed = trace.Failed(span.Attributes["otel.status_code"], span.Attributes["error"]); span.Failed {
			span.StatusMessage = span.Attributes["otel.status_description"]
		}
		out.Spans = append(out.Spans, span)
	}
	return out
}

// attributes returns tags with their values as text.
func attributes(tags []jaegerTag) map[string]string {
	out := make(map[string]string, len(tags))
	for _, t := range tags {
		var text string
		if json.Unmarshal(t.Value, &text) != nil {
			text = string(t.Value)
		}
		out[t.Key] = text
	}
	return out
}
