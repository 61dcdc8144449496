package spanmetrics

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/otlp"
)

// Defaults of the options.
const (
	DefaultMaxSpans         = 100_000 // held; about 500 bytes each
	DefaultSeriesPerService = 500     // per family
	DefaultSeries           = 4000    // per family
	DefaultExpiration       = 10 * time.Minute
)

// MiddlewareScope is the prefix of the instrumentation scopes of tenhop's middleware.
const MiddlewareScope = "github.com/tenhop/tenhop/middleware"

// Group is a set of families that a service may report itself.
type Group string

// The groups.
const (
	Hops     Group = "hops"     // hop_*
	HTTP     Group = "http"     // durations of HTTP requests served
	RPC      Group = "rpc"      // durations of RPCs served
	Messages Group = "messages" // durations of messages processed
	Sends    Group = "sends"    // durations of messages sent
)

// Processor computes metrics from spans. Add spans with Add and call Flush about once
// per second. It is safe for concurrent use.
type Processor struct {
	reported   func(service string, g Group) bool
	limits     limits
	expiration time.Duration
	middleware time.Duration // for which spans of the middleware wait for its metrics; negative for ever
	noSpans    bool
	noGraph    bool
	maxSpans   int

	mu       sync.Mutex
	window   *window
	trace    collapsed
	waits    []waited
	families *families
	health   *health

	waitIndex map[wait]int // in waits
	callees   callees
	paths     staticPaths
	scopes    map[string]time.Time // first span of the middleware, by service
	swept     time.Time
}

// Option configures a Processor.
type Option func(*Processor)

// WithReported sets a function that reports whether a service reports a group of
// families itself. These are then not computed from its spans, so that nothing counts
// twice. It must not call the Processor.
func WithReported(f func(service string, g Group) bool) Option {
	return func(p *Processor) { p.reported = f }
}

// WithMiddleware sets for how long the hop_* families and durations are not computed
// for a service whose spans come from tenhop's middleware, since the middleware reports
// them itself. The time begins with the first span of the service. A negative duration
// stands for ever. The default is 0: only WithReported decides.
func WithMiddleware(wait time.Duration) Option { return func(p *Processor) { p.middleware = wait } }

// WithMaxSpans sets the maximum number of spans that are held.
func WithMaxSpans(n int) Option { return func(p *Processor) { p.maxSpans = n } }

// WithSeries sets the maximum number of series of each family, per service and in all.
func WithSeries(perService, total int) Option {
	return func(p *Processor) { p.limits = limits{perService, total} }
}

// WithExpiration sets the time after which a series without observations is removed.
func WithExpiration(d time.Duration) Option { return func(p *Processor) { p.expiration = d } }

// WithoutSpanMetrics omits the families of the collector's span metrics connector.
func WithoutSpanMetrics() Option { return func(p *Processor) { p.noSpans = true } }

// WithoutServiceGraph omits the families of the collector's service graph connector.
func WithoutServiceGraph() Option { return func(p *Processor) { p.noGraph = true } }

// New returns a Processor.
func New(opts ...Option) *Processor {
	p := &Processor{
		reported:   func(string, Group) bool { return false },
		limits:     limits{DefaultSeriesPerService, DefaultSeries},
		expiration: DefaultExpiration,
		maxSpans:   DefaultMaxSpans,
		callees:    callees{},
		waitIndex:  map[wait]int{},
		paths:      staticPaths{},
		scopes:     map[string]time.Time{},
	}
	for _, o := range opts {
		o(p)
	}
	p.window = newWindow(p.maxSpans)
	p.health = newHealth()
	p.families = newFamilies(p.limits, p.health.limited)
	return p
}

// Batch holds the spans of an export request, read for Add.
type Batch struct {
	spans      []arrived
	middleware []string // services with spans of the middleware

	lastTrace pcommon.TraceID
	traceID   string // of lastTrace
}

// arrived is a span of a Batch.
type arrived struct {
	record
	traceID, status string
}

// batches holds memory for the spans of a Batch, which Add gives back.
var batches = sync.Pool{New: func() any { return new([]arrived) }}

// maxPooled is the maximum number of spans whose memory is given back: 2 MB.
const maxPooled = 4096

// Read reads the spans of td. It does not keep or modify td.
func Read(td ptrace.Traces) Batch {
	b := Batch{spans: slices.Grow(*batches.Get().(*[]arrived), td.SpanCount())}
	var attrs attributes
	for _, rs := range td.ResourceSpans().All() {
		service, middleware := serviceOf(rs), false
		for _, ss := range rs.ScopeSpans().All() {
			middleware = middleware || strings.HasPrefix(ss.Scope().Name(), MiddlewareScope)
			for _, s := range ss.Spans().All() {
				attrs.read(s.Attributes())
				middleware = middleware || attrs.has(atHopSelfMs)
				b.add(s, service, &attrs)
			}
		}
		if middleware {
			b.middleware = append(b.middleware, service)
		}
	}
	return b
}

// add adds a span of a service with its attributes.
func (b *Batch) add(s ptrace.Span, service string, attrs *attributes) {
	span := otlp.Bare(s)
	span.Service, span.Operation = service, clip(span.Operation)
	if attrs.has(atHopQueueWaitMs) {
		span.Attributes = map[string]string{attrQueueWait: clip(attrs.first(atHopQueueWaitMs))} // read by trace.Tree
	}
	id := s.TraceID()
	if b.traceID == "" || id != b.lastTrace { // the spans of a trace often follow each other
		b.lastTrace, b.traceID = id, id.String()
	}
	b.spans = append(b.spans, arrived{record{span, describe(&span, attrs)}, b.traceID, statuses[s.Status().Code()]})
}

// release gives back the memory of the spans.
func (b *Batch) release() {
	if cap(b.spans) > maxPooled {
		return
	}
	clear(b.spans)
	spans := b.spans[:0]
	batches.Put(&spans)
}

// Add adds the spans of a batch, which arrived at a time. The batch cannot be used again.
func (p *Processor) Add(b Batch, now time.Time) {
	defer b.release()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, service := range b.middleware {
		if _, ok := p.scopes[service]; !ok && len(p.scopes) < maxServices {
			p.scopes[service] = now
		}
	}
	for i := range b.spans {
		a := &b.spans[i]
		s := &a.span
		p.health.spans.Inc()
		if a.facts.path && !p.paths.accept(s.Service, a.facts.route) {
			a.facts.setRoute(unmatched)
		}
		if !p.noSpans {
			name, kind := spanName(s, &a.facts), kinds[s.Kind]
			p.families.calls.inc(now, s.Service, name, kind, a.status)
			p.families.duration.observe(float64(s.Duration)/float64(time.Millisecond), a.traceID, now, s.Service, name, kind, a.status)
		}
		if !p.window.add(a.traceID, a.record, now) {
			p.health.late.Inc()
			if s.Kind.Serves() {
				p.durations(s, &a.facts, s.Duration, a.traceID, now)
			}
		}
	}
	if p.window.spans > p.maxSpans {
		p.flush(now, false)
	}
}

func serviceOf(rs ptrace.ResourceSpans) string {
	if v, ok := rs.Resource().Attributes().Get("service.name"); ok {
		return serviceName(v.AsString())
	}
	return serviceName("")
}

// serviceName returns the name of a service as a label value.
func serviceName(name string) string { return clip(cmp.Or(name, "unknown_service")) }

// own reports whether a service reports a group itself.
func (p *Processor) own(service string, g Group, now time.Time) bool {
	if since, ok := p.scopes[service]; ok && (p.middleware < 0 || now.Sub(since) < p.middleware) {
		return true
	}
	return p.reported(service, g)
}

// Flush computes the metrics of the traces that are probably complete, and removes
// expired series.
func (p *Processor) Flush(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flush(now, false)
}

// Close computes the metrics of all traces that are held.
func (p *Processor) Close(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flush(now, true)
}

const sweepInterval = 10 * time.Second

func (p *Processor) flush(now time.Time, all bool) {
	due, evicted := p.window.take(now, all)
	for _, t := range due {
		p.observe(t, now, true)
		p.window.recycle(t)
	}
	for _, t := range evicted {
		p.health.evicted.Inc()
		p.observe(t, now, false)
		p.window.recycle(t)
	}
	p.health.held.Set(float64(p.window.spans))
	p.health.quiet.Set(p.window.lags.quiet().Seconds())
	if now.Sub(p.swept) >= sweepInterval {
		p.swept = now
		for _, f := range p.all() {
			f.expire(now.Add(-p.expiration))
		}
	}
}

// all returns the families that are exposed.
func (p *Processor) all() []*family {
	out := p.families.hops()
	if !p.noSpans {
		out = append(out, p.families.spans()...)
	}
	if !p.noGraph {
		out = append(out, p.families.graph()...)
	}
	return out
}

// Describe implements prometheus.Collector.
func (p *Processor) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range p.all() {
		f.Describe(ch)
	}
	p.health.Describe(ch)
}

// Collect implements prometheus.Collector.
func (p *Processor) Collect(ch chan<- prometheus.Metric) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.all() {
		f.Collect(ch)
	}
	p.health.Collect(ch)
}

// kinds and statuses hold the label values of the collector's span metrics.
var (
	kinds = map[trace.Kind]string{"": "SPAN_KIND_UNSPECIFIED", trace.Internal: "SPAN_KIND_INTERNAL", trace.Server: "SPAN_KIND_SERVER",
		trace.Client: "SPAN_KIND_CLIENT", trace.Producer: "SPAN_KIND_PRODUCER", trace.Consumer: "SPAN_KIND_CONSUMER"}
	statuses = map[ptrace.StatusCode]string{ptrace.StatusCodeUnset: "STATUS_CODE_UNSET", ptrace.StatusCodeOk: "STATUS_CODE_OK",
		ptrace.StatusCodeError: "STATUS_CODE_ERROR"}
)
