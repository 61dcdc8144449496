// Package spans converts between the trace model and the diagnosis's.
package spans

import (
	"maps"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/trace"
)

// resourceKeys are the resource attributes that a diagnosis tells spans apart by.
var resourceKeys = [...]string{"service.version", "service.instance.id"}

// FromTrace returns t in the diagnosis's model.
func FromTrace(t trace.Trace) diagnose.Trace {
	out := diagnose.Trace{ID: t.ID, Spans: make([]diagnose.Span, len(t.Spans))}
	for i := range t.Spans {
		out.Spans[i] = FromSpan(t.Spans[i])
	}
	return out
}

// FromSpan returns s in the diagnosis's model. It takes s's attributes over.
func FromSpan(s trace.Span) diagnose.Span {
	if s.Attributes == nil {
		s.Attributes = map[string]string{}
	}
	for _, k := range resourceKeys {
		if _, own := s.Attributes[k]; !own && s.Resource[k] != "" {
			s.Attributes[k] = s.Resource[k]
		}
	}
	return diagnose.Span{ID: s.ID, Parent: s.Parent, Service: s.Service, Operation: s.Operation, Kind: string(s.Kind),
		Start: s.Start, Duration: s.Duration, Failed: s.Failed, Attributes: s.Attributes}
}

// ToTrace returns t in the trace model.
func ToTrace(t diagnose.Trace) trace.Trace {
	out := trace.Trace{ID: t.ID, Spans: make([]trace.Span, len(t.Spans))}
	for i, s := range t.Spans {
		out.Spans[i] = trace.Span{ID: s.ID, Parent: s.Parent, Service: s.Service, Operation: s.Operation, Kind: trace.Kind(s.Kind),
			Start: s.Start, Duration: s.Duration, Failed: s.Failed, Attributes: maps.Clone(s.Attributes)}
	}
	return out
}

// Search returns s as the clients take it.
func Search(s diagnose.Search) query.Search {
	return query.Search{Service: s.Service, Operation: s.Operation, From: s.From, To: s.To, Min: s.Min, Max: s.Max, Failed: s.Failed, Limit: s.Limit}
}
