package promserver

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/storage/remote"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
)

// A RefusedError reports samples that cannot be stored, such as those that are too old
// or of new series when there are too many. The other samples of the request are stored.
// Clients must not send them again.
type RefusedError struct {
	Samples int // at least 1
	Reason  string
}

// Error implements error.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("prometheus refused %d samples: %s", e.Samples, e.Reason)
}

// newOTLPHandler returns Prometheus's own handler of OTLP metrics, which converts delta
// temporality to cumulative.
func (s *Server) newOTLPHandler() http.Handler {
	return remote.NewOTLPWriteHandler(s.log, s.registry, &pushed{s.db, s.maxPushed}, func() config.Config { return *s.config },
		remote.OTLPOptions{ConvertDelta: true, LookbackDelta: lookback})
}

// WriteOTLP stores metrics in the translation of Prometheus's OTLP endpoint: names with
// units and suffixes, exponential histograms as native ones, delta temporality as
// cumulative. Each series has the label service_name, and service_instance_id if the
// resource has an instance. WriteOTLP modifies md. It returns a *RefusedError for
// samples that were not stored; after any other error md should be sent again.
func (s *Server) WriteOTLP(ctx context.Context, md pmetric.Metrics) error {
	for _, rm := range md.ResourceMetrics().All() {
		identify(rm.Resource().Attributes())
	}
	body, err := pmetricotlp.NewExportRequestFromMetrics(md).MarshalProto()
	if err != nil {
		return &RefusedError{Samples: max(md.DataPointCount(), 1), Reason: err.Error()}
	}
	var out outcome
	req, err := http.NewRequestWithContext(context.WithValue(ctx, outcomeKey{}, &out), http.MethodPost, "/v1/metrics", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	var a answer
	s.otlp.ServeHTTP(&a, req)
	text := strings.TrimSpace(a.text.String())
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("store metrics: %w", ctx.Err())
	case out.commit != nil:
		return fmt.Errorf("store metrics: %w", out.commit)
	case a.code != 0 && a.code != http.StatusOK: // a metric could not be translated
		return &RefusedError{Samples: max(out.refused, 1), Reason: text}
	case out.refused > 0:
		return &RefusedError{Samples: out.refused, Reason: out.reason.Error()}
	}
	return nil
}

// identify adds the attributes that distinguish services and their processes.
func identify(attrs pcommon.Map) {
	if v, ok := attrs.Get("service.name"); !ok || v.AsString() == "" {
		attrs.PutStr("service.name", "unknown_service")
	}
	if _, ok := attrs.Get("service.instance.id"); ok {
		return
	}
	// Two processes without an ID would write the same series.
	var parts []string
	for _, key := range []string{"k8s.pod.name", "container.id", "host.name", "process.pid"} {
		if v, ok := attrs.Get(key); ok && v.AsString() != "" {
			parts = append(parts, v.AsString())
		}
	}
	if len(parts) > 0 {
		attrs.PutStr("service.instance.id", strings.Join(parts, ":"))
	}
}

// answer is the response of a handler that is called in process.
type answer struct {
	header http.Header
	code   int
	text   strings.Builder
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header {
	if a.header == nil {
		a.header = http.Header{}
	}
	return a.header
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(code int) { a.code = code }

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) { return a.text.Write(b) }
