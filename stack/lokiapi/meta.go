package lokiapi

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/model"

	"github.com/tenhop/tenhop/stack/logql"
)

var (
	streamLabelNames = []string{"job", "level", "service", "service_name"}
	levels           = []string{"debug", "error", "fatal", "info", "panic", "trace", "warn"}
)

func (s *server) labels(*http.Request) (any, error) { return streamLabelNames, nil }

func (s *server) labelValues(r *http.Request) (any, error) {
	start, end, err := s.timeRange(r)
	if err != nil {
		return nil, err
	}
	switch r.PathValue("name") {
	case "service_name", "service":
		names := s.store.Services(start, end)
		if names == nil {
			names = []string{}
		}
		return names, nil
	case "level":
		return levels, nil
	case "job":
		return []string{jobLabel}, nil
	}
	return []string{}, nil
}

func (s *server) series(r *http.Request) (any, error) {
	start, end, err := s.timeRange(r)
	if err != nil {
		return nil, err
	}
	var selectors [][]logql.Matcher
	for _, m := range append(r.Form["match[]"], r.Form["match"]...) {
		sel, err := logql.ParseSelector(m)
		if err != nil {
			return nil, err
		}
		selectors = append(selectors, sel)
	}
	if len(selectors) == 0 {
		return nil, errors.New("0 matcher groups supplied; at least one match[] parameter is needed")
	}
	out := []map[string]string{}
	for _, name := range s.store.Services(start, end) {
		labels := streamLabels(name, "")
		if slices.ContainsFunc(selectors, func(sel []logql.Matcher) bool {
			return !slices.ContainsFunc(sel, func(m logql.Matcher) bool { return m.Name != "level" && !m.Matches(labels[m.Name]) })
		}) {
			out = append(out, labels)
		}
	}
	return out, nil
}

func (s *server) indexStats(w http.ResponseWriter, _ *http.Request) {
	st := s.store.Stats()
	write(w, http.StatusOK, map[string]int64{
		"streams": int64(st.Files), "chunks": int64(st.Blocks), "entries": 0, "bytes": st.LineBytes,
	})
}

func (s *server) timeRange(r *http.Request) (start, end time.Time, err error) {
	if end, err = parseTime(r.FormValue("end"), s.now()); err != nil {
		return start, end, fmt.Errorf("end: %w", err)
	}
	back := defaultRange
	if v := r.FormValue("since"); v != "" {
		d, err := model.ParseDuration(v)
		if err != nil {
			return start, end, fmt.Errorf("since: %w", err)
		}
		back = time.Duration(d)
	}
	if start, err = parseTime(r.FormValue("start"), end.Add(-back)); err != nil {
		return start, end, fmt.Errorf("start: %w", err)
	}
	if end.Before(start) {
		return start, end, errors.New("end is before start")
	}
	return start, end, nil
}

// parseTime parses the time formats of Loki: integer nanoseconds, decimal
// seconds, or RFC 3339.
func parseTime(v string, fallback time.Time) (time.Time, error) {
	if v == "" {
		return fallback, nil
	}
	if n, err := strconv.ParseInt(v, 10, 64); err == nil {
		if len(v) <= 10 {
			return bounded(time.Unix(n, 0)), nil
		}
		return time.Unix(0, n), nil
	}
	if f, err := strconv.ParseFloat(v, 64); err == nil && math.Abs(f) < 1e11 {
		whole, part := math.Modf(f)
		return bounded(time.Unix(int64(whole), int64(part*1e9))), nil
	}
	t, err := time.Parse(time.RFC3339Nano, v)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is no time: use nanoseconds, seconds or RFC 3339", v)
	}
	return bounded(t), nil
}

// bounded returns t, or the nearest time that time.Time.UnixNano can represent.
func bounded(t time.Time) time.Time {
	first, last := time.Unix(0, math.MinInt64), time.Unix(0, math.MaxInt64)
	switch {
	case t.Before(first):
		return first
	case t.After(last):
		return last
	}
	return t
}

// parseStep parses seconds or a duration. The default gives a range 250 points.
func parseStep(v string, span time.Duration) (time.Duration, error) {
	if v == "" {
		return max(span/250, time.Second), nil
	}
	if f, err := strconv.ParseFloat(v, 64); err == nil {
		if f < 1e-9 || f > 1e9 {
			return 0, fmt.Errorf("step must be positive, not %q", v)
		}
		return time.Duration(f * float64(time.Second)), nil
	}
	d, err := model.ParseDuration(v)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is no step: use seconds or a duration", v)
	}
	return time.Duration(d), nil
}

func seconds(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }

func formatValue(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
