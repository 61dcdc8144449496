package setup

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/hop"
)

// disabled reports whether OTEL_SDK_DISABLED turns all signals off.
func disabled() bool { return strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") }

// closedSets holds the variables whose values the SDK would take in silence.
var closedSets = []struct {
	variable string
	values   []string
}{
	{"OTEL_TRACES_SAMPLER", []string{"always_on", "always_off", "traceidratio",
		"parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"}},
	{"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", []string{"cumulative"}},
	{"OTEL_EXPORTER_OTLP_COMPRESSION", []string{"gzip", "none"}},
	{"OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", []string{"gzip", "none"}},
	{"OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", []string{"gzip", "none"}},
	{"OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", []string{"gzip", "none"}},
}

// numbers holds the variables that are integers above a minimum.
var numbers = []struct {
	variable string
	least    int
}{
	{"OTEL_BSP_SCHEDULE_DELAY", 0}, {"OTEL_BSP_EXPORT_TIMEOUT", 0}, {"OTEL_BSP_MAX_QUEUE_SIZE", 1}, {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 1},
	{"OTEL_BLRP_SCHEDULE_DELAY", 0}, {"OTEL_BLRP_EXPORT_TIMEOUT", 0}, {"OTEL_BLRP_MAX_QUEUE_SIZE", 1}, {"OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", 1},
	{"OTEL_METRIC_EXPORT_INTERVAL", 1}, {"OTEL_METRIC_EXPORT_TIMEOUT", 1},
	{"OTEL_EXPORTER_OTLP_TIMEOUT", 0}, {"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", 0},
	{"OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", 0}, {"OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", 0},
}

// checkEnvironment returns an error for a value that would be ignored.
func checkEnvironment() error {
	for _, set := range closedSets {
		if v := os.Getenv(set.variable); v != "" && !slices.Contains(set.values, v) {
			return fmt.Errorf("setup: %s=%s is not supported; use %s", set.variable, v, strings.Join(set.values, ", "))
		}
	}
	for _, n := range numbers {
		if v := os.Getenv(n.variable); v != "" {
			if i, err := strconv.Atoi(v); err != nil || i < n.least {
				return fmt.Errorf("setup: %s=%s is not an integer of at least %d", n.variable, v, n.least)
			}
		}
	}
	if arg := os.Getenv("OTEL_TRACES_SAMPLER_ARG"); arg != "" && strings.Contains(os.Getenv("OTEL_TRACES_SAMPLER"), "traceidratio") {
		if ratio, err := strconv.ParseFloat(arg, 64); err != nil || !(ratio >= 0 && ratio <= 1) {
			return fmt.Errorf("setup: OTEL_TRACES_SAMPLER_ARG=%s is not a ratio between 0 and 1", arg)
		}
	}
	for _, signal := range []string{"", "TRACES_", "METRICS_", "LOGS_"} {
		if err := checkEndpoint("OTEL_EXPORTER_OTLP_" + signal + "ENDPOINT"); err != nil {
			return err
		}
	}
	return nil
}

// checkEndpoint returns an error for an endpoint that the exporters would replace by
// localhost. The error has no user information.
func checkEndpoint(variable string) error {
	v := os.Getenv(variable)
	if v == "" {
		return nil
	}
	u, err := url.Parse(v)
	switch {
	case err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "":
		return nil
	case err == nil && u.Scheme == "unix":
		return nil
	}
	return fmt.Errorf("setup: %s needs a scheme and a host, such as http://collector:4318 or https://collector:4318", variable)
}

// propagators returns the propagators of OTEL_PROPAGATORS: the first format of trace
// context to send, and all of them to read. The first result is nil for the default.
func propagators() (all propagation.TextMapPropagator, err error) {
	v := os.Getenv("OTEL_PROPAGATORS")
	if v == "" {
		return nil, nil
	}
	var list []propagation.TextMapPropagator
	for name := range strings.SplitSeq(v, ",") {
		switch name = strings.TrimSpace(name); name {
		case "tracecontext":
			list = append(list, propagation.TraceContext{})
		case "b3":
			list = append(list, b3Single{})
		case "b3multi":
			list = append(list, hop.B3{})
		case "jaeger":
			list = append(list, hop.Jaeger{})
		case "baggage", "none", "":
			// The middleware sends its own baggage, with the user's members in it.
		default:
			return nil, fmt.Errorf("setup: OTEL_PROPAGATORS=%s is not supported; use tracecontext, baggage, b3, b3multi, jaeger or none", name)
		}
	}
	return propagation.NewCompositeTextMapPropagator(list...), nil
}

// b3Single is hop.B3 with the header b3 in place of the X-B3-* headers.
type b3Single struct{ hop.B3 }

// Fields returns the header that Inject writes.
func (b3Single) Fields() []string { return []string{"b3"} }

// Inject writes the span context of ctx.
func (b3Single) Inject(ctx context.Context, carrier propagation.TextMapCarrier) {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() {
		return
	}
	sampled := "-0"
	if sc.IsSampled() {
		sampled = "-1"
	}
	carrier.Set("b3", sc.TraceID().String()+"-"+sc.SpanID().String()+sampled)
}
