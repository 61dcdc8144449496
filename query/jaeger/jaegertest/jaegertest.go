// Package jaegertest provides a Jaeger query server with fixed traces, for tests.
package jaegertest

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/tenhop/tenhop/trace"
)

// Serve starts a server for the part of Jaeger's query API that a diagnosis uses:
// /api/services and the operations, /api/traces and /api/traces/{id}.
func Serve(t testing.TB, traces ...trace.Trace) *httptest.Server {
	t.Helper()
	newest := slices.Clone(traces)
	slices.SortStableFunc(newest, func(a, b trace.Trace) int { return b.Spans[0].Start.Compare(a.Spans[0].Start) })
	return ServeFunc(t, func(time.Time, time.Time) []trace.Trace { return newest })
}

// longest is the longest time between the start of a trace and that of one of its spans
// for which a search finds it.
const longest = 2 * time.Second

// ServeFunc is like Serve for traces that are computed for each request: find returns
// those that may begin within a range of time, newest first. The range of a request
// without times ends in the year 2262.
func ServeFunc(t testing.TB, find func(from, to time.Time) []trace.Trace) *httptest.Server {
	t.Helper()
	all := func() []trace.Trace { return find(time.Time{}, time.Unix(0, math.MaxInt64)) }
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/services", func(w http.ResponseWriter, _ *http.Request) {
		seen := map[string]bool{}
		names := []string{}
		for _, tr := range all() {
			for _, s := range tr.Spans {
				if !seen[s.Service] {
					seen[s.Service] = true
					names = append(names, s.Service)
				}
			}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"data": names}) // the client is gone
	})
	mux.HandleFunc("GET /api/services/{name}/operations", func(w http.ResponseWriter, r *http.Request) {
		names := []string{}
		for _, tr := range all() {
			for _, s := range tr.Spans {
				if s.Service == r.PathValue("name") && !slices.Contains(names, s.Operation) {
					names = append(names, s.Operation)
				}
			}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"data": names}) // the client is gone
	})
	mux.HandleFunc("GET /api/traces", func(w http.ResponseWriter, r *http.Request) {
		found := []any{}
		limit, _ := strconv.Atoi(r.FormValue("limit"))
		from, _ := strconv.ParseInt(r.FormValue("start"), 10, 64)
		to, _ := strconv.ParseInt(r.FormValue("end"), 10, 64)
		for _, tr := range find(time.UnixMicro(from).Add(-longest), time.UnixMicro(to)) {
			if len(found) < limit && matches(tr, r) {
				found = append(found, wire(tr))
			}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"data": found}) // the client is gone
	})
	mux.HandleFunc("GET /api/traces/{id}", func(w http.ResponseWriter, r *http.Request) {
		for _, tr := range all() {
			if tr.ID == r.PathValue("id") {
				_ = json.NewEncoder(w).Encode(map[string]any{"data": []any{wire(tr)}}) // the client is gone
				return
			}
		}
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"data":null,"total":0,"limit":0,"offset":0,"errors":[{"code":404,"msg":"trace not found"}]}`))
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv
}

// matches reports whether a span of the trace matches the search.
func matches(t trace.Trace, r *http.Request) bool {
	from, _ := strconv.ParseInt(r.FormValue("start"), 10, 64)
	to, _ := strconv.ParseInt(r.FormValue("end"), 10, 64)
	shortest, _ := time.ParseDuration(r.FormValue("minDuration"))
	longest, err := time.ParseDuration(r.FormValue("maxDuration"))
	tags := map[string]string{}
	_ = json.Unmarshal([]byte(r.FormValue("tags")), &tags) // none
	return slices.ContainsFunc(t.Spans, func(s trace.Span) bool {
		at := s.Start.UnixMicro()
		for k, v := range tags {
			if s.Attributes[k] != v {
				return false
			}
		}
		return s.Service == r.FormValue("service") && (r.FormValue("operation") == "" || s.Operation == r.FormValue("operation")) &&
			at >= from && at <= to && s.Duration >= shortest && (err != nil || s.Duration <= longest)
	})
}

type wireTag struct {
	Key   string `json:"key"`
	Type  string `json:"type"`
	Value any    `json:"value"`
}

func wire(t trace.Trace) any {
	spans, processes := []any{}, map[string]any{}
	for _, s := range t.Spans {
		resource := []wireTag{}
		for _, k := range slices.Sorted(maps.Keys(s.Resource)) {
			resource = append(resource, wireTag{k, "string", s.Resource[k]})
		}
		process := s.Service + fmt.Sprint(resource)
		processes[process] = map[string]any{"serviceName": s.Service, "tags": resource}
		tags := []wireTag{}
		if s.Kind != "" {
			tags = append(tags, wireTag{"span.kind", "string", string(s.Kind)})
		}
		for k, v := range s.Attributes {
			if k == "error" {
				tags = append(tags, wireTag{k, "bool", v == "true"})
				continue
			}
			tags = append(tags, wireTag{k, "string", v})
		}
		refs := []map[string]string{}
		if s.Parent != "" {
			refs = append(refs, map[string]string{"refType": "CHILD_OF", "traceID": t.ID, "spanID": s.Parent})
		}
		spans = append(spans, map[string]any{"traceID": t.ID, "spanID": s.ID, "operationName": s.Operation, "references": refs,
			"startTime": s.Start.UnixMicro(), "duration": s.Duration.Microseconds(), "tags": tags, "processID": process})
	}
	return map[string]any{"traceID": t.ID, "spans": spans, "processes": processes}
}
