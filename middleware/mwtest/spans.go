package mwtest

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
)

// Span is an ended span.
type Span struct {
	Name        string
	Kind        trace.SpanKind
	SpanContext trace.SpanContext
	Parent      trace.SpanContext // invalid for a root
	Links       []trace.Link
	Attributes  map[string]string // values as text
	Events      []string          // names
	Status      codes.Code
	Start, End  time.Time
}

// provider is a trace.TracerProvider that keeps ended spans. It follows the parent's
// sampling decision and samples all roots.
type provider struct {
	embedded.TracerProvider
	mu    sync.Mutex
	last  uint64
	ended []Span
	open  int
}

func (p *provider) Tracer(string, ...trace.TracerOption) trace.Tracer { return &tracer{p: p} }

func (p *provider) next() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	return p.last
}

type tracer struct {
	embedded.Tracer
	p *provider
}

func (t *tracer) Start(ctx context.Context, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	cfg := trace.NewSpanStartConfig(opts...)
	parent := trace.SpanContextFromContext(ctx)
	if cfg.NewRoot() {
		parent = trace.SpanContext{}
	}
	id := t.p.next()
	c := trace.SpanContextConfig{TraceID: parent.TraceID(), TraceFlags: trace.FlagsSampled, TraceState: parent.TraceState()}
	if !parent.IsValid() {
		binary.BigEndian.PutUint64(c.TraceID[8:], id)
	} else if !parent.IsSampled() {
		c.TraceFlags = 0
	}
	binary.BigEndian.PutUint64(c.SpanID[:], id)
	sc := trace.NewSpanContext(c)
	if !sc.IsSampled() {
		ctx = trace.ContextWithSpanContext(ctx, sc)
		return ctx, trace.SpanFromContext(ctx)
	}
	start := cfg.Timestamp()
	if start.IsZero() {
		start = time.Now()
	}
	s := &span{p: t.p, data: Span{Name: name, Kind: cfg.SpanKind(), SpanContext: sc, Parent: parent, Links: slices.Clone(cfg.Links()),
		Attributes: map[string]string{}, Start: start}}
	s.SetAttributes(cfg.Attributes()...)
	t.p.mu.Lock()
	t.p.open++
	t.p.mu.Unlock()
	return trace.ContextWithSpan(ctx, s), s
}

type span struct {
	embedded.Span
	p    *provider
	mu   sync.Mutex
	done bool
	data Span
}

func (s *span) End(opts ...trace.SpanEndOption) {
	cfg := trace.NewSpanEndConfig(opts...)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return
	}
	s.done, s.data.End = true, cfg.Timestamp()
	if s.data.End.IsZero() {
		s.data.End = time.Now()
	}
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	s.p.open--
	s.p.ended = append(s.p.ended, s.data)
}

// change modifies the span unless it has ended.
func (s *span) change(f func(*Span)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.done {
		f(&s.data)
	}
}

func (s *span) SetAttributes(kv ...attribute.KeyValue) {
	s.change(func(d *Span) {
		for _, a := range kv {
			d.Attributes[string(a.Key)] = text(a.Value)
		}
	})
}

func (s *span) AddEvent(name string, _ ...trace.EventOption) {
	s.change(func(d *Span) { d.Events = append(d.Events, name) })
}

func (s *span) AddLink(l trace.Link) { s.change(func(d *Span) { d.Links = append(d.Links, l) }) }
func (s *span) SetName(name string)  { s.change(func(d *Span) { d.Name = name }) }

// Name returns the span's name, as the SDK's spans do.
func (s *span) Name() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data.Name
}

func (s *span) SetStatus(c codes.Code, _ string) { s.change(func(d *Span) { d.Status = c }) }

func (s *span) RecordError(err error, _ ...trace.EventOption) {
	if err != nil {
		s.AddEvent("exception")
	}
}

func (s *span) IsRecording() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.done
}

func (s *span) SpanContext() trace.SpanContext       { return s.data.SpanContext }
func (s *span) TracerProvider() trace.TracerProvider { return s.p }

// text returns an attribute's value as text: a string as it is, any other value as
// JSON. attribute.Value.String does so in later versions of OpenTelemetry.
func text(v attribute.Value) string {
	if v.Type() == attribute.STRING {
		return v.AsString()
	}
	b, err := json.Marshal(v.AsInterface())
	if err != nil { // such as NaN
		return fmt.Sprint(v.AsInterface())
	}
	return string(b)
}
