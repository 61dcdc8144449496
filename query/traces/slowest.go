package traces

import (
	"context"
	"fmt"
	"time"

	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/trace"
)

// perSearch is the number of traces that one search may return.
const perSearch = 100

// correlationKey is the attribute that holds a request's correlation ID.
const correlationKey = "correlation_id"

// Slowest returns the trace with the longest span that matches a search. A search
// without service and operation compares whole requests. Each query asks for spans
// slower than the slowest one found so far, until there is none, so it reads few traces.
// The error is query.ErrNotFound if no trace matches.
func Slowest(ctx context.Context, j query.Tracer, s query.Search) (*trace.Trace, error) {
	services, err := servicesOf(ctx, j, s)
	if err != nil {
		return nil, err
	}
	var slowest *trace.Trace
	var longest time.Duration
	for _, service := range services {
		for found := true; found; {
			found = false
			q := s
			q.Service, q.Limit = service, perSearch
			if slowest != nil {
				q.Min = longest + time.Microsecond // Jaeger's unit
			}
			traces, err := j.Traces(ctx, q)
			if err != nil {
				return nil, err
			}
			for i := range traces {
				if took := Took(&traces[i], s); len(traces[i].Spans) > 0 && (slowest == nil || took > longest) {
					slowest, longest, found = &traces[i], took, true
				}
			}
		}
	}
	if slowest == nil {
		return nil, fmt.Errorf("trace %w", query.ErrNotFound)
	}
	return slowest, nil
}

// Took returns the duration of the longest span with the service and operation of a
// search, or that of the request if it has neither.
func Took(t *trace.Trace, s query.Search) (longest time.Duration) {
	if s.Service == "" && s.Operation == "" {
		if root := t.Root(); root != nil {
			return root.Duration
		}
		return 0
	}
	for i := range t.Spans {
		span := &t.Spans[i]
		if (s.Service == "" || span.Service == s.Service) && (s.Operation == "" || span.Operation == s.Operation) {
			longest = max(longest, span.Duration)
		}
	}
	return longest
}

// ByCorrelation returns a trace within the time of a search whose spans have a correlation
// ID. The error is query.ErrNotFound if there is none.
func ByCorrelation(ctx context.Context, j query.Tracer, id string, s query.Search) (*trace.Trace, error) {
	services, err := servicesOf(ctx, j, s)
	if err != nil {
		return nil, err
	}
	for _, service := range services {
		q := s
		q.Service, q.Limit, q.Tags = service, 1, map[string]string{correlationKey: id}
		traces, err := j.Traces(ctx, q)
		if err != nil {
			return nil, err
		}
		if len(traces) > 0 {
			return &traces[0], nil
		}
	}
	return nil, fmt.Errorf("trace %w: none has the correlation ID %s", query.ErrNotFound, id)
}

// servicesOf returns the service of a search, or all of them.
func servicesOf(ctx context.Context, j query.Tracer, s query.Search) ([]string, error) {
	if s.Service != "" {
		return []string{s.Service}, nil
	}
	return j.Services(ctx)
}
