package stack

import (
	"context"
	"errors"
	"maps"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/tenhop/tenhop/signals"
	"github.com/tenhop/tenhop/stack/otelcol"
	"github.com/tenhop/tenhop/stack/promserver"
	"github.com/tenhop/tenhop/stack/spanmetrics"
)

// storeMetrics stores the metrics of the OTLP receiver.
func (s *Stack) storeMetrics(ctx context.Context, md pmetric.Metrics) error {
	n := md.DataPointCount()
	return s.dataExport.Export(n, func() error {
		err := s.prometheus.WriteOTLP(ctx, md)
		var refused *promserver.RefusedError
		if errors.As(err, &refused) { // a point of a histogram has many samples
			return &otelcol.RejectedError{Count: min(refused.Samples, n), Reason: err.Error()}
		}
		return err
	})
}

const (
	flushInterval  = 500 * time.Millisecond
	reportInterval = 2 * time.Second
	// reportFor is the time for which a service counts as reporting its own metrics
	// after its last sample. SDKs push once per minute.
	reportFor = 150 * time.Second
	// middlewareWait is the time that the middleware has for its first metrics.
	middlewareWait = 90 * time.Second
)

// startSpanMetrics computes metrics from the spans of services that do not report them.
// They are exposed with the stack's own metrics, which Prometheus scrapes.
func (s *Stack) startSpanMetrics(context.Context) error {
	reports := &reports{prometheus: s.prometheus}
	s.spanMetrics = spanmetrics.New(
		spanmetrics.WithReported(reports.has),
		spanmetrics.WithMiddleware(middlewareWait))
	if err := s.registry.Register(s.spanMetrics); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		flush, report := time.NewTicker(flushInterval), time.NewTicker(reportInterval)
		defer flush.Stop()
		defer report.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-report.C:
				if err := reports.read(ctx); err != nil && ctx.Err() == nil {
					s.log.Warn("cannot tell which services report their own metrics", "error", err)
				}
			case now := <-flush.C:
				s.spanMetrics.Flush(now)
			}
		}
	}()
	s.onClose("span metrics", func(context.Context) error {
		stop()
		<-done // it reads the database, which is closed next
		return nil
	})
	return nil
}

// ownFamilies holds the family by which a service reports a group itself. Families of
// older conventions are not among them: no rule or map reads them, so that they do not
// replace what spans tell.
var ownFamilies = map[spanmetrics.Group]string{
	spanmetrics.Hops:     "hop_self_duration_seconds",
	spanmetrics.HTTP:     signals.HTTPServer,
	spanmetrics.RPC:      signals.RPCServer,
	spanmetrics.Messages: signals.MessagesHandled,
	spanmetrics.Sends:    signals.MessagesSent,
}

// reports knows which services have series of their own in Prometheus.
type reports struct {
	prometheus *promserver.Server
	services   atomic.Pointer[map[spanmetrics.Group]map[string]bool]
}

func (r *reports) has(service string, g spanmetrics.Group) bool {
	known := r.services.Load()
	return known != nil && (*known)[g][service]
}

func (r *reports) read(ctx context.Context) error {
	var names []string
	for _, f := range ownFamilies {
		names = append(names, f, f+"_count") // native histograms have no suffix
	}
	found, err := r.prometheus.Reporting(ctx, time.Now().Add(-reportFor), names...)
	if err != nil {
		return err
	}
	next := map[spanmetrics.Group]map[string]bool{}
	for g, f := range ownFamilies {
		next[g] = map[string]bool{}
		maps.Copy(next[g], found[f])
		maps.Copy(next[g], found[f+"_count"])
	}
	r.services.Store(&next)
	return nil
}
