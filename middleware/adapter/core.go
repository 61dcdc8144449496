package adapter

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/internal/wire"
	"github.com/tenhop/tenhop/middleware/internal/zlog"
)

// scope is the name of the instrumentation scope of all spans. It is also the
// path of the module that owns them.
const scope = "github.com/tenhop/tenhop/middleware"

// Core records the reports of the adapters in a process. It is immutable after
// NewCore and safe for concurrent use. Telemetry.Core in package hop returns the
// Core of a service.
type Core struct {
	tracer      trace.Tracer
	starter     spanStarter // the tracer, if it is one
	propagator  propagation.TextMapPropagator
	registerer  prometheus.Registerer // adds the label service_name
	direct      prometheus.Registerer // of collectors that have the label themselves
	service     prometheus.Labels     // the label service_name
	zerolog     zerolog.Logger
	slog        *slog.Logger
	viaSlog     bool // log lines go to slog, not to zerolog
	zerologCtx  bool // zerolog.Ctx finds the hop's logger
	seriesLimit int
	clock       func() time.Time // nil: the real one
	w3c         bool             // propagator is W3C Trace Context, which this package handles itself
	accept      []propagation.TextMapPropagator
	sampling    *LogSampling
	kinds       [trace.SpanKindConsumer + 1]trace.SpanStartOption
	families    *families
	inFlight    *inFlight
	labels      *profileLabels // nil without

	histogramsMu sync.Mutex
	histograms   map[string]*Histogram // by name

	outside *outside
	routes  routeCount
	callers []netip.Prefix // whose entries are accepted; nil means private networks
	queues  nameSet        // see Destination
	hosts   nameSet        // see Host
}

// Config configures a Core. The zero Config is valid. Each field documents its zero
// value. Services set it through the options of package hop.
type Config struct {
	// ServiceName is the label service_name and the log field service.
	ServiceName string

	// TracerProvider provides the tracer; nil means the global one.
	TracerProvider trace.TracerProvider

	// Propagator reads and writes trace context; nil means W3C Trace Context.
	// Accept lists further formats. They are read from messages without trace
	// context in Propagator's format.
	Propagator propagation.TextMapPropagator
	Accept     []propagation.TextMapPropagator

	// Registerer registers the metric families; nil means client_golang's default.
	Registerer prometheus.Registerer

	// Slog receives the log lines. When it is nil, Zerolog receives them. When both
	// are nil, they are written as JSON to standard error.
	Slog    *slog.Logger
	Zerolog *zerolog.Logger

	// ZerologCtx makes zerolog.Ctx return the hop's logger for a context without one. It
	// has no effect with Slog.
	ZerologCtx bool

	// LogSampling drops a share of the log lines; nil keeps all of them.
	LogSampling *LogSampling

	// SeriesLimit limits the number of series in each metric family; 0 means 2,000.
	SeriesLimit int

	// TrustedCallers lists the networks of callers whose entry is accepted. nil means
	// private networks and the machine itself. Without networks no caller is trusted.
	TrustedCallers []netip.Prefix

	// ProfileLabels labels the goroutines of servers' hops for profiles. See ProfileLabel.
	ProfileLabels bool

	// Clock replaces time.Now in tests; nil means the real clock.
	Clock func() time.Time
}

// NewCore returns a Core and registers its metric families. It returns an error
// when the registerer refuses one of them.
func NewCore(c Config) (*Core, error) {
	if c.TracerProvider == nil {
		c.TracerProvider = otel.GetTracerProvider()
	}
	if c.Propagator == nil {
		c.Propagator = propagation.TraceContext{}
	}
	if c.Registerer == nil {
		c.Registerer = prometheus.DefaultRegisterer
	}
	if c.SeriesLimit == 0 {
		c.SeriesLimit = 2000
	}
	service := prometheus.Labels{"service_name": c.ServiceName}
	t := &Core{
		histograms:  map[string]*Histogram{},
		callers:     c.TrustedCallers,
		queues:      nameSet{limit: maxDestinations},
		hosts:       nameSet{limit: maxHosts},
		tracer:      c.TracerProvider.Tracer(scope, trace.WithInstrumentationVersion(version()), trace.WithSchemaURL(SchemaURL)),
		propagator:  c.Propagator,
		registerer:  prometheus.WrapRegistererWith(service, c.Registerer),
		direct:      c.Registerer,
		service:     service,
		seriesLimit: c.SeriesLimit,
		clock:       c.Clock,
		w3c:         wire.W3COnly(c.Propagator.Fields()),
		accept:      c.Accept,
		sampling:    c.LogSampling,
		zerologCtx:  c.ZerologCtx && c.Slog == nil,
	}
	if c.ProfileLabels {
		t.labels = &profileLabels{}
	}
	t.starter, _ = t.tracer.(spanStarter)
	for k := range t.kinds {
		t.kinds[k] = trace.WithSpanKind(trace.SpanKind(k))
	}
	t.setLoggers(c)
	var err error
	if t.families, err = newFamilies(t); err != nil {
		return nil, err
	}
	if t.outside, err = newOutside(t); err != nil {
		return nil, err
	}
	if t.inFlight, err = newInFlight(t); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *Core) setLoggers(c Config) {
	if c.Zerolog != nil {
		t.zerolog = *c.Zerolog
	} else {
		t.zerolog = zerolog.New(os.Stderr).With().Timestamp().Logger()
	}
	if !hasService(t.zerolog) {
		t.zerolog = t.zerolog.With().Str("service", c.ServiceName).Logger()
	}
	if c.Slog != nil {
		t.slog, t.viaSlog = c.Slog, true
		if zlog.KeysOf(c.Slog.Handler())&zlog.KeyService == 0 {
			t.slog = c.Slog.With("service", c.ServiceName)
		}
	} else {
		t.slog = slog.New(&zlog.Handler{Logger: t.zerolog, Has: zlog.KeyService})
	}
}

// hasService reports whether the lines of a logger have the field service by its own
// context.
func hasService(l zerolog.Logger) bool {
	var line bytes.Buffer
	l = l.Output(&line).Level(zerolog.TraceLevel)
	l.Log().Send()
	return bytes.Contains(line.Bytes(), []byte(`"service":`))
}

// version returns the version of this module in the running program, or "" when
// it was built from a checkout.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, m := range info.Deps {
		if m.Path == scope && m.Replace == nil && strings.HasPrefix(m.Version, "v") {
			return strings.TrimPrefix(m.Version, "v")
		}
	}
	return ""
}

// Registerer returns the registerer of the service's metrics. It adds the label
// service_name.
func (t *Core) Registerer() prometheus.Registerer { return t.registerer }

// Tracer returns the tracer of the library's instrumentation scope.
func (t *Core) Tracer() trace.Tracer { return t.tracer }

// Logger returns the logger for lines outside hops.
func (t *Core) Logger() *slog.Logger { return t.slog }

// Zerolog returns the zerolog logger for lines outside hops. When the Core has a
// slog logger, the zerolog logger writes JSON to standard error.
func (t *Core) Zerolog() *zerolog.Logger { return &t.zerolog }

// Now returns the time of the Core's clock.
func (t *Core) Now() time.Time {
	if t.clock == nil {
		return time.Now()
	}
	return t.clock()
}

// since returns the time since start, on the monotonic clock.
func (t *Core) since(start time.Time) time.Duration {
	if t.clock == nil {
		return time.Since(start)
	}
	return t.clock().Sub(start)
}

// Destination returns the label value for the name of a queue, topic or exchange.
// It returns name for the first 512 names in a process and Overflow for further
// ones. Adapters of message brokers share this limit, so that their labels agree.
func (t *Core) Destination(name string) string { return t.queues.intern(name, time.Time{}).value }

// Host returns the label value for the host of a call whose dependency has no logical
// name. It returns name for the first 256 hosts of a Core and Overflow for further ones,
// so that the hosts of a service's users leave room for its dependencies.
func (t *Core) Host(name string) string { return t.hosts.intern(name, time.Time{}).value }

// RegisterGauge registers a family of in-flight gauges. A family that is already
// registered is shared. The label values must come from a closed set.
func (t *Core) RegisterGauge(name, help string, labels ...string) (*prometheus.GaugeVec, error) {
	return register(t, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: t.service}, labels), name)
}

// RegisterCounter registers a counter. A counter that is already registered is shared.
func (t *Core) RegisterCounter(name, help string) (prometheus.Counter, error) {
	return register(t, prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: t.service}), name)
}

// register registers c, or returns the collector that is registered in its place. c has the
// label service_name itself: a registerer that adds it makes a description, which is
// hashed, for each series of each scrape. The registered one may lack the label, which
// Registerer adds to it.
func register[C prometheus.Collector](t *Core, c C, name string) (C, error) {
	err := t.direct.Register(c)
	if err == nil {
		return c, nil
	}
	var have prometheus.AlreadyRegisteredError
	if errors.As(err, &have) {
		if old, ok := have.ExistingCollector.(C); ok {
			a, b := description(old), description(c)
			if a != b && description(t.labelled(old)) != b {
				return c, fmt.Errorf("hop: register %s: it is registered as %s, not as %s", name, a, b)
			}
			return old, nil
		}
	}
	return c, fmt.Errorf("hop: register %s: %w", name, err)
}

// labelled returns a collector as Registerer passes it on, with the label service_name.
func (t *Core) labelled(c prometheus.Collector) prometheus.Collector {
	var to passedOn
	_ = prometheus.WrapRegistererWith(t.service, &to).Register(c) // it never fails
	return to.Collector
}

// passedOn is a Registerer that keeps the collector that it is given.
type passedOn struct{ prometheus.Collector }

func (p *passedOn) Register(c prometheus.Collector) error {
	p.Collector = c
	return nil
}

func (p *passedOn) MustRegister(...prometheus.Collector) {}

func (p *passedOn) Unregister(prometheus.Collector) bool { return false }

// description returns what a collector says of itself, with its labels in order. The
// registry does not compare their order, by which their values are passed.
func description(c prometheus.Collector) string {
	all := make(chan *prometheus.Desc)
	go func() {
		defer close(all)
		c.Describe(all)
	}()
	var b strings.Builder
	for d := range all {
		b.WriteString(d.String())
	}
	return b.String()
}
