package console

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tenhop/tenhop/console/traceview"
	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/jaeger"
)

// Found is a trace in a list.
type Found struct {
	TraceID   string              `json:"trace_id"`
	Service   string              `json:"service"`
	Operation string              `json:"operation"`
	Start     int64               `json:"start"`    // microseconds since 1970
	Duration  int64               `json:"duration"` // microseconds, of all spans
	Root      int64               `json:"root"`     // microseconds, of the first span: what its caller waited
	Spans     int                 `json:"spans"`
	Failed    int                 `json:"failed"`
	Services  []traceview.Service `json:"services"`
	Slowest   string              `json:"slowest"` // the service with the largest part of the critical path
}

// Limits of a search.
const (
	defaultTraces   = 20
	maxTraces       = 200
	defaultLookback = time.Hour
	oneService      = 4 // services asked at once for a correlation ID
)

func (c *Console) services(r *http.Request) (any, error) {
	var answer struct {
		Data []string `json:"data"`
	}
	if err := c.jaeger.get(r.Context(), &answer, nil, "api", "services"); err != nil {
		return nil, err
	}
	slices.Sort(answer.Data)
	return nonNil(answer.Data), nil
}

func (c *Console) operations(r *http.Request) (any, error) {
	var answer struct {
		Data []string `json:"data"`
	}
	if err := c.jaeger.get(r.Context(), &answer, nil, "api", "services", r.PathValue("name"), "operations"); err != nil {
		return nil, err
	}
	slices.Sort(answer.Data)
	return nonNil(answer.Data), nil
}

func nonNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// search answers the form: service, operation, tags as JSON or logfmt, min and
// max duration, start and end in microseconds or a lookback, limit, and
// correlation, which needs no service.
func (c *Console) search(r *http.Request) (any, error) {
	in := r.URL.Query()
	q, err := searchQuery(in, time.Now())
	if err != nil {
		return nil, err
	}
	services := []string{in.Get("service")}
	if services[0] == "" {
		if in.Get("correlation") == "" {
			return nil, badRequest("choose a service, or give a correlation ID")
		}
		var answer struct {
			Data []string `json:"data"`
		}
		if err := c.jaeger.get(r.Context(), &answer, nil, "api", "services"); err != nil {
			return nil, err
		}
		services = answer.Data
	}
	found := make([][]trace.Trace, len(services))
	g, ctx := errgroup.WithContext(r.Context())
	g.SetLimit(oneService)
	for i, service := range services {
		g.Go(func() (err error) {
			found[i], err = c.find(ctx, q, service)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	out := []Found{}
	for _, t := range slices.Concat(found...) {
		if len(t.Spans) > 0 && !seen[t.ID] {
			seen[t.ID] = true
			out = append(out, summary(traceview.New(&t)))
		}
	}
	slices.SortFunc(out, func(a, b Found) int { return cmp.Compare(b.Start, a.Start) })
	return out, nil
}

// find asks Jaeger. A service that it does not know has no traces.
func (c *Console) find(ctx context.Context, q url.Values, service string) ([]trace.Trace, error) {
	with := url.Values{}
	for k, v := range q {
		with[k] = v
	}
	with.Set("service", service)
	found, err := c.traces(ctx, with)
	if errors.Is(err, errNotFound) {
		return nil, nil
	}
	return found, err
}

// traces reads an answer of Jaeger's that holds traces.
func (c *Console) traces(ctx context.Context, q url.Values, id ...string) ([]trace.Trace, error) {
	var answer json.RawMessage
	if err := c.jaeger.get(ctx, &answer, q, append([]string{"api", "traces"}, id...)...); err != nil {
		return nil, err
	}
	found, err := jaeger.Unmarshal(answer)
	if err != nil {
		return nil, fmt.Errorf("%s answers in another form than expected: %w", c.jaeger.name, err)
	}
	return found, nil
}

func searchQuery(in url.Values, now time.Time) (url.Values, error) {
	q := url.Values{}
	limit := defaultTraces
	if v := in.Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxTraces {
			return nil, badRequest("limit %q: must be from 1 to %d", v, maxTraces)
		}
		limit = n
	}
	q.Set("limit", strconv.Itoa(limit))
	for ours, jaegers := range map[string]string{"minDuration": "minDuration", "maxDuration": "maxDuration"} {
		v := in.Get(ours)
		if v == "" {
			continue
		}
		if d, err := time.ParseDuration(v); err != nil || d < 0 {
			return nil, badRequest("duration %q: must look like 250ms or 1.5s", v)
		}
		q.Set(jaegers, v)
	}
	if op := in.Get("operation"); op != "" && op != "all" {
		q.Set("operation", op)
	}
	tags, err := parseTags(in.Get("tags"))
	if err != nil {
		return nil, err
	}
	if id := in.Get("correlation"); id != "" {
		tags["correlation_id"] = id
	}
	if len(tags) > 0 {
		b, err := json.Marshal(tags)
		if err != nil {
			return nil, err
		}
		q.Set("tags", string(b))
	}
	start, end := in.Get("start"), in.Get("end")
	if start == "" || end == "" {
		lookback, err := parseLookback(cmp.Or(in.Get("lookback"), "1h"))
		if err != nil {
			return nil, err
		}
		start, end = strconv.FormatInt(now.Add(-lookback).UnixMicro(), 10), strconv.FormatInt(now.UnixMicro(), 10)
	}
	q.Set("start", start)
	q.Set("end", end)
	return q, nil
}

// parseLookback reads 15m, 1h or Jaeger's 2d.
func parseLookback(v string) (time.Duration, error) {
	if v == "custom" {
		return defaultLookback, nil
	}
	if days, ok := strings.CutSuffix(v, "d"); ok {
		n, err := strconv.Atoi(days)
		if err == nil && n > 0 && n <= 365 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(v)
	if err != nil || d <= 0 {
		return 0, badRequest("lookback %q: must look like 15m, 1h or 2d", v)
	}
	return d, nil
}

var logfmt = regexp.MustCompile(`^([^\s=]+)=("(?:[^"\\]|\\.)*"|\S*)(?:\s+|$)`)

// parseTags reads Jaeger's JSON or key=value pairs.
func parseTags(v string) (map[string]string, error) {
	tags := map[string]string{}
	v = strings.TrimSpace(v)
	if strings.HasPrefix(v, "{") {
		var values map[string]any
		dec := json.NewDecoder(strings.NewReader(v))
		dec.UseNumber() // as it was written
		if err := dec.Decode(&values); err != nil {
			return nil, badRequest("tags: %v", err)
		}
		for k, value := range values {
			switch value.(type) {
			case string, bool, json.Number:
				tags[k] = fmt.Sprint(value)
			default:
				return nil, badRequest("tags: %s must be text, a number or a truth value", k)
			}
		}
		return tags, nil
	}
	for rest := v; rest != ""; {
		m := logfmt.FindStringSubmatch(rest)
		if m == nil {
			return nil, badRequest("tags %q: %q must look like error=true region=eu", v, rest)
		}
		value := m[2]
		if u, err := strconv.Unquote(value); err == nil {
			value = u
		}
		tags[m[1]] = value
		rest = rest[len(m[0]):]
	}
	return tags, nil
}

func summary(v *traceview.View) Found {
	root := v.Spans[0]
	f := Found{TraceID: v.TraceID, Service: root.Service, Operation: root.Operation, Start: v.Start,
		Duration: v.Duration, Root: root.Duration, Spans: len(v.Spans), Services: v.Services}
	var most int64 = -1
	for _, s := range v.Services {
		f.Failed += s.Failed
		if s.Self > most {
			most, f.Slowest = s.Self, s.Name
		}
	}
	return f
}

var traceID = regexp.MustCompile(`^[0-9a-fA-F]{1,32}$`)

// view reads one trace and analyses it.
func (c *Console) view(ctx context.Context, id string) (*traceview.View, error) {
	if !traceID.MatchString(id) {
		return nil, badRequest("%q is no trace ID: those have up to 32 hexadecimal digits", id)
	}
	found, err := c.traces(ctx, nil, id)
	if errors.Is(err, errNotFound) || err == nil && (len(found) == 0 || len(found[0].Spans) == 0) {
		return nil, &apiError{http.StatusNotFound, fmt.Sprintf("Jaeger has no trace %s; it may be older than what is kept, or its last spans are still on their way", id)}
	}
	if err != nil {
		return nil, err
	}
	return traceview.New(&found[0]), nil
}

func (c *Console) trace(r *http.Request) (any, error) { return c.view(r.Context(), r.PathValue("id")) }
