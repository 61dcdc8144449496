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
	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/trace"
)

// Found is a trace in the result of a search.
type Found struct {
	TraceID   string              `json:"trace_id"`
	Service   string              `json:"service"`
	Operation string              `json:"operation"`
	Start     int64               `json:"start"`    // microseconds since 1970
	Duration  int64               `json:"duration"` // microseconds, of all spans
	Root      int64               `json:"root"`     // microseconds, of the first span
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
	oneService      = 4 // services searched concurrently for a correlation ID
)

func (c *Console) services(r *http.Request) ([]string, error) {
	j, err := c.tracer()
	if err != nil {
		return nil, err
	}
	names, err := j.Services(r.Context())
	slices.Sort(names)
	return names, err
}

func (c *Console) operations(r *http.Request) ([]string, error) {
	j, err := c.tracer()
	if err != nil {
		return nil, err
	}
	names, err := j.Operations(r.Context(), r.PathValue("name"))
	slices.Sort(names)
	return names, err
}

func (c *Console) search(r *http.Request) ([]Found, error) {
	in := r.URL.Query()
	q, err := searchQuery(in, time.Now())
	if err != nil {
		return nil, err
	}
	j, err := c.tracer()
	if err != nil {
		return nil, err
	}
	services := []string{in.Get("service")}
	if services[0] == "" {
		if in.Get("correlation") == "" {
			return nil, badRequest("choose a service, or give a correlation ID")
		}
		if services, err = j.Services(r.Context()); err != nil {
			return nil, err
		}
	}
	wait, err := searchWait(in)
	if err != nil {
		return nil, err
	}
	return untilFound(r.Context(), wait, func(ctx context.Context) ([]Found, error) {
		q := q
		if wait > 0 { // the end of the search moves on with the time
			q.To = time.Now()
		}
		return searchServices(ctx, j, q, services)
	})
}

// Spans are on their way for a while: their process exports them every few seconds.
const (
	maxSearchWait = 15 * time.Second
	searchAgain   = 500 * time.Millisecond
)

// searchWait returns for how long a search waits for a first trace.
func searchWait(in url.Values) (time.Duration, error) {
	v := in.Get("wait")
	if v == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 || d > maxSearchWait {
		return 0, badRequest("wait %q: must be from 0s to %s", v, maxSearchWait)
	}
	return d, nil
}

// untilFound repeats a search that finds nothing until a time has passed.
func untilFound(ctx context.Context, wait time.Duration, search func(context.Context) ([]Found, error)) ([]Found, error) {
	deadline := time.Now().Add(wait)
	for {
		found, err := search(ctx)
		if err != nil || len(found) > 0 || time.Now().Add(searchAgain).After(deadline) {
			return found, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(searchAgain):
		}
	}
}

// searchServices searches several services.
func searchServices(ctx context.Context, j query.Tracer, q query.Search, services []string) ([]Found, error) {
	found := make([][]trace.Trace, len(services))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(oneService)
	for i, service := range services {
		q := q
		q.Service = service
		g.Go(func() (err error) {
			found[i], err = j.Traces(ctx, q)
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

// searchQuery parses the page's search form, except the service.
func searchQuery(in url.Values, now time.Time) (query.Search, error) {
	q := query.Search{Limit: defaultTraces, To: now, From: now.Add(-defaultLookback)}
	if v := in.Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxTraces {
			return q, badRequest("limit %q: must be from 1 to %d", v, maxTraces)
		}
		q.Limit = n
	}
	for name, to := range map[string]*time.Duration{"minDuration": &q.Min, "maxDuration": &q.Max} {
		v := in.Get(name)
		if v == "" {
			continue
		}
		d, err := time.ParseDuration(v)
		if err != nil || d < 0 {
			return q, badRequest("duration %q: must look like 250ms or 1.5s", v)
		}
		*to = d
	}
	if op := in.Get("operation"); op != "all" {
		q.Operation = op
	}
	var err error
	if q.Tags, err = parseTags(in.Get("tags")); err != nil {
		return q, err
	}
	if id := in.Get("correlation"); id != "" {
		q.Tags["correlation_id"] = id
	}
	start, end := in.Get("start"), in.Get("end")
	if start == "" || end == "" {
		lookback, err := parseLookback(cmp.Or(in.Get("lookback"), "1h"))
		q.From = now.Add(-lookback)
		return q, err
	}
	for v, to := range map[string]*time.Time{start: &q.From, end: &q.To} {
		us, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return q, badRequest("time %q: must be in microseconds since 1970", v)
		}
		*to = time.UnixMicro(us)
	}
	return q, nil
}

// parseLookback parses a duration such as 15m, 1h or Jaeger's 2d.
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

// parseTags parses tags as Jaeger's JSON or as key=value pairs.
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
	j, err := c.tracer()
	if err != nil {
		return nil, err
	}
	found, err := j.Trace(ctx, id)
	if errors.Is(err, query.ErrNotFound) {
		return nil, &apiError{http.StatusNotFound, fmt.Sprintf("%v; it may be older than what is kept, or its last spans are still on their way", err)}
	}
	if err != nil {
		return nil, err
	}
	return traceview.New(&found), nil
}

func (c *Console) trace(r *http.Request) (*traceview.View, error) {
	v, err := c.view(r.Context(), r.PathValue("id"))
	if err == nil {
		v.AddShape()
	}
	return v, err
}
