// Package jaeger reads traces over the query API of Jaeger (the one its web
// interface and Grafana use), of the embedded store or of a real Jaeger.
package jaeger

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

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/trace"
)

// Client asks one Jaeger.
type Client struct {
	base string
	http *http.Client
}

// New returns a client of the Jaeger at a URL such as http://127.0.0.1:16686.
func New(base string, client *http.Client) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("%q is not the URL of a Jaeger, such as http://127.0.0.1:16686", base)
	}
	return &Client{base: strings.TrimSuffix(base, "/"), http: client}, nil
}

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 256 << 20

// Services lists the services that have sent spans.
func (c *Client) Services(ctx context.Context) ([]string, error) {
	var a struct {
		Data []string `json:"data"`
	}
	err := c.get(ctx, "/api/services", nil, &a)
	return a.Data, err
}

// Traces searches.
func (c *Client) Traces(ctx context.Context, s diagnose.Search) ([]trace.Trace, error) {
	q := url.Values{"service": {s.Service}, "limit": {strconv.Itoa(s.Limit)},
		"start": {strconv.FormatInt(s.From.UnixMicro(), 10)}, "end": {strconv.FormatInt(s.To.UnixMicro(), 10)}}
	if s.Operation != "" {
		q.Set("operation", s.Operation)
	}
	if s.Min > 0 {
		q.Set("minDuration", s.Min.String())
	}
	if s.Max > 0 {
		q.Set("maxDuration", s.Max.String())
	}
	if s.Failed {
		q.Set("tags", `{"error":"true"}`)
	}
	var a traces
	if err := c.get(ctx, "/api/traces", q, &a); err != nil {
		return nil, err
	}
	return a.decode(), nil
}

// Trace returns one trace; nil when there is none.
func (c *Client) Trace(ctx context.Context, id string) (*trace.Trace, error) {
	var a traces
	switch err := c.get(ctx, "/api/traces/"+url.PathEscape(id), nil, &a); {
	case errors.Is(err, errNoTrace):
		return nil, nil
	case err != nil:
		return nil, err
	}
	found := a.decode()
	if len(found) == 0 {
		return nil, nil
	}
	return &found[0], nil
}

// traces is Jaeger's legacy JSON (internal/uimodel of Jaeger 1.76); times are
// in microseconds.
type traces struct {
	Data []struct {
		TraceID string `json:"traceID"`
		Spans   []struct {
			SpanID        string `json:"spanID"`
			OperationName string `json:"operationName"`
			StartTime     int64  `json:"startTime"`
			Duration      int64  `json:"duration"`
			ProcessID     string `json:"processID"`
			References    []struct {
				RefType string `json:"refType"`
				TraceID string `json:"traceID"`
				SpanID  string `json:"spanID"`
			} `json:"references"`
			Tags []tag `json:"tags"`
		} `json:"spans"`
		Processes map[string]struct {
			ServiceName string `json:"serviceName"`
			Tags        []tag  `json:"tags"`
		} `json:"processes"`
	} `json:"data"`
}

// Decode reads traces as Jaeger's pages save them.
func Decode(body []byte) ([]trace.Trace, error) {
	var a traces
	if err := json.Unmarshal(body, &a); err != nil {
		return nil, fmt.Errorf("not Jaeger's JSON: %w", err)
	}
	return a.decode(), nil
}

type tag struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
}

func (t tag) text() string {
	var s string
	if json.Unmarshal(t.Value, &s) == nil {
		return s
	}
	return string(t.Value)
}

func (a traces) decode() []trace.Trace {
	out := make([]trace.Trace, 0, len(a.Data))
	for _, t := range a.Data {
		tr := trace.Trace{ID: t.TraceID}
		for _, s := range t.Spans {
			p := t.Processes[s.ProcessID]
			span := trace.Span{ID: s.SpanID, Service: p.ServiceName, Operation: s.OperationName,
				Start: time.UnixMicro(s.StartTime), Duration: time.Duration(s.Duration) * time.Microsecond, Attributes: map[string]string{}}
			for _, r := range s.References {
				if r.TraceID == t.TraceID && (span.Parent == "" || r.RefType == "CHILD_OF") {
					span.Parent = r.SpanID
				}
			}
			for _, g := range p.Tags {
				if g.Key == "service.instance.id" || g.Key == "service.version" {
					span.Attributes[g.Key] = g.text()
				}
			}
			for _, g := range s.Tags {
				span.Attributes[g.Key] = g.text()
			}
			span.Kind = trace.Kind(span.Attributes["span.kind"])
			// "error" is what Jaeger makes of the status; OpenTracing services
			// set it themselves.
			span.Failed = span.Attributes["error"] == "true" || span.Attributes["otel.status_code"] == "ERROR"
			tr.Spans = append(tr.Spans, span)
		}
		out = append(out, tr)
	}
	return out
}

func (c *Client) get(ctx context.Context, path string, q url.Values, into any) error {
	target := c.base + path
	if len(q) > 0 {
		target += "?" + q.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("ask Jaeger: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read Jaeger's answer: %w", err)
	}
	if resp.StatusCode == http.StatusNotFound && noTrace(body) {
		return errNoTrace
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("jaeger answers %s: %s", resp.Status, clip(body))
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%s does not answer like Jaeger: %w", c.base, err)
	}
	return nil
}

// errNoTrace is Jaeger's word that it has no such trace. Any other 404 comes
// from something that is no Jaeger, or from a proxy before it.
var errNoTrace = errors.New("trace not found")

func noTrace(body []byte) bool {
	var a struct {
		Errors []struct {
			Code int `json:"code"`
		} `json:"errors"`
	}
	return json.Unmarshal(body, &a) == nil && len(a.Errors) > 0 && a.Errors[0].Code == http.StatusNotFound
}

func clip(b []byte) string { return string(b[:min(len(b), 200)]) }
