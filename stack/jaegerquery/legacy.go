package jaegerquery

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/tenhop/tenhop/stack/tracestore"
)

// envelope is the body of every response of the legacy API.
type envelope struct {
	Data   any             `json:"data"`
	Total  int             `json:"total"`
	Limit  int             `json:"limit"`
	Offset int             `json:"offset"`
	Errors []envelopeError `json:"errors"`
}

type envelopeError struct {
	Code    int    `json:"code,omitempty"`
	Msg     string `json:"msg"`
	TraceID string `json:"traceID,omitempty"`
}

type uiOperation struct {
	Name     string `json:"name"`
	SpanKind string `json:"spanKind"`
}

type uiDependency struct {
	Parent    string `json:"parent"`
	Child     string `json:"child"`
	CallCount uint64 `json:"callCount"`
}

func (s *server) services(w http.ResponseWriter, r *http.Request) {
	found := s.source.Services()
	respondUI(w, r, envelope{Data: found, Total: len(found)})
}

func (s *server) serviceOperations(w http.ResponseWriter, r *http.Request) {
	var names []string
	for _, o := range s.source.Operations(r.PathValue("service"), "") {
		names = append(names, o.Name)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	respondUI(w, r, envelope{Data: names, Total: len(names)})
}

func (s *server) operations(w http.ResponseWriter, r *http.Request) {
	service := r.FormValue("service")
	if service == "" {
		failUI(w, http.StatusBadRequest, errServiceRequired)
		return
	}
	found := s.source.Operations(service, r.FormValue("spanKind"))
	out := make([]uiOperation, len(found))
	for i, o := range found {
		out[i] = uiOperation{Name: o.Name, SpanKind: o.Kind}
	}
	respondUI(w, r, envelope{Data: out, Total: len(out)})
}

func (s *server) search(w http.ResponseWriter, r *http.Request) {
	q, err := s.parseSearch(r)
	if err != nil {
		failUI(w, http.StatusBadRequest, err)
		return
	}
	var found []ptrace.Traces
	var missing []envelopeError
	if len(q.ids) > 0 {
		for _, id := range q.ids {
			td, err := s.source.Trace(r.Context(), id)
			switch {
			case errors.Is(err, tracestore.ErrNotFound):
				missing = append(missing, envelopeError{Msg: err.Error(), TraceID: id.String()})
			case err != nil:
				failUI(w, http.StatusInternalServerError, err)
				return
			default:
				found = append(found, td)
			}
		}
	} else if found, err = s.source.Find(r.Context(), q.query); err != nil {
		failUI(w, http.StatusInternalServerError, err)
		return
	}
	respondUI(w, r, envelope{Data: uiTraces(found, q.raw), Errors: missing})
}

func (s *server) trace(w http.ResponseWriter, r *http.Request) {
	id, err := parseTraceID(r.PathValue("id"))
	if err != nil {
		failUI(w, http.StatusBadRequest, err)
		return
	}
	for _, name := range []string{"start", "end"} {
		if _, err := s.parseEpoch(r, name, time.Microsecond, time.Time{}); err != nil {
			failUI(w, http.StatusBadRequest, err)
			return
		}
	}
	raw, err := parseBool(r, "raw")
	if err != nil {
		failUI(w, http.StatusBadRequest, err)
		return
	}
	td, err := s.source.Trace(r.Context(), id)
	switch {
	case errors.Is(err, tracestore.ErrNotFound):
		failUI(w, http.StatusNotFound, err)
	case err != nil:
		failUI(w, http.StatusInternalServerError, err)
	default:
		respondUI(w, r, envelope{Data: uiTraces([]ptrace.Traces{td}, raw)})
	}
}

func (s *server) dependencies(w http.ResponseWriter, r *http.Request) {
	to, err := s.parseEpoch(r, "endTs", time.Millisecond, s.now())
	if err != nil {
		failUI(w, http.StatusBadRequest, err)
		return
	}
	lookback := defaultDependencyLookback
	if v := r.FormValue("lookback"); v != "" {
		ms, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			failUI(w, http.StatusBadRequest, paramError("lookback", err))
			return
		}
		lookback = time.Duration(ms) * time.Millisecond
	}
	found, err := s.source.Dependencies(r.Context(), to.Add(-lookback), to)
	if err != nil {
		failUI(w, http.StatusInternalServerError, err)
		return
	}
	service := r.FormValue("service")
	out := []uiDependency{}
	for _, d := range found {
		if service == "" || d.Parent == service || d.Child == service {
			out = append(out, uiDependency{Parent: d.Parent, Child: d.Child, CallCount: d.Calls})
		}
	}
	respondUI(w, r, envelope{Data: out})
}

func uiTraces(found []ptrace.Traces, raw bool) []uiTrace {
	out := make([]uiTrace, len(found))
	for i, td := range found {
		if !raw {
			adjust(td, legacyDialect)
		}
		out[i] = toUITrace(td, raw)
	}
	return out
}

func respondUI(w http.ResponseWriter, r *http.Request, body envelope) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	if v := r.FormValue("prettyPrint"); v != "" && v != "false" {
		enc.SetIndent("", "    ")
	}
	_ = enc.Encode(body) // the client is gone
}

func failUI(w http.ResponseWriter, code int, err error) {
	fail(w, code, envelope{Errors: []envelopeError{{Code: code, Msg: fmt.Sprint(err)}}})
}
