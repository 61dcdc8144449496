package dora

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	windowDesc      = desc("window_seconds", "Time that the figures are about.")
	evidenceDesc    = desc("evidence_seconds", "Time of the window in which versions of services are known.")
	deploymentsDesc = desc("deployments", "Deployments in the window.", "service_name")
	failedDesc      = desc("failed_deployments", "Deployments in the window that an incident or a rollback followed.", "service_name")
	rollbacksDesc   = desc("rollbacks", "Rollbacks in the window.")
	newestDesc      = desc("newest_deployment_timestamp_seconds", "Time of the newest deployment in the window.", "service_name", "service_version")
	incidentsDesc   = desc("incidents", "Incidents that began in the window.")
	ratioDesc       = desc("change_failure_ratio", "Failed deployments by deployments; absent without either deployments or recorded incidents.")
	leadDesc        = desc("lead_time_seconds", "Median time from the commit to the first sight of its version; absent if unknown.")
	recoveryDesc    = desc("recovery_seconds", "Median time from the beginning to the end of incidents after deployments; absent without one.")
	restoreDesc     = desc("restore_seconds", "Mean time from the beginning to the end of all incidents; absent without one.")
	problemDesc     = desc("unreadable", "1 while the figures cannot be computed.")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("tenhop_dora_"+name, help, labels, nil)
}

// Collector exports a Report as metrics. Scrapes read the last one; Run renews it.
type Collector struct {
	compute func(context.Context) (Report, error)
	last    atomic.Pointer[Report]
	failing atomic.Bool
}

// NewCollector returns a collector of what compute returns.
func NewCollector(compute func(context.Context) (Report, error)) *Collector {
	return &Collector{compute: compute}
}

// rest is the pause after a report, in units of the time that it took, if that is longer
// than the interval: reports of months of deployments take a tenth of the time at most.
const rest = 9

// Run computes the report at once and again after an interval, until ctx ends. Failures are
// logged once until one succeeds.
func (c *Collector) Run(ctx context.Context, every time.Duration, log *slog.Logger) {
	for {
		began := time.Now()
		asked, cancel := context.WithTimeout(ctx, max(every, time.Minute))
		r, err := c.compute(asked)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			c.last.Store(&r)
		case !c.failing.Load() && log != nil:
			log.Warn("delivery metrics cannot be computed; trying again", "error", err)
		}
		c.failing.Store(err != nil)
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(every, rest*time.Since(began))):
		}
	}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{windowDesc, evidenceDesc, deploymentsDesc, failedDesc, rollbacksDesc, newestDesc,
		incidentsDesc, ratioDesc, leadDesc, recoveryDesc, restoreDesc, problemDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	send := func(d *prometheus.Desc, v float64, labels ...string) {
		if m, err := prometheus.NewConstMetric(d, prometheus.GaugeValue, v, labels...); err == nil { // a label may not be UTF-8
			ch <- m
		}
	}
	known := func(d *prometheus.Desc, v *float64) {
		if v != nil {
			send(d, *v)
		}
	}
	problem := 0.
	if c.failing.Load() {
		problem = 1
	}
	send(problemDesc, problem)
	r := c.last.Load()
	if r == nil {
		return
	}
	send(windowDesc, r.To.Sub(r.From).Seconds())
	send(evidenceDesc, r.Days*24*3600)
	send(rollbacksDesc, float64(r.Frequency.Rollbacks))
	send(incidentsDesc, float64(len(r.Incidents)))
	for _, s := range r.Services {
		send(deploymentsDesc, float64(s.Deployments), s.Service)
		send(failedDesc, float64(s.Failed), s.Service)
		if !s.Seen.IsZero() {
			send(newestDesc, float64(s.Seen.UnixMilli())/1000, s.Service, s.Version)
		}
	}
	known(ratioDesc, r.Failures.Ratio)
	known(leadDesc, r.Lead.MedianS)
	known(recoveryDesc, r.Recovery.MedianS)
	known(restoreDesc, r.Restore.MeanS)
}
