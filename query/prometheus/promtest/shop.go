package promtest

import (
	"math"
	"strconv"
	"time"
)

// Shop is a gateway that calls payment at 20 requests/s. POST /pay takes 26 ms,
// including 20 ms in payment and 1 ms on the link to it.
type Shop struct {
	Began, Onset time.Time
	Slow         float64 // seconds added to payment from the onset on
	Link         float64 // seconds added to the link from the onset on

	Every            time.Duration // scrape interval; 2 s if zero
	Gateway, Payment time.Duration // first scrapes, after Began
}

// counter returns a counter that grows by before per second, and by then per second
// from the onset on. A small variation adds noise to the levels.
func (s Shop) counter(before, then float64) func(time.Time) float64 {
	return func(at time.Time) float64 {
		t := at.Sub(s.Began).Seconds()
		v := 1000 + before*t + .3*before*math.Sin(t/3)
		if at.After(s.Onset) {
			v += (then - before) * at.Sub(s.Onset).Seconds()
		}
		return v
	}
}

// Targets returns the two services with the metric families of the middleware.
func (s Shop) Targets() []Target {
	const rate, gateway, gap, payment = 20.0, .005, .001, .02
	if s.Every == 0 {
		s.Every = 2 * time.Second
	}
	hop := func(service, operation string, self, duration func(time.Time) float64) []Counter {
		l := map[string]string{"service_name": service, "operation": operation, "entry": "POST /pay", "flow": "request", "protocol": "http"}
		return []Counter{
			{Name: "hop_self_duration_seconds_sum", Labels: l, At: self},
			{Name: "hop_duration_seconds_sum", Labels: l, At: duration},
			{Name: "hop_duration_seconds_count", Labels: l, At: s.counter(rate, rate)},
		}
	}
	pay := s.counter(rate*payment, rate*(payment+s.Slow))
	wait := Counter{Name: "hop_wait_duration_seconds_sum", Labels: map[string]string{"service_name": "gateway", "operation": "POST /pay",
		"entry": "POST /pay", "flow": "request", "dependency": "payment", "dependency_kind": "http"},
		At: s.counter(rate*(payment+gap), rate*(payment+gap+s.Slow+s.Link))}
	whole := s.counter(rate*(gateway+gap+payment), rate*(gateway+gap+payment+s.Slow+s.Link))
	return []Target{
		{Job: "gateway", Instance: "g:1", Every: s.Every, Phase: s.Gateway,
			Counters: append(hop("gateway", "POST /pay", s.counter(rate*gateway, rate*gateway), whole), wait)},
		{Job: "payment", Instance: "p:1", Every: s.Every, Phase: s.Payment, Counters: hop("payment", "POST /charge", pay, pay)},
	}
}

// Rare returns a service with one request before the onset and many afterwards.
func (s Shop) Rare() Target {
	l := map[string]string{"service_name": "gateway", "operation": "GET /rare", "entry": "GET /rare", "flow": "request", "protocol": "http"}
	count := func(at time.Time) float64 { return 1 + max(at.Sub(s.Onset).Seconds(), 0) }
	took := func(at time.Time) float64 { return .2 * count(at) }
	return Target{Job: "gateway", Instance: "g:2", Every: 2 * time.Second, Counters: []Counter{
		{Name: "hop_self_duration_seconds_sum", Labels: l, At: took}, {Name: "hop_duration_seconds_sum", Labels: l, At: took},
		{Name: "hop_duration_seconds_count", Labels: l, At: count}}}
}

// LabelledRED returns the targets of RED as those of one job, with the service in a label.
func (s Shop) LabelledRED(label string) []Target {
	targets := s.RED()
	for i := range targets {
		for _, c := range targets[i].Counters {
			c.Labels[label] = targets[i].Job
		}
		targets[i].Job = "fleet"
	}
	return targets
}

// RED returns the shop without the middleware. Its families are named as by otelhttp
// and Prometheus's OTLP receiver. There are requests and durations but no self times.
// The job label names the service, and client series hold only the callee's host.
func (s Shop) RED() []Target {
	const rate, gateway, payment = 20.0, .026, .02
	if s.Every == 0 {
		s.Every = 2 * time.Second
	}
	slow := s.Slow + s.Link
	server := func(route string, before, then float64) []Counter {
		l := map[string]string{"http_request_method": "POST", "http_route": route, "http_response_status_code": "200", "otel_scope_name": "otelhttp"}
		out := []Counter{
			{Name: "http_server_request_duration_seconds_sum", Labels: l, At: s.counter(rate*before, rate*then)},
			{Name: "http_server_request_duration_seconds_count", Labels: l, At: s.counter(rate, rate)},
		}
		for _, le := range []string{"0.05", "0.1", "0.5", "+Inf"} {
			at := s.counter(rate, rate)
			if bound, err := strconv.ParseFloat(le, 64); err == nil && then > bound {
				all := s.counter(rate, rate)
				at = func(when time.Time) float64 {
					if when.After(s.Onset) {
						when = s.Onset
					}
					return all(when)
				}
			}
			b := map[string]string{"le": le}
			for k, v := range l {
				b[k] = v
			}
			out = append(out, Counter{Name: "http_server_request_duration_seconds_bucket", Labels: b, At: at})
		}
		return out
	}
	client := map[string]string{"http_request_method": "POST", "server_address": "10.0.0.7", "http_response_status_code": "200"}
	return []Target{
		{Job: "gateway", Instance: "g:1", Every: s.Every, Phase: s.Gateway, Counters: append(server("/pay", gateway, gateway+slow),
			Counter{Name: "http_client_request_duration_seconds_count", Labels: client, At: s.counter(rate, rate)})},
		{Job: "payment", Instance: "p:1", Every: s.Every, Phase: s.Payment, Counters: server("/charge", payment, payment+s.Slow)},
	}
}
