package otlpspan_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/tenhop/tenhop/middleware/setup/otlpspan"
)

// collector is an OTLP client of the SDK's exporter that keeps what it would send.
type collector struct {
	mu  sync.Mutex
	got []*tracepb.ResourceSpans
}

func (*collector) Start(context.Context) error { return nil }
func (*collector) Stop(context.Context) error  { return nil }
func (c *collector) UploadTraces(_ context.Context, spans []*tracepb.ResourceSpans) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range spans { // as the collector reads it from the wire
		b, err := proto.Marshal(s)
		if err != nil {
			return err
		}
		read := &tracepb.ResourceSpans{}
		if err := proto.Unmarshal(b, read); err != nil {
			return err
		}
		c.got = append(c.got, read)
	}
	return nil
}

func (c *collector) export(_ context.Context, b []byte, n int) error {
	rs := &tracepb.ResourceSpans{}
	if err := proto.Unmarshal(b, rs); err != nil {
		return err
	}
	spans := 0
	for _, s := range rs.ScopeSpans {
		spans += len(s.Spans)
	}
	if spans != n {
		return fmt.Errorf("%d spans are announced, %d sent", n, spans)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = append(c.got, rs)
	return nil
}

type shutter interface {
	trace.TracerProvider
	Shutdown(context.Context) error
}

var service = resource.NewWithAttributes("https://example.com/resource", attribute.String("service.name", "shop"),
	attribute.Int("n", 3), attribute.StringSlice("tags", []string{"a", "b"}))

func sdkProvider(t *testing.T, c *collector, sampler sdktrace.Sampler, limits sdktrace.SpanLimits) shutter {
	exp, err := otlptrace.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler), sdktrace.WithRawSpanLimits(limits), sdktrace.WithResource(service),
		sdktrace.WithBatcher(exp, sdktrace.WithMaxQueueSize(1e6), sdktrace.WithMaxExportBatchSize(1e6)))
}

func ourProvider(t *testing.T, c *collector, sampler sdktrace.Sampler, limits sdktrace.SpanLimits) shutter {
	p, err := otlpspan.New(otlpspan.Config{Export: c.export, Sampler: sampler, Limits: &limits, Resource: service,
		Batch: sdktrace.BatchSpanProcessorOptions{MaxQueueSize: 1e6, MaxExportBatchSize: 1e6}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// program is a random sequence of calls of the tracing API. Two programs of one seed
// make the same calls.
type program struct {
	*rand.Rand
	tracers []trace.Tracer
	ctxs    []context.Context
	spans   []trace.Span
	seen    strings.Builder // what the API answered
}

func (p *program) run(tp trace.TracerProvider, calls int) {
	p.tracers = []trace.Tracer{
		tp.Tracer("a"), tp.Tracer("a"), tp.Tracer(""),
		tp.Tracer("b", trace.WithInstrumentationVersion("1.2"), trace.WithSchemaURL("https://example.com/b"),
			trace.WithInstrumentationAttributes(attribute.Bool("x", true))),
	}
	for i := range 6 { // remote callers
		sc := trace.SpanContextConfig{TraceID: trace.TraceID{15: byte(i + 1), 8: byte(i * 50)}, SpanID: trace.SpanID{byte(i + 1)}, Remote: i%3 > 0}
		if i%2 == 0 {
			sc.TraceFlags = trace.FlagsSampled
		}
		if i > 3 {
			sc.TraceState, _ = trace.ParseTraceState("vendor=1,other=2")
			sc.TraceFlags |= 2
		}
		p.ctxs = append(p.ctxs, trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(sc)))
	}
	for range calls {
		p.call()
	}
	for _, s := range p.spans {
		s.End()
	}
}

func (p *program) call() {
	op := p.IntN(20)
	if len(p.spans) == 0 || op < 4 {
		p.start()
		return
	}
	s := p.spans[p.IntN(len(p.spans))]
	switch op {
	case 4, 5, 6, 7, 8:
		s.SetAttributes(p.attrs()...)
	case 9:
		s.SetName(fmt.Sprint("named ", p.IntN(100)))
	case 10, 11:
		s.SetStatus(codes.Code(p.IntN(3)), "because")
	case 12:
		s.AddEvent("event", trace.WithAttributes(p.attrs()...), trace.WithTimestamp(p.time()))
	case 13:
		s.RecordError([]error{errors.New("broken"), nil, fmt.Errorf("outer: %w", context.Canceled)}[p.IntN(3)], trace.WithStackTrace(p.IntN(2) == 0))
	case 14:
		s.AddLink(p.link())
	case 15:
		s.End()
	case 16:
		s.End(trace.WithTimestamp(p.time()))
	case 17:
		func() {
			defer func() { _ = recover() }()
			defer s.End(trace.WithStackTrace(true))
			panic(errors.New("panicked"))
		}()
	}
	sc := s.SpanContext()
	name := ""
	if n, ok := s.(interface{ Name() string }); ok && s.IsRecording() {
		name = n.Name()
	}
	fmt.Fprintln(&p.seen, s.IsRecording(), sc.IsSampled(), sc.TraceFlags(), sc.IsRemote(), sc.TraceState().String(), name)
}

func (p *program) start() {
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKind(p.IntN(7)))}
	if p.IntN(2) == 0 {
		options = append(options, trace.WithAttributes(p.attrs()...))
	}
	if p.IntN(3) == 0 {
		options = append(options, trace.WithTimestamp(p.time()))
	}
	if p.IntN(8) == 0 {
		options = append(options, trace.WithNewRoot())
	}
	for range p.IntN(3) {
		options = append(options, trace.WithLinks(p.link()))
	}
	ctx, s := p.tracers[p.IntN(len(p.tracers))].Start(p.ctxs[p.IntN(len(p.ctxs))], fmt.Sprint("span ", p.IntN(100)), options...)
	if !trace.SpanContextFromContext(ctx).Equal(s.SpanContext()) {
		fmt.Fprintln(&p.seen, "the span is not the context's")
	}
	p.spans, p.ctxs = append(p.spans, s), append(p.ctxs, ctx)
}

// time returns a time that the comparison does not mask.
func (p *program) time() time.Time { return time.Unix(int64(p.IntN(1e6)-1000), int64(p.IntN(1e9))) }

func (p *program) link() trace.Link {
	sc := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{byte(p.IntN(2))}, SpanID: trace.SpanID{byte(p.IntN(2))}, TraceFlags: 1, Remote: p.IntN(2) == 0})
	return trace.Link{SpanContext: sc, Attributes: p.attrs()}
}

func (p *program) attrs() (attrs []attribute.KeyValue) {
	for range p.IntN(8) {
		k := fmt.Sprint("k", p.IntN(12))
		var v attribute.Value
		switch p.IntN(14) {
		case 0:
			v = attribute.BoolValue(p.IntN(2) == 0)
		case 1:
			v = attribute.Int64Value(int64(p.IntN(1e6)) - 500)
		case 2:
			v = attribute.Float64Value(p.Float64() * 10)
		case 3:
			v = attribute.StringSliceValue([]string{"", "longer than five", "b"})
		case 4:
			v = attribute.Int64SliceValue([]int64{0, -1, 300})
		case 5:
			v = attribute.BoolSliceValue([]bool{true, false})
		case 6:
			v = attribute.Float64SliceValue([]float64{0, 1.5})
		case 7:
			v = attribute.ByteSliceValue([]byte("bytes\x00\xff"))
		case 8:
			v = attribute.SliceValue(attribute.StringValue("in a slice"), attribute.SliceValue(attribute.IntValue(1)))
		case 9:
			v = attribute.MapValue(attribute.String("a", "first one"), attribute.Int("b", 2), attribute.String("a", "again"))
		case 10:
			k = ""
		case 11: // empty
		default:
			v = attribute.StringValue(strings.Repeat("wört ", p.IntN(60)))
		}
		attrs = append(attrs, attribute.KeyValue{Key: attribute.Key(k), Value: v})
	}
	return attrs
}

// masked returns what was exported, without IDs, times and stacks that no two runs share.
func masked(got []*tracepb.ResourceSpans) string {
	ids := map[string]string{}
	id := func(b []byte) []byte {
		if len(b) == 0 {
			return b
		}
		if ids[string(b)] == "" {
			ids[string(b)] = fmt.Sprint("id", len(ids))
		}
		return []byte(ids[string(b)])
	}
	now := func(ns *uint64) {
		if *ns > 1e18 { // later than the program's own times
			*ns = 1e18
		}
	}
	stack := func(attrs []*commonpb.KeyValue) {
		for _, kv := range attrs {
			if kv.Key == "exception.stacktrace" && kv.Value.GetStringValue() != "" {
				kv.Value = nil
			}
		}
	}
	for _, rs := range got {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				s.TraceId, s.SpanId, s.ParentSpanId = id(s.TraceId), id(s.SpanId), id(s.ParentSpanId)
				now(&s.StartTimeUnixNano)
				now(&s.EndTimeUnixNano)
				for _, e := range s.Events {
					now(&e.TimeUnixNano)
					stack(e.Attributes)
				}
			}
		}
	}
	var b strings.Builder
	for _, rs := range got {
		b.WriteString(prototext.MarshalOptions{Multiline: true}.Format(rs))
	}
	// prototext varies its spaces from build to build, not within one.
	return b.String()
}

// everything records what its argument does not sample and adds to it.
type everything struct{ sdktrace.Sampler }

func (e everything) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	r := e.Sampler.ShouldSample(p)
	if r.Decision == sdktrace.Drop {
		r.Decision = sdktrace.RecordOnly
	}
	r.Attributes = []attribute.KeyValue{attribute.Int("seen", len(p.Attributes)), attribute.String("k1", "of the sampler")}
	r.Tracestate, _ = r.Tracestate.Insert("sampler", "1")
	return r
}

// ownSamplers are samplers of this package that replace the SDK's.
var ownSamplers = map[string]sdktrace.Sampler{
	"parentbased_always_on":    otlpspan.ParentBased(sdktrace.AlwaysSample()),
	"parentbased_always_off":   otlpspan.ParentBased(sdktrace.NeverSample()),
	"parentbased_traceidratio": otlpspan.ParentBased(rooted{sdktrace.TraceIDRatioBased(0.5)}),
}

func TestTheSDKExportsTheSame(t *testing.T) {
	samplers := map[string]sdktrace.Sampler{
		"always_on":                sdktrace.AlwaysSample(),
		"always_off":               sdktrace.NeverSample(),
		"traceidratio":             rooted{sdktrace.TraceIDRatioBased(0.5)},
		"parentbased_always_on":    sdktrace.ParentBased(sdktrace.AlwaysSample()),
		"parentbased_always_off":   sdktrace.ParentBased(sdktrace.NeverSample()),
		"parentbased_traceidratio": sdktrace.ParentBased(rooted{sdktrace.TraceIDRatioBased(0.5)}),
		"parentbased, the SDK's":   sdktrace.ParentBased(sdktrace.AlwaysSample(), sdktrace.WithRemoteParentNotSampled(sdktrace.AlwaysSample())),
		"record only":              everything{sdktrace.ParentBased(sdktrace.NeverSample())},
		"records all":              sdktrace.AlwaysRecord(sdktrace.ParentBased(sdktrace.NeverSample())),
	}
	limits := map[string]sdktrace.SpanLimits{
		"default": sdktrace.NewSpanLimits(),
		"none":    {AttributeValueLengthLimit: -1, AttributeValueDepthLimit: -1, AttributeCountLimit: -1, EventCountLimit: -1, LinkCountLimit: -1, AttributePerEventCountLimit: -1, AttributePerLinkCountLimit: -1},
		"zero":    {},
		"small":   {AttributeValueLengthLimit: 5, AttributeValueDepthLimit: 1, AttributeCountLimit: 3, EventCountLimit: 2, LinkCountLimit: 1, AttributePerEventCountLimit: 2, AttributePerLinkCountLimit: 1},
	}
	for name, sampler := range samplers {
		for limit, l := range limits {
			t.Run(name+"/"+limit, func(t *testing.T) {
				for seed := range uint64(2) {
					var outputs, answers [2]string
					for i, provider := range []func(*testing.T, *collector, sdktrace.Sampler, sdktrace.SpanLimits) shutter{sdkProvider, ourProvider} {
						c := &collector{}
						use := sampler
						if own := ownSamplers[name]; i == 1 && own != nil {
							use = own
						}
						tp := provider(t, c, use, l)
						p := &program{Rand: rand.New(rand.NewPCG(seed, 1))}
						p.run(tp, 150)
						if err := tp.Shutdown(t.Context()); err != nil {
							t.Fatal(err)
						}
						p.call() // spans outlive the provider
						outputs[i], answers[i] = masked(c.got), p.seen.String()
					}
					if outputs[0] != outputs[1] {
						t.Fatalf("seed %d: %s", seed, difference(outputs[0], outputs[1]))
					}
					if answers[0] != answers[1] {
						t.Fatalf("seed %d: the API answers differently: %s", seed, difference(answers[0], answers[1]))
					}
				}
			})
		}
	}
}

// rooted samples new traces, whose IDs are random, always.
type rooted struct{ sdktrace.Sampler }

func (r rooted) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	if p.TraceID[0] != 0 || p.TraceID[1] != 0 {
		return sdktrace.AlwaysSample().ShouldSample(p)
	}
	return r.Sampler.ShouldSample(p)
}

func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			from := max(i-30, 0)
			return fmt.Sprintf("line %d\nSDK:\n%s\nours:\n%s", i, strings.Join(w[from:min(i+6, len(w))], "\n"), strings.Join(g[from:min(i+6, len(g))], "\n"))
		}
	}
	return fmt.Sprintf("%d lines, ours has %d", len(w), len(g))
}
