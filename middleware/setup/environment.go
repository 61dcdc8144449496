package setup

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
)

// A variable is an environment variable of the OpenTelemetry specification.
// Its name ends in "*" when the signals have variants of it: OTEL_EXPORTER_OTLP_*ENDPOINT
// stands for OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, and so on.
type variable struct {
	name    string
	values  string             // the values that are honoured
	effect  string             // for the documentation
	check   func(string) error // nil refuses every value
	refused []string           // examples that end Start; tested and documented
}

// variables lists the environment variables of the specification
// (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/,
// https://opentelemetry.io/docs/specs/otel/protocol/exporter/).
var variables = []variable{
	{"OTEL_SDK_DISABLED", "`true`, `false`", "no spans, nothing over OTLP; trace context passes through unchanged", boolean, []string{"yes", "1"}},
	{"OTEL_SERVICE_NAME", "any", "replaces `service.name` of the resource and of the program", anything, nil},
	{"OTEL_RESOURCE_ATTRIBUTES", "`key=value,…`, percent-encoded", "replaces resource attributes of the program", pairs, []string{"a", "=b", "a=%zz"}},
	{"OTEL_ENTITIES", "none", "refused", nil, []string{"service{service.name=a}"}},
	{"OTEL_LOG_LEVEL", "`none`, `error`, `warn`, `info`, `debug`", "`none` and `error` hide the warnings of the exporters", oneOf("none", "error", "warn", "info", "debug"), []string{"verbose"}},
	{"OTEL_CONFIG_FILE", "none", "refused; `otelconf.NewSDK` reads it, and `hop.New` takes its providers", nil, []string{"otel.yaml"}},
	{"OTEL_EXPERIMENTAL_CONFIG_FILE", "none", "refused, obsolete", nil, []string{"otel.yaml"}},

	{"OTEL_PROPAGATORS", "list of `tracecontext`, `baggage`, `b3`, `b3multi`, `jaeger`, `xray`, `none`", "formats that are read and written; the default is `tracecontext,baggage`", listOf("tracecontext", "baggage", "b3", "b3multi", "jaeger", "xray", "none"), []string{"ottrace", "b3,", "tracecontext;baggage"}},
	{"OTEL_TRACES_SAMPLER", "`always_on`, `always_off`, `traceidratio`, `parentbased_always_on`, `parentbased_always_off`, `parentbased_traceidratio`", "sampler of the SDK; the default is `parentbased_always_on`", oneOf("always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"), []string{"jaeger_remote", "parentbased_jaeger_remote", "xray", "traceidration"}},
	{"OTEL_TRACES_SAMPLER_ARG", "number from 0 to 1", "ratio of the sampler", ratio, []string{"2", "-0.1", "10%", "NaN"}},

	{"OTEL_TRACES_EXPORTER", "list of `otlp`, `console`, `none`", "the default is `otlp`; with `none`, trace context passes through unchanged", listOf("otlp", "console", "none"), []string{"zipkin", "jaeger", "logging", "otlp,none"}},
	{"OTEL_METRICS_EXPORTER", "list of `prometheus`, `otlp`, `console`, `none`", "pushes the Prometheus registry too; the registry is always served", listOf("otlp", "console", "prometheus", "none"), []string{"statsd", "otlp,none"}},
	{"OTEL_LOGS_EXPORTER", "list of `otlp`, `console`, `none`", "exports the log lines too; they are always written. `console` adds nothing to them. The default is `none`", listOf("otlp", "console", "none"), []string{"logging", "otlp,none"}},

	{"OTEL_EXPORTER_OTLP_*PROTOCOL", "`grpc`, `http/protobuf`", "the default is `grpc`", oneOf("grpc", "http/protobuf"), []string{"http/json", "http"}},
	{"OTEL_EXPORTER_OTLP_*ENDPOINT", "URL with `http://`, `https://` or `unix:`", "the default is the SDK's, localhost with TLS", endpointURL, []string{"10.0.0.9:4318", "collector:4317", "ftp://a", "http://"}},
	{"OTEL_EXPORTER_OTLP_*INSECURE", "`true`, `false`", "gRPC without TLS", boolean, []string{"yes"}},
	{"OTEL_EXPORTER_OTLP_*HEADERS", "`key=value,…`, percent-encoded", "headers of every export", pairs, []string{"token", "a=%zz"}},
	{"OTEL_EXPORTER_OTLP_*COMPRESSION", "`gzip`, `none`", "compression of every export", oneOf("gzip", "none"), []string{"zstd", "snappy"}},
	{"OTEL_EXPORTER_OTLP_*TIMEOUT", "milliseconds", "timeout of an export", count(0), []string{"10s", "-1"}},
	{"OTEL_EXPORTER_OTLP_*CERTIFICATE", "readable file", "CA certificates", readable, []string{"/does/not/exist.pem"}},
	{"OTEL_EXPORTER_OTLP_*CLIENT_CERTIFICATE", "readable file", "client certificate", readable, []string{"/does/not/exist.pem"}},
	{"OTEL_EXPORTER_OTLP_*CLIENT_KEY", "readable file", "key of the client certificate", readable, []string{"/does/not/exist.pem"}},
	{"OTEL_EXPORTER_OTLP_SPAN_INSECURE", "none", "refused, obsolete; use `OTEL_EXPORTER_OTLP_TRACES_INSECURE`", nil, []string{"true"}},
	{"OTEL_EXPORTER_OTLP_METRIC_INSECURE", "none", "refused, obsolete; use `OTEL_EXPORTER_OTLP_METRICS_INSECURE`", nil, []string{"true"}},
	{"OTEL_EXPORTER_ZIPKIN_ENDPOINT", "none", "refused", nil, []string{"http://zipkin:9411/api/v2/spans"}},
	{"OTEL_EXPORTER_ZIPKIN_TIMEOUT", "none", "refused", nil, []string{"10000"}},
	{"OTEL_EXPORTER_PROMETHEUS_HOST", "none", "refused; serve `Telemetry.MetricsHandler`, or use `setup.WithAdmin`", nil, []string{"0.0.0.0"}},
	{"OTEL_EXPORTER_PROMETHEUS_PORT", "none", "refused; serve `Telemetry.MetricsHandler`, or use `setup.WithAdmin`", nil, []string{"9464"}},

	{"OTEL_BSP_SCHEDULE_DELAY", "milliseconds", "delay between two exports of spans", count(1), []string{"5s", "0"}},
	{"OTEL_BSP_EXPORT_TIMEOUT", "milliseconds", "timeout of an export of spans", count(1), []string{"5s"}},
	{"OTEL_BSP_MAX_QUEUE_SIZE", "number of spans", "capacity of the span queue; the default is 2,048", count(1), []string{"0", "many"}},
	{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "number of spans", "spans in one export", count(1), []string{"0", "many"}},
	{"OTEL_BLRP_SCHEDULE_DELAY", "milliseconds", "delay between two exports of log records", count(1), []string{"1s"}},
	{"OTEL_BLRP_EXPORT_TIMEOUT", "milliseconds", "timeout of an export of log records", count(1), []string{"1s"}},
	{"OTEL_BLRP_MAX_QUEUE_SIZE", "number of records", "capacity of the queue of log records; the default is 2,048", count(1), []string{"0"}},
	{"OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "number of records", "log records in one export", count(1), []string{"0"}},
	{"OTEL_METRIC_EXPORT_INTERVAL", "milliseconds", "interval of pushed metrics", count(1), []string{"1m"}},
	{"OTEL_METRIC_EXPORT_TIMEOUT", "milliseconds", "timeout of a push of metrics", count(1), []string{"1m"}},
	{"OTEL_METRICS_EXEMPLAR_FILTER", "`trace_based`", "exemplars are of sampled spans", oneOf("trace_based"), []string{"always_on", "always_off"}},
	{"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "`cumulative`, `delta`, `lowmemory`", "temporality of pushed counters and histograms", oneOf("cumulative", "delta", "lowmemory"), []string{"both"}},
	{"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "`base2_exponential_bucket_histogram`, `explicit_bucket_histogram`", "shape of pushed histograms; the default is exponential, the shape of the registry's native histograms", oneOf("base2_exponential_bucket_histogram", "explicit_bucket_histogram"), []string{"summary"}},

	{"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "characters", "limit of the SDK; -1 is none", count(-1), []string{"long"}},
	{"OTEL_ATTRIBUTE_COUNT_LIMIT", "attributes", "limit of the SDK; -1 is none", count(-1), []string{"many"}},
	{"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "characters", "limit of the SDK; -1 is none", count(-1), []string{"long"}},
	{"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "attributes", "limit of the SDK; -1 is none", count(-1), []string{"many"}},
	{"OTEL_SPAN_EVENT_COUNT_LIMIT", "events", "limit of the SDK; -1 is none", count(-1), []string{"many"}},
	{"OTEL_SPAN_LINK_COUNT_LIMIT", "links", "limit of the SDK; -1 is none", count(-1), []string{"many"}},
	{"OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "attributes", "limit of the SDK; -1 is none", count(-1), []string{"many"}},
	{"OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "attributes", "limit of the SDK; -1 is none", count(-1), []string{"many"}},
	{"OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "characters", "limit of the SDK; -1 is none", count(-1), []string{"long"}},
	{"OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "attributes", "limit of the SDK; -1 is none", count(-1), []string{"many"}},
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
// nothing but OTEL_PROPAGATORS.
func checkEnvironment() error {
	disabled := sdkDisabled()
	var errs []error
	for _, v := range variables {
		for _, name := range v.names() {
			value := os.Getenv(name)
			if value == "" || disabled && name != "OTEL_PROPAGATORS" {
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

func (v variable) refusal(value string) error {
	if v.check == nil {
		return errors.New(strings.ReplaceAll(v.effect, "`", ""))
	}
	if err := v.check(value); err != nil {
		return fmt.Errorf("%w; use %s", err, strings.ReplaceAll(v.values, "`", ""))
	}
	return nil
}

// sdkDisabled reports whether OTEL_SDK_DISABLED is true.
func sdkDisabled() bool { return strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") }

func anything(string) error { return nil }

func boolean(s string) error {
	if !strings.EqualFold(s, "true") && !strings.EqualFold(s, "false") {
		return fmt.Errorf("%q is not a boolean", s)
	}
	return nil
}

func oneOf(values ...string) func(string) error {
	return func(s string) error {
		if !slices.Contains(values, s) {
			return fmt.Errorf("%q is not supported", s)
		}
		return nil
	}
}

// listOf checks a list whose value "none" stands alone.
func listOf(values ...string) func(string) error {
	return func(s string) error {
		parts := list(s)
		for _, p := range parts {
			if !slices.Contains(values, p) {
				return fmt.Errorf("%q is not supported", p)
			}
		}
		if len(parts) > 1 && slices.Contains(parts, "none") {
			return errors.New("none excludes all others")
		}
		return nil
	}
}

// list splits a list of names.
func list(s string) []string {
	parts := strings.Split(s, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

// selected returns the exporters that a variable selects, or its default.
func selected(name, fallback string) []string { return list(envOr(name, fallback)) }

// pairs checks a list of key=value. The error does not quote it: headers are secrets.
func pairs(s string) error {
	for i, p := range strings.Split(s, ",") {
		if strings.TrimSpace(p) == "" {
			continue
		}
		k, v, ok := strings.Cut(p, "=")
		if _, err := url.PathUnescape(strings.TrimSpace(v)); !ok || strings.TrimSpace(k) == "" || err != nil {
			return fmt.Errorf("member %d is not key=value", i+1)
		}
	}
	return nil
}

func ratio(s string) error {
	if f, err := strconv.ParseFloat(s, 64); err != nil || !(f >= 0 && f <= 1) {
		return fmt.Errorf("%q is not a ratio", s)
	}
	return nil
}

func count(least int) func(string) error {
	return func(s string) error {
		if n, err := strconv.Atoi(strings.TrimSpace(s)); err != nil || n < least {
			return fmt.Errorf("%q is not a whole number of at least %d", s, least)
		}
		return nil
	}
}

func endpointURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "unix":
		return errors.New("the scheme is missing or unknown") // an error of Parse quotes a password
	case u.Scheme != "unix" && u.Host == "":
		return errors.New("the host is missing")
	}
	return nil
}

func readable(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	return f.Close()
}

// clientCertificates checks that certificate and key of a client come together.
func clientCertificates() error {
	var errs []error
	for _, s := range signals {
		cert, key := "OTEL_EXPORTER_OTLP_"+s+"CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_"+s+"CLIENT_KEY"
		if (os.Getenv(cert) == "") != (os.Getenv(key) == "") {
			errs = append(errs, fmt.Errorf("setup: %s and %s: one is set without the other", cert, key))
		}
	}
	return errors.Join(errs...)
}

// batchSizes checks that a batch fits into its queue.
func batchSizes(processor, record string) error {
	size := "OTEL_" + processor + "_MAX_QUEUE_SIZE"
	batch := "OTEL_" + processor + "_MAX_EXPORT_BATCH_SIZE"
	queue := queueSize(size)
	n, err := strconv.ParseInt(strings.TrimSpace(os.Getenv(batch)), 10, 64)
	if err == nil && n > queue {
		return fmt.Errorf("setup: %s=%d: a batch is larger than the queue of %d %ss (%s)", batch, n, queue, record, size)
	}
	return nil
}
