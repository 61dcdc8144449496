package promserver_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// One request must not end the process, nor hold it for long.
func TestQueriesAreBounded(t *testing.T) {
	s, u := open(t, t.TempDir())
	defer s.Close()
	now := time.Now()
	nest := func(query, before, after string, times int) string {
		return strings.Repeat(before, times) + query + strings.Repeat(after, times)
	}
	for name, q := range map[string]string{
		"points":           `max_over_time((vector(1))[10y:1ms])`,
		"points, default":  `max_over_time((vector(1))[10y:])`,
		"points, time":     `max_over_time(time()[10y:1ms])`,
		"points, nested":   `max_over_time(sum_over_time((vector(1))[1s:1ms])[10y:1m])`,
		"points, matching": `vector(1) + on() max_over_time((vector(1))[10y:1ms])`,
		"labels":           nest(`label_replace(vector(1),"a","xxxxxxxx","","")`, `label_replace(`, `,"a","$1$1$1$1$1$1$1$1","a","(.*)")`, 12),
		"labels, named":    nest(`label_replace(vector(1),"a","xxxxxxxx","","")`, `label_replace(`, `,"a","${n}${n}","a","(?P<n>.*)")`, 40),
		"labels, joined":   nest(`label_replace(vector(1),"a","xxxxxxxx","","")`, `label_join(`, `,"a","","a","a","a","a")`, 20),
		"labels, hidden":   nest(`label_replace(vector(1),"a","xxxxxxxx","","")`, `label_replace(`, `,"a",("$1$1$1$1$1$1$1$1"),"a","(.*)")`, 12),
		"parentheses":      nest("1", "(", ")", 20_000),
		"terms":            "1" + strings.Repeat("+1", 50_000),
		"a long string":    `"` + strings.Repeat("x", 1<<20) + `"`,
	} {
		for _, path := range []string{"/api/v1/query", "/api/v1/query_range", "/api/v1/format_query", "/api/v1/parse_query"} {
			if strings.HasSuffix(path, "e_query") || strings.HasSuffix(path, "t_query") {
				if len(q) < 100_000 { // parsing these is cheap
					continue
				}
			}
			began := time.Now()
			resp, err := http.PostForm(u+path, url.Values{"query": {q}, "start": {now.Add(-time.Minute).Format(time.RFC3339)}, "end": {now.Format(time.RFC3339)}, "step": {"15"}})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusBadRequest && resp.StatusCode != http.StatusUnprocessableEntity {
				t.Errorf("%s %s: %s", path, name, resp.Status)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("%s %s: took %v", path, name, took)
			}
		}
	}
	for _, q := range []string{
		`max_over_time(sum_over_time((vector(1))[5m:15s])[1d:1m])`,
		`label_replace(label_join(vector(1),"a","/","b","c"),"d","$1-$2","a","(.*)/(.*)")`,
		strings.Repeat("vector(1) or ", 500) + "vector(1)",
	} {
		if got := body(t, u+"/api/v1/query?query="+url.QueryEscape(q)); !strings.Contains(got, `"success"`) {
			t.Errorf("%.60s: %.200s", q, got)
		}
	}
}
