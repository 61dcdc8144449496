package promserver_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// One request must not end the process, nor hold it for long.
func TestQueriesAreBounded(t *testing.T) {
	s, u := open(t, t.TempDir())
	defer closeServer(t, s)
	now := time.Now()
	nest := func(query, before, after string, times int) string {
		return strings.Repeat(before, times) + query + strings.Repeat(after, times)
	}
	evaluating := []string{"query", "query_range"}
	answering := append([]string{"format_query", "parse_query"}, evaluating...)
	parsing := append([]string{"query_exemplars"}, answering...)
	ask := func(path, query string) (code int, body string) {
		t.Helper()
		began := time.Now()
		resp, err := http.PostForm(u+"/api/v1/"+path, url.Values{"query": {query}, "start": {now.Add(-time.Minute).Format(time.RFC3339)}, "end": {now.Format(time.RFC3339)}, "step": {"15"}})
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s %.60s: took %v", path, query, took)
		}
		return resp.StatusCode, string(b)
	}
	for name, c := range map[string]struct {
		query string
		paths []string
	}{
		"points":           {`max_over_time((vector(1))[10y:1ms])`, evaluating},
		"points, default":  {`max_over_time((vector(1))[10y:])`, evaluating},
		"points, time":     {`max_over_time(time()[10y:1ms])`, evaluating},
		"points, nested":   {`max_over_time(sum_over_time((vector(1))[1s:1ms])[10y:1m])`, evaluating},
		"points, matching": {`vector(1) + on() max_over_time((vector(1))[10y:1ms])`, evaluating},
		"labels":           {nest(`label_replace(vector(1),"a","xxxxxxxx","","")`, `label_replace(`, `,"a","$1$1$1$1$1$1$1$1","a","(.*)")`, 12), evaluating},
		"labels, named":    {nest(`label_replace(vector(1),"a","xxxxxxxx","","")`, `label_replace(`, `,"a","${n}${n}","a","(?P<n>.*)")`, 40), evaluating},
		"labels, joined":   {nest(`label_replace(vector(1),"a","xxxxxxxx","","")`, `label_join(`, `,"a","","a","a","a","a")`, 20), evaluating},
		"labels, hidden":   {nest(`label_replace(vector(1),"a","xxxxxxxx","","")`, `label_replace(`, `,"a",("$1$1$1$1$1$1$1$1"),"a","(.*)")`, 12), evaluating},
		"parentheses":      {nest("1", "(", ")", 300), parsing},
		"32 KB of them":    {nest("1", "(", ")", 16_000), parsing},
		"calls":            {nest("vector(1)", "abs(", ")", 5_000), parsing},
		"terms":            {"1" + strings.Repeat("+1", 16_000), parsing},
		"terms, on top":    {strings.Repeat("1^", 16_000) + "1", parsing},
		"signs":            {strings.Repeat("-", 32_000) + "1", parsing},
		"formatting":       {nest(strings.Repeat("x", 30_000)+strings.Repeat("+1", 500), "(", ")", 100), []string{"format_query"}},
		"a long string":    {`"` + strings.Repeat("x", 1<<20) + `"`, parsing},
	} {
		for _, path := range c.paths {
			if code, body := ask(path, c.query); code != http.StatusBadRequest && code != http.StatusUnprocessableEntity {
				t.Errorf("%s %s: %d %.200s", path, name, code, body)
			}
		}
	}
	for query, paths := range map[string][]string{
		`max_over_time(sum_over_time((vector(1))[5m:15s])[1d:1m])`:                         answering,
		`label_replace(label_join(vector(1),"a","/","b","c"),"d","$1-$2","a","(.*)/(.*)")`: answering,
		`count_values("value", vector(1))`:                                                 answering,
		strings.Repeat("vector(1) or ", 200) + "vector(1)":                                 answering,
		strings.Repeat("vector(1) or ", 500) + "vector(1)":                                 append([]string{"parse_query"}, evaluating...),
		nest(strings.Repeat("x", 30_000)+strings.Repeat("+1", 80), "(", ")", 100):          answering,
		nest(strings.Repeat("x", 30_000)+strings.Repeat("+1", 500), "(", ")", 100):         append([]string{"parse_query"}, evaluating...),
	} {
		for _, path := range paths {
			if code, body := ask(path, query); code != http.StatusOK || !strings.Contains(body, `"success"`) {
				t.Errorf("%s %.60s: %d %.200s", path, query, code, body)
			}
		}
	}
}
