package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/drill"
	"github.com/tenhop/tenhop/query/jaeger/jaegertest"
	"github.com/tenhop/tenhop/query/prometheus/promtest"
	"github.com/tenhop/tenhop/signals"
	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/watch"
)

// TestPeriod diagnoses the part of a time range that is not in the future, and no other time.
func TestPeriod(t *testing.T) {
	now := time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)
	midnight := now.Add(-10 * time.Hour)
	for _, c := range []struct {
		why      string
		from, to time.Time
		since    time.Duration
		end      time.Time // zero for now
		refused  string
	}{
		{"the past", now.Add(-2 * time.Hour), now.Add(-time.Hour), time.Hour, now.Add(-time.Hour), ""},
		{"until just now", now.Add(-time.Hour - 10*time.Second), now.Add(-10 * time.Second), time.Hour, time.Time{}, ""},
		{"the last 24 hours, asked a moment ago", now.Add(-24*time.Hour - time.Second), now.Add(-time.Second), 24 * time.Hour, time.Time{}, ""},
		{"today", midnight, midnight.Add(24*time.Hour - time.Millisecond), 10 * time.Hour, time.Time{}, ""},
		{"this week, from yesterday on", now.Add(-20 * time.Hour), now.Add(5 * 24 * time.Hour), 20 * time.Hour, time.Time{}, ""},
		{"a minute, and the future", now.Add(-time.Minute), now.Add(time.Hour), time.Minute, time.Time{}, ""},
		{"less than a minute, and the future", now.Add(-59 * time.Second), now.Add(time.Hour), 0, time.Time{}, "future"},
		{"the future", now.Add(time.Hour), now.Add(2 * time.Hour), 0, time.Time{}, "future"},
		{"more than a day, and the future", now.Add(-25 * time.Hour), now.Add(time.Hour), 0, time.Time{}, "1m to 24h"},
		{"more than a day", now.Add(-26 * time.Hour), now.Add(-time.Hour), 0, time.Time{}, "1m to 24h"},
		{"the wrong way round", now.Add(-time.Hour), now.Add(-2 * time.Hour), 0, time.Time{}, "1m to 24h"},
	} {
		since, end, err := period(c.from, c.to, now)
		if c.refused != "" {
			if err == nil || !strings.Contains(err.Error(), c.refused) {
				t.Errorf("%s: %v until %v, %v", c.why, since, end, err)
			}
			continue
		}
		if err != nil || since != c.since || !end.Equal(c.end) {
			t.Errorf("%s: %v until %v, %v, want %v until %v", c.why, since, end, err, c.since, c.end)
		}
	}
}

// TestDiagnoseOfTheFuture refuses a time range that has not begun.
func TestDiagnoseOfTheFuture(t *testing.T) {
	c := newConsole(t, newBackends(t), nil)
	at := func(d time.Duration) int64 { return time.Now().Add(d).UnixMilli() }
	w := do(c, "GET", fmt.Sprintf("/api/diagnose?from=%d&to=%d", at(time.Hour), at(2*time.Hour)), "")
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "future") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// slowShop is a shop whose payment takes 300 ms longer since a minute ago.
func slowShop() (promtest.Shop, time.Time) {
	now := time.Now()
	return promtest.Shop{Began: now.Add(-280 * time.Second), Onset: now.Add(-60 * time.Second), Slow: .3}, now
}

// TestDiagnoseWithLabels reads the labels that the configuration names, for the page, for an
// assistant and for the proof of a drill.
func TestDiagnoseWithLabels(t *testing.T) {
	shop, now := slowShop()
	prom := promtest.Serve(t, shop.Began, now, shop.LabelledRED("component")...)
	c := newConsole(t, newBackends(t), func(cfg *Config) {
		cfg.Prometheus, cfg.Jaeger, cfg.Loki, cfg.Labels = prom.URL, "", "", signals.Labels{"service": {"component"}}
	})
	res := decode[result.Result](t, do(c, "GET", "/api/diagnose?entry=POST+%2Fpay", ""))
	if res.Entry.Service != "gateway" || res.AddedMS < 250 {
		t.Errorf("the page has +%.0f ms at %+v: %s", res.AddedMS, res.Entry, res.Why)
	}
	srv := httptest.NewServer(c)
	t.Cleanup(srv.Close)
	s, err := assistant(t, srv.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	said, err := s.CallTool(t.Context(), &sdk.CallToolParams{Name: "diagnose", Arguments: map[string]any{"entry": "POST /pay"}})
	if err != nil || said.IsError {
		t.Fatalf("%v, %+v", err, said)
	}
	if structured, err := json.Marshal(said.StructuredContent); err != nil || !strings.Contains(string(structured), `"service":"gateway"`) {
		t.Errorf("an assistant has %s (%v)", structured, err)
	}
	proved, err := c.runDiagnosis(t.Context(), question{entry: "POST /pay", since: now.Sub(shop.Began)}) // as a drill does
	if err != nil || proved.Entry.Service != "gateway" {
		t.Errorf("the proof has %+v, %v", proved.Entry, err)
	}
}

// TestDiagnoseQuotesLogs quotes log lines of slow requests, on the page and in the proof of a
// drill.
func TestDiagnoseQuotesLogs(t *testing.T) {
	shop, now := slowShop()
	var traces []trace.Trace
	for at := shop.Began.Truncate(time.Second); at.Before(now.Add(-time.Second)); at = at.Add(time.Second) {
		took := 20 * time.Millisecond
		if at.After(shop.Onset) {
			took = 320 * time.Millisecond
		}
		traces = append(traces, trace.Trace{ID: fmt.Sprintf("%032x", at.Unix()), Spans: []trace.Span{
			{ID: "0000000000000001", Service: "gateway", Operation: "POST /pay", Kind: "server", Start: at, Duration: took + 6*time.Millisecond},
			{ID: "0000000000000002", Parent: "0000000000000001", Service: "payment", Operation: "POST /charge", Kind: "server", Start: at.Add(2 * time.Millisecond), Duration: took}}})
	}
	prom, jaeger := promtest.Serve(t, shop.Began, now, shop.Targets()...), jaegertest.Serve(t, traces...)
	id := regexp.MustCompile(`[0-9a-f]{32}`)
	loki := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		values := [][2]string{}
		if q := r.FormValue("query"); strings.Contains(q, "|~") {
			for i, id := range id.FindAllString(q, -1) {
				values = append(values, [2]string{fmt.Sprint(now.UnixNano() - int64(i)), fmt.Sprintf(`{"level":"warn","message":"deprecated call","trace_id":%q}`, id)})
				if at, _ := strconv.ParseInt(id, 16, 64); time.Unix(at, 0).After(shop.Onset) {
					values = append(values, [2]string{fmt.Sprint(now.UnixNano() + int64(i)), fmt.Sprintf(`{"level":"error","message":"waited %d ms for the ledger","trace_id":%q}`, 300+i, id)})
				}
			}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"resultType": "streams",
			"result": []any{map[string]any{"stream": map[string]string{"service_name": "payment"}, "values": values}}}})
	}))
	t.Cleanup(loki.Close)
	c := newConsole(t, newBackends(t), func(cfg *Config) { cfg.Prometheus, cfg.Jaeger, cfg.Loki = prom.URL, jaeger.URL, loki.URL })
	quoted := func(res result.Result) bool {
		return len(res.Findings) > 0 && len(res.Findings[0].Quotes) > 0 && res.Findings[0].Quotes[0].Source == result.QuoteLog &&
			strings.HasSuffix(res.Findings[0].Quotes[0].Text, "ms for the ledger")
	}
	if res := decode[result.Result](t, do(c, "GET", "/api/diagnose", "")); !quoted(res) {
		t.Errorf("the page has %+v of %+v", res.Findings, res.Sources)
	}
	var proof result.Result
	b := c.drills.proof(t.Context(), Storefront{Entry: drill.Entry{Service: "gateway", Operation: "POST /pay"}}, now.Sub(shop.Began))
	if err := json.Unmarshal(b, &proof); err != nil || !quoted(proof) {
		t.Errorf("the proof is %s (%v)", b, err)
	}
}

// TestDiagnoseSaysWhatToDo: the runbooks of the first finding come with a diagnosis if an entry
// is slower or fails, and are those of an incident with the same finding.
func TestDiagnoseSaysWhatToDo(t *testing.T) {
	shop, now := slowShop()
	prom := promtest.Serve(t, shop.Began, now, shop.Targets()...)
	c := newConsole(t, newBackends(t), func(cfg *Config) { cfg.Prometheus, cfg.Jaeger, cfg.Loki = prom.URL, "", "" })
	v := decode[DiagnosisView](t, do(c, "GET", "/api/diagnose", ""))
	if v.Verdict != result.Spike || len(v.Findings) == 0 {
		t.Fatalf("the verdict is %s: %s", v.Verdict, v.Why)
	}
	named := now
	same := runbooksOf(&watch.Incident{Named: &named, Result: &v.Result})
	if len(v.Runbooks) == 0 || !slices.Equal(v.Runbooks, same) || !strings.HasSuffix(v.Runbooks[len(v.Runbooks)-1].URL, "/docs/runbooks/"+v.Runbooks[len(v.Runbooks)-1].Name+".md") {
		t.Errorf("%s: %+v, at the incident %+v", v.Findings[0].Kind, v.Runbooks, same)
	}
	calm := promtest.Shop{Began: shop.Began, Onset: now.Add(time.Hour)}
	prom = promtest.Serve(t, calm.Began, now, calm.Targets()...)
	c = newConsole(t, newBackends(t), func(cfg *Config) { cfg.Prometheus, cfg.Jaeger, cfg.Loki = prom.URL, "", "" })
	if w := do(c, "GET", "/api/diagnose", ""); !strings.Contains(w.Body.String(), `"runbooks":[]`) {
		t.Errorf("without a spike: %s", w.Body)
	}
}
