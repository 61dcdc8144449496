package counters_test

import (
	"math"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/counters"
	"github.com/tenhop/tenhop/query/prometheus/promtest"
)

// What Prometheus writes about targets is read for the services that they are, and the
// alerts that fire and page are read.
func TestProcesses(t *testing.T) {
	now := began.Add(200 * time.Second)
	targets := promtest.Shop{Began: began, Onset: now}.Targets()
	is := func(v float64) func(time.Time) float64 { return func(time.Time) float64 { return v } }
	for i := range targets {
		started := float64(began.Unix() - 100)
		targets[i].Counters = append(targets[i].Counters,
			promtest.Counter{Name: "up", Labels: map[string]string{}, At: func(at time.Time) float64 {
				if i == 1 && at.After(now.Add(-5*time.Second)) {
					return 0
				}
				return 1
			}},
			promtest.Counter{Name: "process_start_time_seconds", Labels: map[string]string{}, At: func(at time.Time) float64 {
				if i == 0 && at.After(began.Add(100*time.Second)) {
					return started + 190
				}
				return started
			}},
			// Of another process behind the same target.
			promtest.Counter{Name: "process_start_time_seconds", Labels: map[string]string{"role": "helper"}, At: is(started - 1000)},
			promtest.Counter{Name: "http_server_active_requests", Labels: map[string]string{"http_request_method": "GET"}, At: is(2)},
			promtest.Counter{Name: "http_server_active_requests", Labels: map[string]string{"http_request_method": "POST"}, At: is(3)})
	}
	alert := func(name, severity, state string) promtest.Counter {
		return promtest.Counter{Name: "ALERTS", Labels: map[string]string{"alertname": name, "alertstate": state, "severity": severity, "service_name": "payment"}, At: is(1)}
	}
	targets = append(targets,
		promtest.Target{Job: "rules", Instance: "r:1", Every: 5 * time.Second, Counters: []promtest.Counter{
			alert("SlowHop", "page", "firing"), alert("HopTrafficDropped", "ticket", "firing"), alert("HopErrors", "page", "pending"),
			{Name: "ALERTS_FOR_STATE", Labels: map[string]string{"alertname": "SlowHop", "severity": "page", "service_name": "payment"}, At: is(float64(now.Unix() - 20))}}},
		// What derives the metrics of one service from its spans is not its process.
		promtest.Target{Job: "collector", Instance: "c:1", Every: 5 * time.Second, Counters: []promtest.Counter{
			{Name: "up", Labels: map[string]string{}, At: is(1)},
			{Name: "hop_duration_seconds_count", Labels: map[string]string{"service_name": "payment", "entry": "POST /checkout", "operation": "derived", "source": "spans"},
				At: func(at time.Time) float64 { return at.Sub(began).Seconds() }}}},
		promtest.Target{Job: "stranger", Instance: "s:1", Every: 5 * time.Second, Counters: []promtest.Counter{{Name: "up", Labels: map[string]string{}, At: is(0)}}})
	srv := promtest.Serve(t, began, now, targets...)
	ev, _, err := counters.Read(t.Context(), clientOf(t, srv), began, now, counters.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(ev.Processes) != 2 || ev.Processes[0].Service != "gateway" || ev.Processes[1].Service != "payment" {
		t.Fatalf("processes %+v", ev.Processes)
	}
	for i, p := range ev.Processes {
		if v := p.InFlight[len(p.InFlight)-1].Value; v != 5 {
			t.Errorf("%s: %v in flight, want 5", p.Service, v)
		}
		if since, n := p.Down(); (n > 0) != (i == 1) || n > 3 {
			t.Errorf("%s: down since %v for %d scrapes", p.Service, since, n)
		}
		if len(p.Starts) != 1-i {
			t.Errorf("%s: started %v", p.Service, p.Starts)
		}
	}
	if len(ev.Alerts) != 1 || ev.Alerts[0].Name != "SlowHop" || ev.Alerts[0].Place != "payment" || math.Abs(ev.Alerts[0].Since.Sub(now).Seconds()+20) > 1 {
		t.Errorf("alerts %+v", ev.Alerts)
	}
}
