package file

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tenhop/tenhop/trace/internal/jsonscan"
)

const (
	asOTLPInstead = "export the traces as OTLP, with the application's or the collector's otlp exporter"
	vendorRemedy  = "send the traces to a collector as well and save them with its file exporter"
)

// foreignShapes lists the shapes of JSON that is not read, in the order in which they
// are tried if no shape of traces fits. Fields are written as in shapes; a dot may also be
// part of a name.
var foreignShapes = []struct{ fields, remedy string }{
	{"trace.trace_id", "these are events of Honeycomb: " + vendorRemedy},
	{"data.trace.trace_id", "these are events of Honeycomb: " + vendorRemedy},
	{"attributes.start_timestamp attributes.resource_name", "these are spans of Datadog's API: " + vendorRemedy},
	{"attributes.trace_id attributes.span_id", "these are spans of Datadog's API: " + vendorRemedy},
	{"trace.root_id", "this is a trace as Datadog's page shows it: " + vendorRemedy},
	{"trace_id span_id resource meta", "these are spans of Datadog: " + vendorRemedy},
	{"trace_id span_id resource service", "these are spans of Datadog: " + vendorRemedy},
	{"common spans[]", "these are spans of New Relic: " + vendorRemedy},
	{"trace.id guid", "these are spans of New Relic: " + vendorRemedy},
	{"trace.id duration.ms", "these are spans of New Relic: " + vendorRemedy},
	{"results[] metadata", "this is the answer to a query of New Relic: " + vendorRemedy},
	{"span.id span.name", "these are spans of Dynatrace: " + vendorRemedy},
	{"records[]", "this is the answer to a query, such as Dynatrace's: " + vendorRemedy},
	{"transaction.trace_id", "these are events of Elastic APM: " + vendorRemedy},
	{"span.trace_id", "these are events of Elastic APM: " + vendorRemedy},
	{"metadata.service", "these are events of Elastic APM: " + vendorRemedy},
	{"processor.event", "these are documents of Elastic APM: " + vendorRemedy},
	{"@timestamp trace.id", "these are documents of Elastic APM: " + vendorRemedy},
	{"traceId spanId durationInNanos", "these are spans of OpenSearch's Data Prepper: " + vendorRemedy},
	{"@timestamp trace_id span_id duration", "these are documents of Elasticsearch's OpenTelemetry mapping: " + vendorRemedy},
	{"TraceId SpanId SpanName", "these are rows of ClickHouse: " + vendorRemedy},
	{"data.traceID data.spanID", "these are rows of SigNoz: " + vendorRemedy},
	{"data.attributes data.type", "this is an answer of an API, such as Lightstep's: " + vendorRemedy},
	{"traceSegmentId", "these are segments of SkyWalking: export the traces as OTLP or Zipkin JSON"},
	{"segmentId spanId", "these are spans of SkyWalking: export the traces as OTLP or Zipkin JSON"},
	{"trace_id segment_id", "these are spans of SkyWalking: export the traces as OTLP or Zipkin JSON"},
	{"data.trace", "this is an answer of GraphQL, such as SkyWalking's: export the traces as OTLP or Zipkin JSON"},
	{"traceId displayName", "these are spans of Google Cloud Trace: " + asOTLPInstead},
	{"tables[]", "this is the answer to a query of Azure Monitor: " + asOTLPInstead},
	{"data.baseType", "these are envelopes of Application Insights: " + asOTLPInstead},
	{"contexts.trace", "this is an event of Sentry: " + asOTLPInstead},
	{"event_id contexts", "this is an event of Sentry: " + asOTLPInstead},
	{"result._raw", "these are results of a Splunk search: " + vendorRemedy},
	{"log.entries", "this is a HAR recording of a browser, not traces of services"},
	{"ph ts pid", "this is a recording of a browser or a runtime for chrome://tracing, not traces of requests"},
	{"ph ts name", "this is a recording of a browser or a runtime for chrome://tracing, not traces of requests"},
	{"$schema profiles[]", "this is a profile of speedscope, not traces"},
	{"streams[]", "these are logs for Loki, not traces"},
	{"alerts[] receiver", "this is a message of Alertmanager, not traces"},
	{"verdict findings[]", "this is a result of tenhop diagnose, not traces"},
	{"trace_id spans[] missing_parents", "this is a waterfall of tenhop trace --json: give the file that it was drawn from"},
	{"parent child callCount", "these are Jaeger's service dependencies: save /api/traces instead"},
	{"openapi paths", "this is a description of an API, not traces"},
	{"apiVersion kind", "this is a Kubernetes object, not traces"},
	{"level msg", "these are log lines, not traces"},
	{"level message", "these are log lines, not traces"},
	{"severity message", "these are log lines, not traces"},
	{"severity_text body", "these are log lines, not traces"},
	{"trace_id msg", "these are log lines, not traces"},
	{"trace_id message", "these are log lines, not traces"},
	{"time message", "these are log lines, not traces"},
	{"timestamp message", "these are log lines, not traces"},
	{"trace_id id start_time", xray},
	{"data{}", "this is an answer of an API, but not of Jaeger's /api/traces: " + vendorRemedy},
	{"trace_id span_id", "these are spans in a vendor's own form: " + asOTLPInstead},
}

// foreignShape returns the remedy for an object of a shape in foreignShapes, or "".
func foreignShape(text []byte) string {
	fields := map[string]bool{}
	sc := jsonscan.New(text)
	note := func(name string) {
		if len(fields) < 1000 {
			fields[name] = true
		}
	}
	sc.Object(func(key []byte) {
		outer := string(key)
		note(outer)
		switch sc.Next() {
		case '[':
			note(outer + "[]")
		case '{':
			note(outer + "{}")
			sc.Object(func(key []byte) { note(outer + "." + string(key)) })
		}
	})
	if sc.Err() != nil {
		return ""
	}
	for _, s := range foreignShapes {
		if !slices.ContainsFunc(strings.Fields(s.fields), func(name string) bool { return !fields[name] }) {
			return s.remedy
		}
	}
	return ""
}

// items returns the error for a response of which the field data lists something other
// than traces, or nil.
func items(text []byte) error {
	var out error
	sc := jsonscan.New(text)
	sc.Object(func(key []byte) {
		if string(key) != "data" || sc.Next() != '[' {
			return
		}
		first := true
		sc.Array(func() {
			item := sc.Raw()
			if !first {
				return
			}
			first = false
			if len(item) == 0 || item[0] != '{' {
				out = errors.New("this lists names, as Jaeger's /api/services does: save /api/traces instead")
				return
			}
			if s, err := shapeOf(item); err != nil {
				out = err
			} else if s.read == unread {
				out = errors.New(s.remedy)
			}
		})
	})
	return out
}

// foreignTexts lists texts that are not read, by what the beginning of the file holds
// in lower case. All parts of marks must be in it.
var foreignTexts = []struct {
	marks  []string
	remedy string
}{
	{[]string{"activity.traceid:"}, "this is the output of .NET's console exporter: " + asOTLPInstead},
	{[]string{"loggingspanexporter"}, "this is the output of Java's logging exporter: use its logging-otlp exporter, or the otlp exporter"},
	{[]string{"resourcespans #"}, "this is the log of the collector's debug exporter: use its file exporter"},
	{[]string{"span #", "trace id"}, "this is the log of the collector's debug exporter: use its file exporter"},
	{[]string{"apiversion:", "kind:"}, "this is a Kubernetes object, not traces"},
}

// describeForeign returns the error for a text in foreignTexts, a table or a log, or
// nil. text is the beginning of the file.
func describeForeign(text []byte) error {
	lower := strings.ToLower(string(text))
	for _, f := range foreignTexts {
		if !slices.ContainsFunc(f.marks, func(mark string) bool { return !strings.Contains(lower, mark) }) {
			return errors.New(f.remedy)
		}
	}
	first, rest, _ := strings.Cut(lower, "\n")
	second, _, _ := strings.Cut(rest, "\n")
	for sep, name := range map[string]string{",": "commas", ";": "semicolons", "\t": "tabs"} {
		if n := strings.Count(first, sep); n >= 2 && (second == "" || strings.Count(second, sep) >= n) && !strings.ContainsAny(first, "{}<>") {
			return fmt.Errorf("this is a table separated by %s, not a format of traces: %s", name, asOTLPInstead)
		}
	}
	return nil
}
