package browsertest

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
)

// many returns the answers of a large fleet in trouble: 40 services with long names, 12
// findings, and an incident with 40 alerts and 60 posts.
func many(t *testing.T) cannedAnswers {
	t.Helper()
	a := few(t)
	a.diagnosis, a.snapshot = manyFindings(t, a.diagnosis), manyServices(t, a.snapshot)
	for i := range 60 {
		a.said = append(a.said, object{"at": incidentBegan.Add(time.Duration(11+3*i) * time.Second),
			"text": fmt.Sprintf("%s %s: +%d ms, %d %% of the added time at %s", numbered(i), longOperation, 200+i, 100-i, longOperation)})
	}
	for i := range 38 {
		a.alerts = append(a.alerts, object{"name": "EntryWithAVeryLongNameBurnsItsErrorBudgetTooFast", "place": numbered(i) + " " + longOperation, "looked": false,
			"starts_at": incidentBegan.Add(time.Duration(20+i) * time.Second), "ends_at": nil})
	}
	for i := range 3 {
		a.links = append(a.links, object{"name": fmt.Sprintf("the-service-%d-answers-slowly-or-not-at-all-in-the-european-region", i), "url": fmt.Sprintf("https://wiki.example/%d", i)})
	}
	for i := range 40 {
		a.services, a.operations = append(a.services, numbered(i)), append(a.operations, fmt.Sprintf("%s%d", longOperation, i))
	}
	return a
}

// numbered returns the long name of a service of many.
func numbered(i int) string { return fmt.Sprintf("%02d-%s", i, longName) }

func decoded(t *testing.T, b []byte) object {
	t.Helper()
	var v object
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func encoded(t *testing.T, v object) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// manyFindings returns a diagnosis with 12 findings, of every kind, with long texts.
func manyFindings(t *testing.T, of []byte) []byte {
	d := decoded(t, of)
	first := d["findings"].([]any)[0].(object)
	kinds := []string{"self", "dependency", "link", "queue", "errors", "calls", "mix", "flow", "concurrency"}
	var findings, deploys, entries, warnings []any
	for i := range 12 {
		f := maps.Clone(first)
		f["rank"], f["hop"], f["operation"], f["kind"], f["target"] = i+1, numbered(i), longOperation, kinds[i%len(kinds)], numbered(i+20)
		f["evidence"] = "every call of " + longOperation + " waits for " + numbered(i+20)
		f["instance"] = numbered(i) + "-7d9f8b6c5d-x2x9z"
		f["cause"] = object{"kind": "pool", "why": "no connection of the pool of " + longName + " is free", "sure": i%2 == 0,
			"evidence": []any{object{"signal": "db_client_connection_wait_time_seconds_sum", "before": 0.001, "now": 12345.678, "unit": "s"}}}
		f["attributes"] = []any{object{"key": "url.full", "value": "https://" + longName + "/" + strings.Repeat("a", 120), "lift": 12.5}}
		f["profile"] = []any{object{"type": "cpu", "function": strings.ReplaceAll(longOperation, "/", ".(*Handler).") + strings.Repeat("Func1.", 12), "before_ms_per_s": 12, "now_ms_per_s": 430, "compared": true}}
		f["quotes"] = []any{object{"source": "exception", "text": "dial tcp " + longName + ":5432: connect: connection refused " + strings.Repeat("x", 160), "trace_id": strings.Repeat("c", 32)}}
		if f["kind"] == "errors" {
			f["errors"] = object{"baseline": 0.001, "now": 0.42, "type": "com.example.platform.recommendations.PersonalisationUnavailableException"}
		}
		findings = append(findings, f)
		deploys = append(deploys, object{"service": numbered(i), "version": "2.0.1-rc.4+build.20261126202005." + strings.Repeat("f", 40), "before": "1.9.7", "seen": "2026-11-26T20:20:05Z"})
		entries = append(entries, object{"service": numbered(i), "operation": fmt.Sprint(longOperation, i), "added_ms": 492 - i})
		warnings = append(warnings, "traces of "+numbered(i)+" have 12 requests per second, the metrics 18")
	}
	d["findings"], d["deploys"], d["other_entries"], d["warnings"] = findings, deploys, entries, warnings
	d["entry"].(object)["operation"] = longOperation
	d["why"] = strings.Repeat("the change of "+longName+" is in the last minute; ", 4)
	d["sources"] = append(d["sources"].([]any), object{"name": "tempo", "ok": false, "error": "GET https://" + longName + "/api/search?q=" + strings.Repeat("%7B", 80) + ": 503", "read": 0, "took_ms": 3})
	d["runbooks"] = []any{object{"name": "hop-stalls", "url": "https://wiki.example/a"}, object{"name": "the-service-answers-slowly-or-not-at-all-in-the-european-region", "url": "https://wiki.example/b"}}
	return encoded(t, d)
}

// manyServices returns a map of 40 services in five layers, each of which calls three of the
// next layer, with long lists of entries, objectives and alerts.
func manyServices(t *testing.T, of []byte) []byte {
	s := decoded(t, of)
	var hops, edges, entries, slos, alerts []any
	for i := range 40 {
		var operations []any
		for j := range 12 {
			operations = append(operations, object{"name": fmt.Sprint(longOperation, j), "rate": 12345.6, "errors": 0.0123, "p95": 1.234, "self": 0.567})
		}
		hops = append(hops, object{"name": numbered(i), "kind": "service", "rate": 98765.4, "errors": 0.034, "p95": 12.3, "self": 4.56, "hot": i == 9, "added": 4.2, "share": 0.98,
			"why": longOperation + ": self time +4200 ms, 98 % of what " + longOperation + " gained", "operations": operations})
		for j := range 3 {
			if to := (i/8+1)*8 + (i+3*j)%8; to < 40 {
				edges = append(edges, object{"from": numbered(i), "to": numbered(to), "kind": []string{"grpc", "http", "kafka"}[j], "topic": []string{"", "", longOperation}[j], "rate": 12345.6, "mean": 1.23, "hot": to == 9})
			}
		}
	}
	for i := range 30 {
		entries = append(entries, object{"operation": fmt.Sprint(longOperation, i), "flow": []string{"request", "async"}[i%2], "rate": 12345.6, "mean": 12.3, "baseline": 0.012, "added": 12.288, "spiking": i < 4})
	}
	for i := range 12 {
		slos = append(slos, object{"name": fmt.Sprint("availability-of-recommendations-for-anonymous-visitors-", i), "service": numbered(i), "objective": 0.9995, "errors": 0.4, "burn_fast": 812.3, "burn_slow": 12.3})
		alerts = append(alerts, object{"name": "EntryWithAVeryLongNameBurnsItsErrorBudgetTooFast", "state": "firing", "severity": "page", "summary": longOperation + " is slower than its baseline: " + numbered(i) + " carries +4200 ms",
			"since": "2026-11-26T20:20:20Z", "labels": object{}, "traces": "/search", "dashboard": "/d/tenhop-overview", "runbook": fmt.Sprint("https://wiki.example/", i)})
	}
	s["hops"], s["edges"], s["entries"], s["slos"], s["alerts"] = hops, edges, entries, slos, alerts
	return encoded(t, s)
}
