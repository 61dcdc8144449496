package promserver

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// Reporting returns the services that have series of the metrics with samples since a
// time, by metric name. Series with the label source are left out. The service is the
// label service_name or, without it, job.
func (s *Server) Reporting(ctx context.Context, since time.Time, metrics ...string) (map[string]map[string]bool, error) {
	q, err := s.db.Querier(since.UnixMilli(), time.Now().UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("query metrics database: %w", err)
	}
	defer q.Close() //nolint:errcheck // nothing was written
	names, err := labels.NewMatcher(labels.MatchRegexp, model.MetricNameLabel, strings.Join(metrics, "|"))
	if err != nil {
		return nil, err
	}
	unsourced := labels.MustNewMatcher(labels.MatchEqual, "source", "")
	out := map[string]map[string]bool{}
	set := q.Select(ctx, false, nil, names, unsourced)
	for set.Next() {
		l := set.At().Labels()
		name := l.Get(model.MetricNameLabel)
		if out[name] == nil {
			out[name] = map[string]bool{}
		}
		out[name][cmp.Or(l.Get("service_name"), l.Get("job"))] = true
	}
	return out, set.Err()
}
