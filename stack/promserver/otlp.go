package promserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/storage/remote"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
)

// ErrRefused is returned for metrics that cannot be stored, such as samples that are
// too old. Clients must not send them again.
var ErrRefused = errors.New("prometheus refused the metrics")

// DefaultMaxSeries is the default number of series in memory from which metrics over OTLP
// are refused. That many take about a gigabyte.
const DefaultMaxSeries = 200_000

// newOTLPHandler returns Prometheus's own handler of OTLP metrics, which converts delta
// temporality to cumulative.
func (s *Server) newOTLPHandler() http.Handler {
	return remote.NewOTLPWriteHandler(s.log, s.registry, s.db, func() config.Config { return *s.config },
		remote.OTLPOptions{ConvertDelta: true, LookbackDelta: lookback})
}

// WriteOTLP stores metrics in the translation of Prometheus's OTLP endpoint: names with
// units and suffixes, exponential histograms as native ones, delta temporality as
// cumulative. Each series has the label service_name, and service_instance_id if the
// resource has an instance. WriteOTLP modifies md. An error is ErrRefused if sending md
// again would not help.
func (s *Server) WriteOTLP(ctx context.Context, md pmetric.Metrics) error {
	switch n := s.db.Head().NumSeries(); {
	case n >= s.maxSeries:
		return fmt.Errorf("%w: it holds %d series and takes no more; find the label that has a value per request", ErrRefused, n)
	case uint64(md.DataPointCount()) > s.maxSeries:
		return fmt.Errorf("%w: %d points in one request; the limit is %d", ErrRefused, md.DataPointCount(), s.maxSeries)
	}
	for _, rm := range md.ResourceMetrics().All() {
		identify(rm.Resource().Attributes())
	}
	body, err := pmetricotlp.NewExportRequestFromMetrics(md).MarshalProto()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "/v1/metrics", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	var a answer
	s.otlp.ServeHTTP(&a, req)
	text := strings.TrimSpace(a.text.String())
	switch a.code {
	case 0, http.StatusOK:
		return nil
	case http.StatusBadRequest:
		return fmt.Errorf("%w: %s", ErrRefused, text)
	default:
		return fmt.Errorf("store metrics: %s", text)
	}
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
