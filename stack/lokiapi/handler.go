// Package lokiapi serves the part of Loki's HTTP API that Grafana's data source
// and the dashboards use: query, query_range, labels, label values, series and
// index stats. The lines come from a logstore.
//
// Streams have the labels service_name, service (the same value), level and job.
// Package logql documents the supported queries.
package lokiapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/tenhop/tenhop/stack/logql"
	"github.com/tenhop/tenhop/stack/logstore"
)

const (
	defaultLimit = 100
	maxLimit     = 5000 // as in Loki
	defaultRange = time.Hour
	maxPoints    = 11_000   // per series, as in Loki
	maxLineBytes = 64 << 20 // per response
	maxQueries   = 4
	queryTimeout = 30 * time.Second
	jobLabel     = "tenhop"
)

type server struct {
	store *logstore.Store
	now   func() time.Time

	running chan struct{} // holds a value per running query
}

// Handler returns a handler of the API that reads from store.
func Handler(store *logstore.Store) http.Handler {
	s := &server{store: store, now: time.Now, running: make(chan struct{}, maxQueries)}
	mux := http.NewServeMux()
	for path, h := range map[string]func(*http.Request) (any, error){
		"/loki/api/v1/query":               s.query,
		"/loki/api/v1/query_range":         s.queryRange,
		"/loki/api/v1/labels":              s.labels,
		"/loki/api/v1/label/{name}/values": s.labelValues,
		"/loki/api/v1/series":              s.series,
	} {
		mux.HandleFunc("GET "+path, s.answer(h))
		mux.HandleFunc("POST "+path, s.answer(h))
	}
	mux.HandleFunc("GET /loki/api/v1/index/stats", s.indexStats)
	mux.HandleFunc("GET /loki/api/v1/status/buildinfo", func(w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusOK, map[string]string{"version": "tenhop"})
	})
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ready\n")) // the client is gone
	})
	return mux
}

// The texts and the status with which Loki reports queries that end early.
const (
	errTimeout  = "Request timed out, decrease the duration of the request or add more label matchers (prefer exact match over regex match) to reduce the amount of data processed."
	errCanceled = "The request was cancelled by the client."

	statusCanceled = 499
)

// storeError is a failure of the store. Other errors are caused by the request.
type storeError struct{ error }

// answer writes the result of h in Loki's envelope. At most maxQueries run at a
// time, since each may use as much memory as the limits allow; others wait.
func (s *server) answer(h func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
		defer cancel()
		var data any
		var err error
		select {
		case s.running <- struct{}{}:
			data, err = func() (any, error) {
				defer func() { <-s.running }() // also when h panics
				return h(r.WithContext(ctx))
			}()
		case <-ctx.Done():
		}
		var internal storeError
		switch {
		case errors.Is(ctx.Err(), context.Canceled):
			http.Error(w, errCanceled, statusCanceled)
		case ctx.Err() != nil:
			http.Error(w, errTimeout, http.StatusGatewayTimeout)
		case errors.As(err, &internal):
			http.Error(w, err.Error(), http.StatusInternalServerError)
		case err != nil:
			http.Error(w, err.Error(), http.StatusBadRequest)
		default:
			write(w, http.StatusOK, map[string]any{"status": "success", "data": data})
		}
	}
}

func write(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // the client is gone
}

type result struct {
	Type   string         `json:"resultType"`
	Result any            `json:"result"`
	Stats  map[string]any `json:"stats"`
}

type stream struct {
	Labels map[string]string `json:"stream"`
	Values [][2]string       `json:"values"` // nanoseconds, line
}

type matrix struct {
	Labels map[string]string `json:"metric"`
	Values [][2]any          `json:"values"` // seconds, value
}

type vector struct {
	Labels map[string]string `json:"metric"`
	Value  [2]any            `json:"value"`
}

func (s *server) queryRange(r *http.Request) (any, error) {
	q, err := logql.Parse(r.FormValue("query"))
	if err != nil {
		return nil, err
	}
	start, end, err := s.timeRange(r)
	if err != nil {
		return nil, err
	}
	if q.Log != nil {
		return s.lines(r, *q.Log, start, end)
	}
	step, err := parseStep(r.FormValue("step"), end.Sub(start))
	if err != nil {
		return nil, err
	}
	start, end = aligned(start, step), aligned(end, step)
	if end.Sub(start)/step > maxPoints {
		return nil, fmt.Errorf("exceeded maximum resolution of %d points per time series; use a larger step", maxPoints)
	}
	found, err := s.metric(r.Context(), *q.Metric, start, end, step)
	if err != nil {
		return nil, err
	}
	out := []matrix{}
	for _, series := range found {
		m := matrix{Labels: series.Labels}
		for _, p := range series.Points {
			m.Values = append(m.Values, [2]any{seconds(p.At), formatValue(p.Value)})
		}
		out = append(out, m)
	}
	return result{"matrix", out, map[string]any{}}, nil
}

func (s *server) query(r *http.Request) (any, error) {
	q, err := logql.Parse(r.FormValue("query"))
	if err != nil {
		return nil, err
	}
	at, err := parseTime(r.FormValue("time"), s.now())
	if err != nil {
		return nil, err
	}
	if q.Log != nil {
		return s.lines(r, *q.Log, at.Add(-defaultRange), at)
	}
	found, err := s.metric(r.Context(), *q.Metric, at, at, time.Second)
	if err != nil {
		return nil, err
	}
	out := []vector{}
	for _, series := range found {
		out = append(out, vector{series.Labels, [2]any{seconds(at), formatValue(series.Points[0].Value)}})
	}
	return result{"vector", out, map[string]any{}}, nil
}

func (s *server) lines(r *http.Request, q logql.LogQuery, start, end time.Time) (any, error) {
	limit := defaultLimit
	if v := r.FormValue("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxLimit {
			return nil, fmt.Errorf("limit must be from 1 to %d, not %q", maxLimit, v)
		}
		limit = n
	}
	forward := false
	switch v := r.FormValue("direction"); v {
	case "", "backward", "BACKWARD":
	case "forward", "FORWARD":
		forward = true
	default:
		return nil, fmt.Errorf("direction must be forward or backward, not %q", v)
	}
	index := map[string]int{}
	out := []stream{}
	count, size := 0, 0
	// The end is exclusive in Loki.
	err := s.scan(r.Context(), q, start, end.Add(-1), forward, func(at time.Time, e *logql.Entry) bool {
		key := logql.Key(e.Labels)
		i, ok := index[key]
		if !ok {
			i = len(out)
			index[key] = i
			out = append(out, stream{Labels: e.Labels})
		}
		out[i].Values = append(out[i].Values, [2]string{strconv.FormatInt(at.UnixNano(), 10), e.Line})
		count++
		size += len(e.Line)
		return count < limit && size <= maxLineBytes
	})
	if err != nil {
		return nil, err
	}
	if size > maxLineBytes {
		return nil, fmt.Errorf("the lines take more than %d MiB; use a smaller limit or a shorter range", maxLineBytes>>20)
	}
	return result{"streams", out, map[string]any{}}, nil
}

func (s *server) metric(ctx context.Context, q logql.MetricQuery, start, end time.Time, step time.Duration) ([]logql.Series, error) {
	v := logql.NewEvaluator(q)
	var full error
	err := s.scan(ctx, q.Log, bounded(start.Add(-q.Range)), end, true, func(at time.Time, e *logql.Entry) bool {
		full = v.Add(at, e)
		return full == nil
	})
	if err != nil {
		return nil, err
	}
	if full != nil {
		return nil, full
	}
	return v.Result(ctx, start, end, step)
}

// scan runs a query's selector and pipeline over the store.
func (s *server) scan(ctx context.Context, q logql.LogQuery, from, to time.Time, forward bool, f func(time.Time, *logql.Entry) bool) error {
	sel := logstore.Scan{From: from, To: to, Forward: forward, TraceID: q.TraceID()}
	sel.Service = func(name string) bool {
		return !slices.ContainsFunc(q.Matchers, func(m logql.Matcher) bool {
			return (m.Name == "service_name" || m.Name == "service") && !m.Matches(name)
		})
	}
	err := s.store.Each(ctx, sel, func(l logstore.Line) bool {
		labels := streamLabels(l.Service, l.Level)
		for _, m := range q.Matchers {
			if !m.Matches(labels[m.Name]) {
				return true
			}
		}
		e := &logql.Entry{Line: string(l.Raw), Labels: labels}
		if !q.Run(e) {
			return true
		}
		return f(l.Time, e)
	})
	if err != nil && !errors.Is(err, logstore.ErrUnordered) {
		return storeError{err}
	}
	return err
}

func streamLabels(service, level string) map[string]string {
	labels := map[string]string{"service_name": service, "service": service, "job": jobLabel}
	if level != "" {
		labels["level"] = level
	}
	return labels
}

// aligned returns the last multiple of a step since 1970 that is not after at, as Loki aligns
// the ends of a range.
func aligned(at time.Time, step time.Duration) time.Time {
	if ns := at.UnixNano(); step > 0 && at.Year() > 1970 && at.Year() < 2262 {
		return time.Unix(0, ns-ns%int64(step)).In(at.Location())
	}
	return at
}
