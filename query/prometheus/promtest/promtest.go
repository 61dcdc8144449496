// Package promtest serves synthetic metrics to tests. Its targets are functions of
// time, and Prometheus's query engine evaluates the queries.
package promtest

import (
	"encoding/json"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/tsdb"
)

// Counter is a series of a target. At returns its value at a time, or NaN while the
// series does not exist. If Native is set, the series is a native histogram, and Native
// returns the number of observations up to a time by observed value.
type Counter struct {
	Name   string
	Labels map[string]string
	At     func(time.Time) float64
	Native func(time.Time) map[float64]float64
}

// Target is a process. It is scraped at intervals of Every, first at Phase after the
// start.
type Target struct {
	Job, Instance string
	Every, Phase  time.Duration
	Counters      []Counter
}

// Serve starts a server for /api/v1/query_range and /api/v1/query, with samples of the
// targets from start to end.
func Serve(t testing.TB, start, end time.Time, targets ...Target) *httptest.Server {
	t.Helper()
	db, err := tsdb.Open(t.TempDir(), slog.New(slog.DiscardHandler), nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		t.Fatal(err)
	}
	app := db.Appender(t.Context())
	for _, target := range targets {
		for _, c := range target.Counters {
			all := maps.Clone(c.Labels)
			all["__name__"], all["job"], all["instance"] = c.Name, target.Job, target.Instance
			l := labels.FromMap(all)
			for at := start.Add(target.Phase); !at.After(end); at = at.Add(target.Every) {
				if c.Native != nil {
					if _, err := app.AppendHistogram(0, l, at.UnixMilli(), nil, native(c.Native(at))); err != nil {
						t.Fatal(err)
					}
					continue
				}
				if v := c.At(at); !math.IsNaN(v) {
					if _, err := app.Append(0, l, at.UnixMilli(), v); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	p := &server{db: db, engine: promql.NewEngine(promql.EngineOpts{
		Parser: parser.NewParser(parser.Options{}), MaxSamples: 50_000_000, Timeout: time.Minute})}
	mux := http.NewServeMux()
	mux.HandleFunc("/api/v1/query_range", p.queryRange)
	mux.HandleFunc("/api/v1/query", p.query)
	srv := httptest.NewServer(mux)
	t.Cleanup(func() {
		srv.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return srv
}

// native returns a native histogram of observations that are greater than zero.
func native(observed map[float64]float64) *histogram.FloatHistogram {
	const schema = 3
	h := &histogram.FloatHistogram{Schema: schema, ZeroThreshold: 1e-9}
	buckets := map[int32]float64{}
	for v, n := range observed {
		h.Count += n
		h.Sum += v * n
		buckets[int32(math.Ceil(math.Log2(v)*(1<<schema)))] += n
	}
	next := int32(0)
	for _, i := range slices.Sorted(maps.Keys(buckets)) {
		h.PositiveSpans = append(h.PositiveSpans, histogram.Span{Offset: i - next, Length: 1})
		h.PositiveBuckets = append(h.PositiveBuckets, buckets[i])
		next = i + 1
	}
	return h
}

type server struct {
	db     *tsdb.DB
	engine *promql.Engine
}

func (s *server) queryRange(w http.ResponseWriter, r *http.Request) {
	step, err := strconv.ParseFloat(r.FormValue("step"), 64)
	if err != nil {
		refuse(w, err)
		return
	}
	q, err := s.engine.NewRangeQuery(r.Context(), s.db, nil, r.FormValue("query"), moment(r, "start"), moment(r, "end"),
		time.Duration(step*float64(time.Second)))
	s.answer(w, r, q, err)
}

func (s *server) query(w http.ResponseWriter, r *http.Request) {
	q, err := s.engine.NewInstantQuery(r.Context(), s.db, nil, r.FormValue("query"), moment(r, "time"))
	s.answer(w, r, q, err)
}

func moment(r *http.Request, name string) time.Time {
	v, _ := strconv.ParseFloat(r.FormValue(name), 64) // a missing time is the epoch, which has no samples
	return time.UnixMilli(int64(v * 1000))
}

func (s *server) answer(w http.ResponseWriter, r *http.Request, q promql.Query, err error) {
	if err != nil {
		refuse(w, err)
		return
	}
	defer q.Close()
	res := q.Exec(r.Context())
	if res.Err != nil {
		refuse(w, res.Err)
		return
	}
	found := []map[string]any{}
	sample := func(at int64, v float64) [2]any {
		return [2]any{float64(at) / 1000, strconv.FormatFloat(v, 'g', -1, 64)}
	}
	switch v := res.Value.(type) {
	case promql.Matrix:
		for _, series := range v {
			values := make([][2]any, len(series.Floats))
			for i, f := range series.Floats {
				values[i] = sample(f.T, f.F)
			}
			found = append(found, map[string]any{"metric": series.Metric.Map(), "values": values})
		}
	case promql.Vector:
		for _, x := range v {
			found = append(found, map[string]any{"metric": x.Metric.Map(), "value": sample(x.T, x.F)})
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", // the client is gone
		"data": map[string]any{"resultType": res.Value.Type(), "result": found}})
}

func refuse(w http.ResponseWriter, err error) {
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(map[string]string{"status": "error", "errorType": "bad_data", "error": err.Error()}) // the client is gone
}
