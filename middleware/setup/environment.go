package setup

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// A variable is an environment variable of the OpenTelemetry specification.
// Its name has a "*" when the signals have variants of it: OTEL_EXPORTER_OTLP_*ENDPOINT
// stands for OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, and so on.
type variable struct {
	name    string
	values  string             // the values that are honoured, for the documentation and the error
	effect  string             // for the documentation
	check   func(string) error // nil refuses every value
	valid   []string           // examples that Start honours; tested
	refused []string           // examples that end Start; tested and documented
	remedy  string             // what to do instead, for the error
}

const maxInt = math.MaxInt32 // of an integer or a duration in the specification

// maxQueue is the largest queue. The SDK allocates the whole queue at Start, so a larger
// one would take the service's memory.
const maxQueue = 1 << 20

var (
	delays    = []string{"1", "250", " 5000 ", "2147483647"}
	queues    = []string{"1024", " 65536 "}
	batches   = []string{"1", " 512 "}
	limits    = []string{"0", "-1", " 64 ", "2147483647"}
	noNumber  = []string{"long", "1.5", "-2", "2147483648", "99999999999999999999"}
	noDelay   = []string{"0", "-1", "5s", "2147483648", "99999999999999999999"}
	noTimeout = []string{"-1", "10s", "1e3", "2147483648", "99999999999999999999"}
	noQueue   = []string{"0", "-1", "many", "1048577", "99999999999999999999"}
	timeouts  = []string{"0", "10000", " 1 "}
	samplers  = []string{"always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"}
	noFile    = []string{"/does/not/exist.pem"}
)

const (
	samplerNames = "`always_on`, `always_off`, `traceidratio`, `parentbased_always_on`, `parentbased_always_off` or `parentbased_traceidratio`"
	milliseconds = "milliseconds from 1"
	timeLimit    = "milliseconds from 0, which is no limit"
	queueLength  = "a number from 1 to 1,048,576"
	attributeMax = "a number from 0, or -1 for no limit"
	zipkin       = "set OTEL_TRACES_EXPORTER=otlp for a collector, which exports to Zipkin"
	jaeger       = "set OTEL_EXPORTER_OTLP_ENDPOINT, since Jaeger takes OTLP"
	scraped      = "serve Telemetry.MetricsHandler, or use setup.WithAdmin"
	registry     = "unset it: pushed metrics come from the Prometheus registry"
)

// variables lists the environment variables of the specification
// (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/,
// https://opentelemetry.io/docs/specs/otel/protocol/exporter/), and the experimental ones of
// the Go SDK.
var variables = []variable{
	{"OTEL_SDK_DISABLED", "`true` or `false`", "no spans, nothing over OTLP; trace context passes through unchanged", boolean, []string{"true", "TRUE", " false "}, []string{"yes", "1", "t"}, ""},
	{"OTEL_SERVICE_NAME", "UTF-8", "replaces `service.name` of the resource and of the program", text, []string{"shop", "my shop", "käse"}, nil, ""},
	{"OTEL_RESOURCE_ATTRIBUTES", "`key=value,…`, percent-encoded", "replaces resource attributes of the program", attributes, []string{"a=b", "a=b, c = d%20e ,", "a="}, []string{"a", "=b", "a=%zz", "a=50%", "a=%ff"}, ""},
	{"OTEL_ENTITIES", "none", "refused", nil, nil, []string{"service{service.name=a}"}, "set the attributes with OTEL_RESOURCE_ATTRIBUTES"},
	{"OTEL_LOG_LEVEL", "`none`, `error`, `warn`, `info` or `debug`", "`none` and `error` hide the warnings of this package and of the exporters", oneOf("none", "error", "warn", "info", "debug"), []string{"none", "ERROR", "warn", "info", "debug"}, []string{"verbose"}, ""},
	{"OTEL_CONFIG_FILE", "a file, with `setup.WithConfigFile`", "the file replaces all other variables", nil, nil, []string{"otel.yaml"}, "import github.com/tenhop/tenhop/middleware/setup/otelconfig, and start with setup.WithConfigFile(otelconfig.Load)"},
	{"OTEL_EXPERIMENTAL_CONFIG_FILE", "none", "refused, obsolete", nil, nil, []string{"otel.yaml"}, "set OTEL_CONFIG_FILE"},

	{"OTEL_PROPAGATORS", "a list of `tracecontext`, `baggage`, `b3`, `b3multi`, `jaeger`, `xray`, `none`", "formats that are read and written; the default is `tracecontext,baggage`", propagatorNames, []string{"tracecontext", "B3, baggage", "b3multi", "jaeger", "xray", "none", "baggage,baggage"}, []string{"ottrace", "b3,", "tracecontext;baggage", "none,b3"}, ""},
	{"OTEL_TRACES_SAMPLER", samplerNames, "sampler of the SDK; the default is `parentbased_always_on`", oneOf(samplers...), append([]string{"Always_On", " always_off "}, samplers...), []string{"jaeger_remote", "parentbased_jaeger_remote", "xray", "traceidration"}, "sample in the collector, or give a provider of your own to hop.New"},
	{"OTEL_TRACES_SAMPLER_ARG", "a number from 0 to 1", "ratio of `traceidratio` and `parentbased_traceidratio`; the default is 1", ratio, []string{"0", "1", " 0.25 "}, []string{"2", "-0.1", "10%", "NaN", "1e400", "endpoint=http://localhost:14250"}, ""},

	{"OTEL_TRACES_EXPORTER", "a list of `otlp`, `console`, `none`", "the default is `otlp`; with `none`, trace context passes through unchanged", listOf("otlp", "console", "none"), []string{"otlp", "console", "none", "OTLP, console"}, []string{"zipkin", "jaeger", "logging", "otlp/stdout", "otlp,none", "otlp,,console"}, ""},
	{"OTEL_METRICS_EXPORTER", "a list of `prometheus`, `otlp`, `console`, `none`", "pushes the Prometheus registry too; the registry is always served", listOf("otlp", "console", "prometheus", "none"), []string{"otlp", "console", "prometheus", "none", "prometheus,otlp,console"}, []string{"statsd", "otlp/stdout", "otlp,none"}, ""},
	{"OTEL_LOGS_EXPORTER", "a list of `otlp`, `console`, `none`", "exports the log lines too; they are always written. `console` adds nothing to them. The default is `none`", listOf("otlp", "console", "none"), []string{"otlp", "console", "none", "otlp,console"}, []string{"logging", "otlp/stdout", "otlp,none"}, ""},

	{"OTEL_EXPORTER_OTLP_*PROTOCOL", "`grpc` or `http/protobuf`", "the default is `grpc`", oneOf("grpc", "http/protobuf"), []string{"grpc", "http/protobuf", "GRPC"}, []string{"http/json", "http"}, ""},
	{"OTEL_EXPORTER_OTLP_*ENDPOINT", "a URL with `http://`, `https://` or `unix:`", "the default is localhost with TLS", endpointURL, []string{"http://127.0.0.1:1", "https://collector.example", "HTTP://[::1]:4317", "unix:///run/otel.sock"}, []string{"10.0.0.9:4318", "collector:4317", "ftp://a", "http://", "http://a:99999", "http://u:p@a", "http://a?token=b"}, ""},
	{"OTEL_EXPORTER_OTLP_*INSECURE", "`true` or `false`", "the default endpoint without TLS; an endpoint's scheme wins", boolean, []string{"true", "False"}, []string{"yes", "1"}, ""},
	{"OTEL_EXPORTER_OTLP_*HEADERS", "`key=value,…`, percent-encoded", "headers of every export", headers, []string{"a=b", "authorization=Bearer%20x, b=c", "a="}, []string{"token", "a=%zz", "a=b%0Ac", "a b=c", "a=ü"}, ""},
	{"OTEL_EXPORTER_OTLP_*COMPRESSION", "`gzip` or `none`", "compression of every export", oneOf("gzip", "none"), []string{"gzip", "GZIP", "none"}, []string{"zstd", "snappy"}, ""},
	{"OTEL_EXPORTER_OTLP_*TIMEOUT", timeLimit, "timeout of an export; the default is 10,000", count(0, maxInt), timeouts, noTimeout, ""},
	{"OTEL_EXPORTER_OTLP_*CERTIFICATE", "a readable PEM file", "CA certificates", readable, nil, noFile, ""},
	{"OTEL_EXPORTER_OTLP_*CLIENT_CERTIFICATE", "a readable PEM file", "client certificate", readable, nil, noFile, ""},
	{"OTEL_EXPORTER_OTLP_*CLIENT_KEY", "a readable PEM file", "key of the client certificate", readable, nil, noFile, ""},
	{"OTEL_EXPORTER_OTLP_SPAN_INSECURE", "none", "refused, obsolete", nil, nil, []string{"true"}, "set OTEL_EXPORTER_OTLP_TRACES_INSECURE"},
	{"OTEL_EXPORTER_OTLP_METRIC_INSECURE", "none", "refused, obsolete", nil, nil, []string{"true"}, "set OTEL_EXPORTER_OTLP_METRICS_INSECURE"},
	{"OTEL_EXPORTER_ZIPKIN_ENDPOINT", "none", "refused", nil, nil, []string{"http://zipkin:9411/api/v2/spans"}, zipkin},
	{"OTEL_EXPORTER_ZIPKIN_TIMEOUT", "none", "refused", nil, nil, []string{"10000"}, zipkin},
	{"OTEL_EXPORTER_ZIPKIN_PROTOCOL", "none", "refused", nil, nil, []string{"http/json"}, zipkin},
	{"OTEL_EXPORTER_JAEGER_ENDPOINT", "none", "refused, obsolete", nil, nil, []string{"http://jaeger:14268/api/traces"}, jaeger},
	{"OTEL_EXPORTER_JAEGER_PROTOCOL", "none", "refused, obsolete", nil, nil, []string{"http/thrift.binary"}, jaeger},
	{"OTEL_EXPORTER_JAEGER_AGENT_HOST", "none", "refused, obsolete", nil, nil, []string{"jaeger"}, jaeger},
	{"OTEL_EXPORTER_JAEGER_AGENT_PORT", "none", "refused, obsolete", nil, nil, []string{"6831"}, jaeger},
	{"OTEL_EXPORTER_JAEGER_TIMEOUT", "none", "refused, obsolete", nil, nil, []string{"10000"}, jaeger},
	{"OTEL_EXPORTER_JAEGER_USER", "none", "refused, obsolete", nil, nil, []string{"a"}, jaeger},
	{"OTEL_EXPORTER_JAEGER_PASSWORD", "none", "refused, obsolete", nil, nil, []string{"a"}, jaeger},
	{"OTEL_EXPORTER_PROMETHEUS_HOST", "a host, with `setup.WithAdmin`", "host of the admin server, instead of the program's", nil, nil, []string{"0.0.0.0"}, scraped},
	{"OTEL_EXPORTER_PROMETHEUS_PORT", "0 to 65535, with `setup.WithAdmin`", "port of the admin server, instead of the program's", nil, nil, []string{"9464"}, scraped},

	{"OTEL_BSP_SCHEDULE_DELAY", milliseconds, "delay between two exports of spans; the default is 5,000", count(1, maxInt), delays, noDelay, ""},
	{"OTEL_BSP_EXPORT_TIMEOUT", timeLimit, "timeout of an export of spans; the default is 30,000", count(0, maxInt), timeouts, noTimeout, ""},
	{"OTEL_BSP_MAX_QUEUE_SIZE", queueLength, "capacity of the span queue; the default is 2,048", count(1, maxQueue), queues, noQueue, ""},
	{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "a number from 1 to the size of the queue", "spans in one export; the default is 512", count(1, maxQueue), batches, noQueue, ""},
	{"OTEL_BLRP_SCHEDULE_DELAY", milliseconds, "delay between two exports of log records; the default is 1,000", count(1, maxInt), delays, noDelay, ""},
	{"OTEL_BLRP_EXPORT_TIMEOUT", timeLimit, "timeout of an export of log records; the default is 30,000", count(0, maxInt), timeouts, noTimeout, ""},
	{"OTEL_BLRP_MAX_QUEUE_SIZE", queueLength, "capacity of the queue of log records; the default is 2,048", count(1, maxQueue), queues, noQueue, ""},
	{"OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "a number from 1 to the size of the queue", "log records in one export; the default is 512", count(1, maxQueue), batches, noQueue, ""},
	{"OTEL_METRIC_EXPORT_INTERVAL", milliseconds, "interval of pushed metrics; the default is 60,000", count(1, maxInt), delays, noDelay, ""},
	{"OTEL_METRIC_EXPORT_TIMEOUT", timeLimit, "timeout of a push of metrics; the default is 30,000", count(0, maxInt), timeouts, noTimeout, ""},
	{"OTEL_METRICS_EXEMPLAR_FILTER", "`trace_based`", "exemplars are of sampled spans", oneOf("trace_based"), []string{"trace_based", "TRACE_BASED"}, []string{"always_on", "always_off"}, ""},
	{"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "`cumulative`, `delta` or `lowmemory`", "temporality of pushed counters and histograms", oneOf("cumulative", "delta", "lowmemory"), []string{"cumulative", "Delta", "lowmemory"}, []string{"both"}, ""},
	{"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "`base2_exponential_bucket_histogram` or `explicit_bucket_histogram`", "shape of pushed histograms; the default is exponential, the shape of the registry's native histograms", oneOf("base2_exponential_bucket_histogram", "explicit_bucket_histogram"), []string{"base2_exponential_bucket_histogram", "EXPLICIT_BUCKET_HISTOGRAM"}, []string{"summary"}, ""},

	{"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", attributeMax, "characters of an attribute's value, of spans and log records; the default is no limit", count(-1, maxInt), limits, noNumber, ""},
	{"OTEL_ATTRIBUTE_COUNT_LIMIT", attributeMax, "attributes of a span or log record; the default is 128", count(-1, maxInt), limits, noNumber, ""},
	{"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", attributeMax, "characters of a span attribute's value", count(-1, maxInt), limits, noNumber, ""},
	{"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", attributeMax, "attributes of a span", count(-1, maxInt), limits, noNumber, ""},
	{"OTEL_SPAN_EVENT_COUNT_LIMIT", attributeMax, "events of a span; the default is 128", count(-1, maxInt), limits, noNumber, ""},
	{"OTEL_SPAN_LINK_COUNT_LIMIT", attributeMax, "links of a span; the default is 128", count(-1, maxInt), limits, noNumber, ""},
	{"OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", attributeMax, "attributes of a span event; the default is 128", count(-1, maxInt), limits, noNumber, ""},
	{"OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", attributeMax, "attributes of a span link; the default is 128", count(-1, maxInt), limits, noNumber, ""},
	{"OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", attributeMax, "characters of a log record attribute's value", count(-1, maxInt), limits, noNumber, ""},
	{"OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", attributeMax, "attributes of a log record", count(-1, maxInt), limits, noNumber, ""},

	{"OTEL_SEMCONV_STABILITY_OPT_IN", "a list of stable conventions, such as `http`, `database`", "the middleware writes the stable conventions only", stableConventions, []string{"http", "http,database"}, []string{"http/dup", "http, database/dup"}, ""},
	{"OTEL_GO_X_RESOURCE", "`true` or `false`", "the SDK adds experimental resource attributes", boolean, []string{"true"}, []string{"1"}, ""},
	{"OTEL_GO_X_OBSERVABILITY", "`true` or `false`", "the SDK reports its own metrics to OpenTelemetry's global meter provider", boolean, []string{"true"}, []string{"1"}, ""},
	{"OTEL_GO_X_SELF_OBSERVABILITY", "none", "refused, obsolete", nil, nil, []string{"true"}, "set OTEL_GO_X_OBSERVABILITY"},
	{"OTEL_GO_X_EXEMPLAR", "none", "refused, obsolete", nil, nil, []string{"true"}, "unset it: exemplars are always recorded"},
	{"OTEL_GO_X_CARDINALITY_LIMIT", "none", "refused", nil, nil, []string{"2000"}, "set the limit with hop.WithSeriesLimit"},
	{"OTEL_GO_X_PER_SERIES_START_TIMESTAMPS", "none", "refused", nil, nil, []string{"true"}, registry},
}

// signals are the variants of a variable with "*" in its name.
var signals = []string{"", "TRACES_", "METRICS_", "LOGS_"}

// names returns the names that v stands for.
func (v variable) names() []string {
	if !strings.Contains(v.name, "*") {
		return []string{v.name}
	}
	var names []string
	for _, s := range signals {
		names = append(names, strings.Replace(v.name, "*", s, 1))
	}
	return names
}

// checkEnvironment returns an error that names each variable of the specification whose
// value would not be honoured. An empty value is an unset variable. A disabled SDK reads
// nothing but OTEL_PROPAGATORS. WithAdmin checks the variables of its address.
func checkEnvironment(admin bool) error {
	disabled := truth("OTEL_SDK_DISABLED")
	var errs []error
	for _, v := range variables {
		for _, name := range v.names() {
			value := getenv(name)
			if value == "" || disabled && name != "OTEL_PROPAGATORS" || admin && strings.HasPrefix(name, "OTEL_EXPORTER_PROMETHEUS_") {
				continue
			}
			if err := v.refusal(value); err != nil {
				errs = append(errs, fmt.Errorf("setup: %s: %w", name, err))
			}
		}
	}
	if !disabled {
		errs = append(errs, clientCertificates(), batchSizes("BSP", "span"), batchSizes("BLRP", "log record"))
	}
	return errors.Join(errs...)
}

// refusal returns the sentence that refuses a value, or nil.
func (v variable) refusal(value string) error {
	if v.check == nil {
		return errors.New("it is not supported; " + v.remedy)
	}
	err := v.check(value)
	if err == nil {
		return nil
	}
	use := "use " + strings.ReplaceAll(v.values, "`", "")
	if v.remedy != "" {
		use += ", or " + v.remedy
	}
	return fmt.Errorf("%w; %s", err, use)
}

// clientCertificates checks that certificate and key of a client come together.
func clientCertificates() error {
	var errs []error
	for _, s := range signals {
		cert, key := "OTEL_EXPORTER_OTLP_"+s+"CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_"+s+"CLIENT_KEY"
		if (getenv(cert) == "") != (getenv(key) == "") {
			errs = append(errs, fmt.Errorf("setup: %s and %s: one is set without the other; set both", cert, key))
		}
	}
	return errors.Join(errs...)
}

// batchSizes checks that a batch fits into its queue.
func batchSizes(processor, record string) error {
	size := "OTEL_" + processor + "_MAX_QUEUE_SIZE"
	batch := "OTEL_" + processor + "_MAX_EXPORT_BATCH_SIZE"
	queue, n := queueSize(processor), number(0, batch)
	if n > queue {
		return fmt.Errorf("setup: %s=%d: a batch is larger than the queue of %d %ss; raise %s or lower it", batch, n, queue, record, size)
	}
	return nil
}
