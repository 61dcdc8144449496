package resilience

import (
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/prometheus/client_golang/prometheus"
)

// Reasons of a call that was not made.
const (
	reasonBreaker  = "breaker"
	reasonBulkhead = "bulkhead"
	reasonDeadline = "deadline"
)

type metrics struct {
	retries, exhausted, refused, waited *prometheus.CounterVec
	state                               *prometheus.GaugeVec
}

func newMetrics(to prometheus.Registerer) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, append([]string{"dependency"}, labels...))
	}
	m := &metrics{
		retries:   counter("hop_call_retries_total", "Calls of a dependency that were made again."),
		exhausted: counter("hop_call_retries_exhausted_total", "Failed calls that were not made again because the retry budget was spent."),
		refused:   counter("hop_calls_refused_total", "Calls of a dependency that were not made, by reason: breaker, bulkhead or deadline.", "reason"),
		waited:    counter("hop_bulkhead_wait_seconds_total", "Time that calls waited because too many calls of the dependency were in flight."),
		state: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "hop_circuit_breaker_state",
			Help: "State of the circuit breaker of a dependency: 0 closed, 1 half-open, 2 open."}, []string{"dependency"}),
	}
	to.MustRegister(m.retries, m.exhausted, m.refused, m.waited, m.state)
	return m
}

// series holds the series of one dependency.
type series struct {
	retries, exhausted, waited  prometheus.Counter
	breaker, bulkhead, deadline prometheus.Counter // refused calls
	state                       prometheus.Gauge
}

func (m *metrics) of(dependency string) series {
	refused := func(reason string) prometheus.Counter { return m.refused.WithLabelValues(dependency, reason) }
	return series{retries: m.retries.WithLabelValues(dependency), exhausted: m.exhausted.WithLabelValues(dependency),
		waited: m.waited.WithLabelValues(dependency), state: m.state.WithLabelValues(dependency),
		breaker: refused(reasonBreaker), bulkhead: refused(reasonBulkhead), deadline: refused(reasonDeadline)}
}

func stateValue(s circuitbreaker.State) float64 {
	switch s {
	case circuitbreaker.HalfOpenState:
		return 1
	case circuitbreaker.OpenState:
		return 2
	}
	return 0
}
