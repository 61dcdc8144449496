// Package tempotest provides a stand-in for Tempo's query API, for tests.
package tempotest

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/tenhop/tenhop/trace"
)

// Serve starts a server with fixed traces.
func Serve(t testing.TB, traces ...trace.Trace) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(Handler(func() []trace.Trace { return traces }))
	t.Cleanup(srv.Close)
	return srv
}

// Handler serves the part of Tempo's API that a diagnosis and a search use, with the
// traces that a function returns. Of TraceQL it reads what package tempo writes. A
// search returns matches in the order of the traces, as Tempo does in no order.
func Handler(traces func() []trace.Trace) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/search/tag/service.name/values", func(w http.ResponseWriter, _ *http.Request) {
		respond(w, map[string]any{"tagValues": values(traces(), func(s trace.Span) (string, bool) { return s.Service, true })})
	})
	mux.HandleFunc("GET /api/v2/search/tag/name/values", func(w http.ResponseWriter, r *http.Request) {
		q := parse(r.FormValue("q"))
		found := []map[string]string{}
		for _, name := range values(traces(), func(s trace.Span) (string, bool) { return s.Operation, q.matches(s) }) {
			found = append(found, map[string]string{"type": "string", "value": name})
		}
		respond(w, map[string]any{"tagValues": found})
	})
	mux.HandleFunc("GET /api/search", func(w http.ResponseWriter, r *http.Request) {
		q := parse(r.FormValue("q"))
		from, _ := strconv.ParseInt(r.FormValue("start"), 10, 64) // the epoch without one
		to, _ := strconv.ParseInt(r.FormValue("end"), 10, 64)
		limit, _ := strconv.Atoi(r.FormValue("limit"))
		limit = cmp.Or(limit, 20)
		all := slices.Clone(traces())
		if strings.Contains(r.FormValue("q"), "most_recent=true") {
			slices.SortStableFunc(all, func(a, b trace.Trace) int { return start(b).Compare(start(a)) })
		}
		found := []map[string]string{}
		for _, t := range all {
			if len(found) < limit && slices.ContainsFunc(t.Spans, func(s trace.Span) bool {
				return q.matches(s) && s.Start.Unix() >= from && s.Start.Unix() < to
			}) {
				found = append(found, map[string]string{"traceID": t.ID, "startTimeUnixNano": strconv.FormatInt(start(t).UnixNano(), 10)})
			}
		}
		respond(w, map[string]any{"traces": found})
	})
	mux.HandleFunc("GET /api/traces/{id}", func(w http.ResponseWriter, r *http.Request) {
		for _, t := range traces() {
			if t.ID == r.PathValue("id") {
				body, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(wire(t))
				if err != nil {
					http.Error(w, err.Error(), http.StatusInternalServerError)
					return
				}
				w.Header().Set("Content-Type", "application/protobuf")
				_, _ = w.Write(body) // the client is gone
				return
			}
		}
		http.Error(w, "trace not found", http.StatusNotFound)
	})
	return mux
}

func respond(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // the client is gone
}

func values(traces []trace.Trace, of func(trace.Span) (string, bool)) []string {
	found := []string{}
	for _, t := range traces {
		for _, s := range t.Spans {
			if v, ok := of(s); ok && !slices.Contains(found, v) {
				found = append(found, v)
			}
		}
	}
	return found
}

// start returns the start of the earliest span.
func start(t trace.Trace) time.Time {
	return slices.MinFunc(t.Spans, func(a, b trace.Span) int { return a.Start.Compare(b.Start) }).Start
}

// condition is a comparison of TraceQL.
type condition struct{ field, op, value string }

type conditions []condition

var comparison = regexp.MustCompile(`(resource\.service\.name|name|duration|status|\."[^"]*") (=|>=|<=) ("(?:[^"\\]|\\.)*"|[0-9a-zµ.]+)`)

func parse(q string) conditions {
	var all conditions
	for _, m := range comparison.FindAllStringSubmatch(q, -1) {
		value := m[3]
		if u, err := strconv.Unquote(value); err == nil {
			value = u
		}
		all = append(all, condition{m[1], m[2], value})
	}
	return all
}

func (all conditions) matches(s trace.Span) bool {
	for _, c := range all {
		d, _ := time.ParseDuration(c.value) // of the duration only
		ok := false
		switch {
		case c.field == "resource.service.name":
			ok = s.Service == c.value
		case c.field == "name":
			ok = s.Operation == c.value
		case c.field == "status":
			ok = s.Failed
		case c.op == ">=":
			ok = s.Duration >= d
		case c.op == "<=":
			ok = s.Duration <= d
		default:
			ok = s.Attributes[strings.Trim(c.field, `."`)] == c.value
		}
		if !ok {
			return false
		}
	}
	return true
}

var kinds = map[trace.Kind]ptrace.SpanKind{trace.Server: ptrace.SpanKindServer, trace.Client: ptrace.SpanKindClient,
	trace.Producer: ptrace.SpanKindProducer, trace.Consumer: ptrace.SpanKindConsumer, trace.Internal: ptrace.SpanKindInternal}

// wire returns a trace in OTLP. IDs that are not hexadecimal become zero.
func wire(t trace.Trace) ptrace.Traces {
	td := ptrace.NewTraces()
	var id pcommon.TraceID
	_, _ = hex.Decode(id[:], []byte(t.ID)) // see above
	for _, s := range t.Spans {
		rs := td.ResourceSpans().AppendEmpty()
		for k, v := range s.Resource {
			rs.Resource().Attributes().PutStr(k, v)
		}
		rs.Resource().Attributes().PutStr("service.name", s.Service)
		out := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
		out.SetTraceID(id)
		out.SetSpanID(spanID(s.ID))
		out.SetParentSpanID(spanID(s.Parent))
		out.SetName(s.Operation)
		out.SetKind(kinds[s.Kind])
		out.SetStartTimestamp(pcommon.NewTimestampFromTime(s.Start))
		out.SetEndTimestamp(pcommon.NewTimestampFromTime(s.End()))
		for k, v := range s.Attributes {
			out.Attributes().PutStr(k, v)
		}
		if s.Failed {
			out.Status().SetCode(ptrace.StatusCodeError)
			out.Status().SetMessage(s.StatusMessage)
		}
	}
	return td
}

// spanID returns an ID of up to 16 hexadecimal digits.
func spanID(s string) (id pcommon.SpanID) {
	if n, err := strconv.ParseUint(s, 16, 64); err == nil {
		raw, _ := hex.DecodeString(strings.Repeat("0", 16-len(strconv.FormatUint(n, 16))) + strconv.FormatUint(n, 16))
		copy(id[:], raw)
	}
	return id
}
