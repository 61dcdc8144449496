package stack

import (
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenhop/tenhop/stack/broker"
	"github.com/tenhop/tenhop/stack/endpoint"
	"github.com/tenhop/tenhop/stack/logstore"
)

// Part names an embedded server or receiver.
type Part string

// The parts. OTLP and Jaeger share one trace store.
const (
	OTLP       Part = "otlp"       // receiver of traces, metrics and logs
	Jaeger     Part = "jaeger"     // query API, and receiver for Jaeger clients
	Prometheus Part = "prometheus" // scraping, storage, rules, query API
	Loki       Part = "loki"       // log queries
	Kafka      Part = "kafka"      // broker
	Redis      Part = "redis"      // Redis-protocol server
)

// Parts returns all parts in the order in which they start.
func Parts() []Part { return []Part{OTLP, Jaeger, Prometheus, Loki, Kafka, Redis} }

// Endpoints returns the names of the endpoints that a Stack can serve.
func Endpoints() []string {
	var names []string
	for _, p := range Parts() {
		for _, e := range endpoint.OfPart(string(p)) {
			names = append(names, e.Name)
		}
	}
	return names
}

// Config configures a Stack. With DataDir and LogsDir set, the zero value of the other
// fields starts all parts on the default ports of the programs that they replace.
type Config struct {
	Parts []Part // all if empty

	// Addresses overrides the default address, host:port, of an endpoint. Port 0
	// chooses a free port. If the port is in use, the endpoint gets a free one,
	// which Stack.Moved reports.
	Addresses map[string]string
	// Listeners and PacketConns are open sockets to serve an endpoint on. Start
	// takes ownership of them and closes them if it fails.
	Listeners   map[string]net.Listener
	PacketConns map[string]net.PacketConn // endpoint.JaegerUDP

	DataDir     string // traces, metrics and Kafka records, in one folder each; required
	LogsDir     string // *.jsonl files that Loki queries read; required by part Loki
	TargetsFile string // scrape targets in Prometheus's file_sd format (JSON); need not exist yet
	Rules       fs.FS  // *.yaml rule files; nil for none

	ScrapeInterval     time.Duration // 2 s if zero
	EvaluationInterval time.Duration // 2 s if zero
	Retention          time.Duration // of traces, metrics, logs and read Kafka records; 24 h if zero

	TraceMemoryBytes int64 // index of the trace store; 64 MiB if zero
	TraceDiskBytes   int64 // 1 GiB if zero
	MetricDiskBytes  int64 // 1 GiB if zero
	LogMemoryBytes   int64 // index of the logs; 16 MiB if zero
	LogDiskBytes     int64 // received logs; 1 GiB if zero
	BrokerDiskBytes  int64 // Kafka records that their consumers have read; 1 GiB if zero

	WebhookURL *url.URL // receives alerts in Alertmanager's format; nil for none
	ConsoleURL *url.URL // target of redirects from Jaeger's web paths; nil for no redirects
	Topics     []string // Kafka topics to create

	Collectors []prometheus.Collector // registered beside the stack's own metrics

	Logger *slog.Logger // slog.Default() if nil
}

// withDefaults returns a copy of c in which every zero value has its default.
func (c Config) withDefaults() (Config, error) {
	if len(c.Parts) == 0 {
		c.Parts = Parts()
	}
	for _, p := range c.Parts {
		if !slices.Contains(Parts(), p) {
			return c, fmt.Errorf("part %q is not known; the parts are %v", p, Parts())
		}
	}
	for name := range c.Addresses {
		if !slices.Contains(Endpoints(), name) {
			return c, fmt.Errorf("endpoint %q is not known; the endpoints are %v", name, Endpoints())
		}
	}
	if c.DataDir == "" {
		return c, fmt.Errorf("no data directory is set")
	}
	if c.LogsDir == "" && c.has(Loki) {
		return c, fmt.Errorf("part %q needs a logs directory", Loki)
	}
	setDefault(&c.ScrapeInterval, 2*time.Second)
	setDefault(&c.EvaluationInterval, 2*time.Second)
	setDefault(&c.Retention, 24*time.Hour)
	setDefault(&c.TraceMemoryBytes, 64<<20)
	setDefault(&c.TraceDiskBytes, 1<<30)
	setDefault(&c.MetricDiskBytes, 1<<30)
	setDefault(&c.LogMemoryBytes, 16<<20)
	setDefault(&c.LogDiskBytes, logstore.DefaultDiskBytes)
	setDefault(&c.BrokerDiskBytes, broker.DefaultDiskBytes)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, nil
}

func (c Config) has(p Part) bool { return slices.Contains(c.Parts, p) }

func setDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}
