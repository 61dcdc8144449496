package collect_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/tenhop/tenhop/diagnose/collect"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query/jaeger/jaegertest"
	"github.com/tenhop/tenhop/trace"
)

func checkPayment(t *testing.T, res result.Result) {
	t.Helper()
	if res.Verdict != result.Spike || res.Entry.Operation != "POST /pay" || len(res.Findings) == 0 {
		t.Fatalf("%s (%s) at %+v: %+v", res.Verdict, res.Why, res.Entry, res.Findings)
	}
	if f := res.Findings[0]; f.Hop != "payment" || f.Kind != result.KindSelf || f.Share < .95 || len(f.Exemplars) != 3 || f.Attributes[0].Value != "eu" {
		t.Errorf("first is %+v", f)
	}
	if len(res.Stages) == 0 {
		t.Error("the result does not say what took how long")
	}
}

// Without metrics, a sample of the traces has to do.
func TestTracesAlone(t *testing.T) {
	shop, now := world()
	jaeger := jaegertest.Serve(t, requests(shop, now)...)
	res := run(t, collect.Config{Jaeger: jaeger.URL})
	checkPayment(t, res)
	if n := res.Sources[0].Read; n > 400 {
		t.Errorf("%d traces read, a few hundred are enough", n)
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	defer gone.Close()
	res = run(t, collect.Config{Jaeger: jaeger.URL, Prometheus: gone.URL})
	checkPayment(t, res)
	if res.Sources[0].OK || res.Sources[0].Error == "" {
		t.Errorf("the result does not say that Prometheus was left out: %+v", res.Sources)
	}
}

// file writes traces as OTLP JSON, each in a line of its own.
func file(t *testing.T, traces []trace.Trace) string {
	t.Helper()
	var lines []string
	for _, tr := range traces {
		td := ptrace.NewTraces()
		for _, s := range tr.Spans {
			rs := td.ResourceSpans().AppendEmpty()
			rs.Resource().Attributes().PutStr("service.name", s.Service)
			x := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
			var id pcommon.TraceID
			copy(id[:], tr.ID[16:])
			x.SetTraceID(id)
			x.SetSpanID(pcommon.SpanID{s.ID[0]})
			if s.Parent != "" {
				x.SetParentSpanID(pcommon.SpanID{s.Parent[0]})
			}
			x.SetName(s.Operation)
			x.SetKind(ptrace.SpanKindServer)
			x.SetStartTimestamp(pcommon.NewTimestampFromTime(s.Start))
			x.SetEndTimestamp(pcommon.NewTimestampFromTime(s.Start.Add(s.Duration)))
			for k, v := range s.Attributes {
				x.Attributes().PutStr(k, v)
			}
		}
		b, err := (&ptrace.JSONMarshaler{}).MarshalTraces(td)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(b))
	}
	path := filepath.Join(t.TempDir(), "traces.json")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFiles(t *testing.T) {
	shop, now := world()
	path := file(t, requests(shop, now))
	res := run(t, collect.Config{Traces: []string{path}})
	checkPayment(t, res)
	if res.Sources[0].Read != 279 || !res.Sources[0].OK {
		t.Errorf("source %+v", res.Sources[0])
	}
	// A file cut short answers with what it holds, and says so.
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, whole[:len(whole)-100], 0o600); err != nil {
		t.Fatal(err)
	}
	res = run(t, collect.Config{Traces: []string{path}})
	checkPayment(t, res)
	if res.Sources[0].OK || !strings.Contains(res.Sources[0].Error, path+":279: unexpected EOF") {
		t.Errorf("source %+v", res.Sources[0])
	}
	if _, err := collect.Run(t.Context(), collect.Config{Traces: []string{filepath.Join(t.TempDir(), "none")}}); err == nil {
		t.Error("a file that is not there has no error")
	}
}

// Two files: the comparison decides, and the split says how much.
func TestBeforeAndAfter(t *testing.T) {
	shop, now := world()
	all := requests(shop, now)
	before, after := file(t, all[:230]), file(t, all[245:])
	res := run(t, collect.Config{Traces: []string{after}, Before: []string{before}})
	checkPayment(t, res)
	if f := res.Findings[0]; !strings.HasPrefix(f.Evidence, "median 20.0 ms in 230 traces, now 320.0 ms in") {
		t.Errorf("the first finding rests on %q", f.Evidence)
	}
	// The other way round nothing got slower, and no time is split.
	res = run(t, collect.Config{Traces: []string{before}, Before: []string{after}})
	if res.Verdict != result.None || len(res.Findings) > 0 || res.AddedMS > -100 {
		t.Errorf("%s, %+v, %+v", res.Verdict, res.Findings, res.Sources)
	}
}

// A baseline that was recorded after the incident is as good as one before it.
func TestBaselineAfterTheIncident(t *testing.T) {
	shop, now := world()
	all := requests(shop, now)
	before, after := all[:230], all[245:]
	for i := range before {
		for j := range before[i].Spans {
			before[i].Spans[j].Start = before[i].Spans[j].Start.Add(time.Hour)
		}
	}
	res := run(t, collect.Config{Traces: []string{file(t, after)}, Before: []string{file(t, before)}})
	checkPayment(t, res)
	if res.AddedMS < 250 || !res.Baseline.From.After(res.Window.To) {
		t.Errorf("%.0f ms added, baseline %v, window %v", res.AddedMS, res.Baseline, res.Window)
	}
}

// A call that is no longer made takes no time at all: only the comparison sees it.
func TestACallThatIsNoLongerMade(t *testing.T) {
	shop, now := world()
	all := requests(shop, now)[:230]
	for i := 115; i < len(all); i++ {
		all[i].Spans = all[i].Spans[:1]
	}
	res := run(t, collect.Config{Traces: []string{file(t, all[115:])}, Before: []string{file(t, all[:115])}})
	if res.Verdict != result.Spike || len(res.Findings) != 1 || res.Findings[0].Kind != result.KindFlow || res.Findings[0].Hop != "gateway" {
		t.Errorf("%s, %+v", res.Verdict, res.Findings)
	}
}
