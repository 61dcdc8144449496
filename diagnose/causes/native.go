package causes

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/tenhop/tenhop/query/prometheus"
)

// natives reads the sums and counts of native histograms of targets, as series of the names
// that classic ones have. They are evaluated at steps, since samples of native histograms
// have no one value.
func (r *reader) natives(ctx context.Context, targets []map[string]string) ([]prometheus.Series, error) {
	quoted := make([]string, 0, len(targets))
	for _, i := range instances(targets) {
		quoted = append(quoted, regexp.QuoteMeta(i))
	}
	step := max(r.q.Result.ResolutionS, 1)
	var out []prometheus.Series
	for _, family := range r.native {
		for suffix, function := range map[string]string{"_sum": "histogram_sum", "_count": "histogram_count"} {
			found, err := r.c.Matrix(ctx, fmt.Sprintf(`%s(%s{instance=~%q})[%s:%dms]`, function, family, strings.Join(quoted, "|"), strings.Trim(r.span, "[]"), int(1000*step)), r.end)
			if err != nil {
				return nil, err
			}
			r.table.series += len(found)
			for _, s := range found {
				if s.Labels == nil {
					s.Labels = map[string]string{}
				}
				s.Labels["__name__"] = family + suffix
				out = append(out, s)
			}
		}
	}
	return out, nil
}
