package slo

import (
	"fmt"
	"strings"

	"github.com/tenhop/tenhop/signals"
)

// ratio returns the PromQL of bad events over all events, with $window for the range.
// Without events it has no value, so a period without traffic does not count as an
// outage.
func (s SLO) ratio(f File) string {
	total, bad := s.events(f)
	return fmt.Sprintf("(%s)\n/\n(%s > 0)", bad, total)
}

// events returns the PromQL of all events and of the bad ones, with $window for the range.
func (s SLO) events(f File) (total, bad string) {
	if s.Events != nil {
		return s.Events.Total, s.Events.Bad
	}
	family, labels := s.selector(f.Service)
	rate := func(suffix string, extra ...string) string {
		return fmt.Sprintf("sum(rate(%s%s{%s}[$window]))", family, suffix, strings.Join(append(labels[:len(labels):len(labels)], extra...), ","))
	}
	count := func(extra ...string) string { return rate("_count", extra...) }
	if f.Histograms == native {
		count = func(extra ...string) string { return "histogram_count(" + rate("", extra...) + ")" }
	}
	total = count()
	if s.Latency == 0 {
		failed := signals.Failed()
		if s.HTTP != nil {
			failed = signals.FailedHTTP
		}
		// A family has no failed series before its first failure.
		return total, fmt.Sprintf("%s or 0 * %s", count(failed), total)
	}
	if f.Histograms == native {
		return total, fmt.Sprintf("%s * (1 - histogram_fraction(0, %v, %s))", total, s.Latency.Seconds(), rate(""))
	}
	le, _ := bound(s.Latency) // checked by Read
	return total, fmt.Sprintf("%s - %s", total, rate("_bucket", fmt.Sprintf("le=%q", promLe(le))))
}

// promLe returns le as Prometheus 3 normalises it in every scrape format.
func promLe(le string) string {
	if strings.Contains(le, ".") {
		return le
	}
	return le + ".0"
}

func (s SLO) selector(service string) (family string, labels []string) {
	labels = []string{fmt.Sprintf("service_name=%q", service)}
	add := func(label, value string) { labels = append(labels, fmt.Sprintf("%s=%q", label, value)) }
	switch {
	case s.HTTP != nil:
		add("http_request_method", s.HTTP.Method)
		add("http_route", s.HTTP.Route)
		return signals.HTTPServer, labels
	case s.RPC != nil:
		add("rpc_method", s.RPC.Method)
		return signals.RPCServer, labels
	case s.Messages.Completion:
		add("operation", "process "+s.Messages.Destination)
		return signals.HopCompletion, labels
	default:
		add("messaging_destination_name", s.Messages.Destination)
		return signals.MessagesHandled, labels
	}
}

// jaegerOperation returns the span name to search for.
func (s SLO) jaegerOperation() string {
	switch {
	case s.HTTP != nil:
		return s.HTTP.Method + " " + s.HTTP.Route
	case s.RPC != nil:
		return s.RPC.Method
	case s.Messages != nil:
		return "process " + s.Messages.Destination
	default:
		return ""
	}
}

// entry returns the entry whose requests the objective counts, as the label entry has it,
// or "".
func (s SLO) entry() string {
	if s.HTTP == nil && s.RPC == nil {
		return ""
	}
	return s.jaegerOperation()
}
