package jaegerquery

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/tenhop/tenhop/stack/tracestore"
)

type v3Operation struct {
	Name     string `json:"name,omitempty"`
	SpanKind string `json:"spanKind,omitempty"`
}

type v3Dependency struct {
	Parent    string `json:"parent"`
	Child     string `json:"child"`
	CallCount string `json:"callCount"` // uint64 is a string in protobuf's JSON
}

type v3Error struct {
	Error v3ErrorDetails `json:"error"`
}

type v3ErrorDetails struct {
	HTTPCode int    `json:"httpCode"`
	Message  string `json:"message"`
}

func (s *server) v3Services(w http.ResponseWriter, _ *http.Request) {
	respond(w, struct {
		Services []string `json:"services,omitempty"`
	}{s.source.Services()})
}

func (s *server) v3Operations(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	found := s.source.Operations(q.Get("service"), first(q, "span_kind"))
	out := make([]v3Operation, len(found))
	for i, o := range found {
		out[i] = v3Operation{Name: o.Name, SpanKind: o.Kind}
	}
	respond(w, struct {
		Operations []v3Operation `json:"operations"`
	}{out})
}

func (s *server) v3Trace(w http.ResponseWriter, r *http.Request) {
	id, err := parseTraceID(r.PathValue("id"))
	if err != nil {
		v3Fail(w, http.StatusBadRequest, fmt.Errorf("malformed parameter trace_id: %w", err))
		return
	}
	q := r.URL.Query()
	for _, name := range []string{"start_time", "end_time"} {
		if _, err := parseRFC3339(q, name); err != nil {
			v3Fail(w, http.StatusBadRequest, err)
			return
		}
	}
	raw, err := parseV3Bool(q, "raw_traces")
	if err != nil {
		v3Fail(w, http.StatusBadRequest, err)
		return
	}
	td, err := s.source.Trace(r.Context(), id)
	switch {
	case errors.Is(err, tracestore.ErrNotFound):
		v3Fail(w, http.StatusNotFound, errNoTraces)
	case err != nil:
		v3Fail(w, http.StatusInternalServerError, err)
	default:
		v3Respond(w, raw, td)
	}
}

var errNoTraces = errors.New("No traces found") //nolint:staticcheck // Jaeger's text

func (s *server) v3Find(w http.ResponseWriter, r *http.Request) {
	query, raw, err := parseV3Query(r.URL.Query())
	if err != nil {
		v3Fail(w, http.StatusBadRequest, err)
		return
	}
	found, err := s.source.Find(r.Context(), query)
	if err != nil {
		v3Fail(w, http.StatusInternalServerError, err)
		return
	}
	if len(found) == 0 {
		v3Fail(w, http.StatusNotFound, errNoTraces)
		return
	}
	v3Respond(w, raw, found...)
}

func (s *server) v3Dependencies(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	from, err := parseRFC3339(q, "start_time")
	if err != nil {
		v3Fail(w, http.StatusBadRequest, err)
		return
	}
	to, err := parseRFC3339(q, "end_time")
	if err != nil {
		v3Fail(w, http.StatusBadRequest, err)
		return
	}
	if from.IsZero() || to.IsZero() {
		v3Fail(w, http.StatusBadRequest, errors.New("start_time and end_time are required"))
		return
	}
	found, err := s.source.Dependencies(r.Context(), from, to)
	if err != nil {
		v3Fail(w, http.StatusInternalServerError, err)
		return
	}
	out := make([]v3Dependency, len(found))
	for i, d := range found {
		out[i] = v3Dependency{Parent: d.Parent, Child: d.Child, CallCount: strconv.FormatUint(d.Calls, 10)}
	}
	respond(w, struct {
		Dependencies []v3Dependency `json:"dependencies"`
	}{out})
}

func parseV3Query(q url.Values) (query tracestore.Query, raw bool, err error) {
	query.Service = first(q, "query.service_name")
	query.Operation = first(q, "query.operation_name")
	if first(q, "query.start_time_min") == "" || first(q, "query.start_time_max") == "" {
		return query, false, errors.New("query.start_time_min and query.start_time_max are required")
	}
	if query.StartMin, err = parseRFC3339(q, "query.start_time_min"); err != nil {
		return query, false, err
	}
	if query.StartMax, err = parseRFC3339(q, "query.start_time_max"); err != nil {
		return query, false, err
	}
	// Jaeger v1.76 reads num_traces; the OpenAPI calls it searchDepth.
	for _, name := range []string{"query.num_traces", "query.search_depth"} {
		v := first(q, name)
		if v == "" {
			continue
		}
		if query.Limit, err = strconv.Atoi(v); err != nil {
			return query, false, malformed(name, err)
		}
		if query.Limit <= 0 || query.Limit > maxSearchLimit {
			return query, false, malformed(name, errSearchDepth)
		}
	}
	if query.DurationMin, err = parseV3Duration(q, "query.duration_min"); err != nil {
		return query, false, err
	}
	if query.DurationMax, err = parseV3Duration(q, "query.duration_max"); err != nil {
		return query, false, err
	}
	if v := q.Get("query.attributes"); v != "" {
		if err = json.Unmarshal([]byte(v), &query.Attributes); err != nil {
			return query, false, malformed("query.attributes", err)
		}
	}
	raw, err = parseV3Bool(q, "query.raw_traces")
	return query, raw, err
}

func malformed(name string, err error) error {
	return fmt.Errorf("malformed parameter %s: %w", name, err)
}

func parseRFC3339(q url.Values, name string) (time.Time, error) {
	v := first(q, name)
	if v == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, v)
	if err != nil {
		return time.Time{}, malformed(name, err)
	}
	return t, nil
}

func parseV3Duration(q url.Values, name string) (time.Duration, error) {
	v := first(q, name)
	if v == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(v)
	if err != nil {
		return 0, malformed(name, err)
	}
	return d, nil
}

func parseV3Bool(q url.Values, name string) (bool, error) {
	v := first(q, name)
	if v == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		return false, malformed(name, err)
	}
	return b, nil
}

// v3Respond writes the traces as one OTLP TracesData in the gateway's envelope.
func v3Respond(w http.ResponseWriter, raw bool, traces ...ptrace.Traces) {
	all := ptrace.NewTraces()
	for _, td := range traces {
		if !raw {
			adjust(td, otlpDialect)
			moveLibraryAttributes(td)
		}
		td.ResourceSpans().MoveAndAppendTo(all.ResourceSpans())
	}
	body, err := (&ptrace.JSONMarshaler{}).MarshalTraces(all)
	if err != nil {
		v3Fail(w, http.StatusInternalServerError, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	for _, part := range [][]byte{[]byte(`{"result":`), body, []byte(`}`)} {
		if _, err := w.Write(part); err != nil {
			return // the client is gone
		}
	}
}

func v3Fail(w http.ResponseWriter, code int, err error) {
	fail(w, code, v3Error{v3ErrorDetails{HTTPCode: code, Message: err.Error()}})
}

func fail(w http.ResponseWriter, code int, body any) {
	out, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	http.Error(w, string(out), code)
}

func respond(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	_ = enc.Encode(body) // the client is gone
}
