package promserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

// TestLabelsOfQueriesAreBounded composes long labels for 2,000 series.
func TestLabelsOfQueriesAreBounded(t *testing.T) {
	const all = `{__name__=~"series_.+"}`
	s, now := openServer(t), time.Now()
	var names []string
	for i := range 2000 {
		names = append(names, fmt.Sprintf("series_%d", i))
	}
	md := gauges(now.Add(-time.Second), append(names, "long")...)
	metrics := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics()
	for i, name := range names {
		metrics.At(i).Gauge().DataPoints().At(0).Attributes().PutStr("name", name)
	}
	metrics.At(len(names)).Gauge().DataPoints().At(0).Attributes().PutStr("a", strings.Repeat("x", 50<<10))
	if err := s.WriteOTLP(t.Context(), md); err != nil {
		t.Fatal(err)
	}
	h := s.Handler()
	ask := func(q string, over time.Duration) *httptest.ResponseRecorder {
		v := url.Values{"query": {q}, "time": {unix(now)}}
		path := "/api/v1/query?"
		if over > 0 {
			v, path = url.Values{"query": {q}, "start": {unix(now.Add(-over))}, "end": {unix(now)}, "step": {"1"}}, "/api/v1/query_range?"
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path+v.Encode(), nil))
		return w
	}
	letters := func(n int) string { return strings.Repeat("x", n) }
	several := strings.Repeat("label_replace(", 90) + all
	for i := range 90 {
		several += fmt.Sprintf(`,"a%d","%s","__name__","(.*)")`, i, strings.Repeat("$1", 80))
	}
	for name, c := range map[string]struct {
		query string
		over  time.Duration
	}{
		"a replacement that repeats a literal": {`label_replace(label_replace(` + all + `,"a","` + letters(15<<10) + `","",""),"a","` + strings.Repeat("$1", 999) + `","a","(.*)")`, 0},
		"a separator":                          {`label_join(` + all + `,"a","` + letters(27<<10) + `"` + strings.Repeat(`,"b"`, 900) + `)`, 0},
		"a literal":                            {`label_replace(` + all + `,"a","` + letters(30<<10) + `","","")`, 0},
		"the name of a label":                  {`label_replace(` + all + `,"` + letters(30<<10) + `","x","","")`, 0},
		"several labels":                       {several, 0},
		"one that is copied to many series":    {all + ` * on() group_left(a) label_replace(vector(1),"a","` + letters(30<<10) + `","","")`, 0},
		"a stored one, copied to many series":  {all + ` * on() group_left(a) long`, 0},
		"a series for each value":              {`label_replace(count_values("v",vector(time())),"a","` + letters(30<<10) + `","","")`, 1000 * time.Second},
		"a series for each value of a subquery": {
			`max_over_time(label_replace(count_values("v",vector(time())),"a","` + letters(30<<10) + `","","")[1000s:1s])`, 0},
		"the name of a label for each value": {`count_values("` + letters(30<<10) + `",vector(time()))`, 1000 * time.Second},
	} {
		w := ask(c.query, c.over)
		if w.Code == http.StatusOK || !strings.Contains(w.Body.String(), "MiB in all") && !strings.Contains(w.Body.String(), "bytes, more than") {
			t.Errorf("%s: %d, %d bytes: %.300s", name, w.Code, w.Body.Len(), w.Body)
		}
	}
	for _, q := range []string{
		`count(label_replace(label_join(` + all + `,"a","/","__name__","service_name"),"d","$1-$2","a","(.*)/(.*)"))`,
		`count(` + all + ` * on() group_left(service_name) label_replace(vector(1),"service_name","y","",""))`,
		`count(count_values("value",` + all + `))`,
		`count(label_replace(long,"b","$1$1","a","(.*)"))`,
	} {
		if w := ask(q, 0); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"success"`) {
			t.Errorf("%s: %d %.300s", q, w.Code, w.Body)
		}
	}
}

func unix(at time.Time) string { return strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', 3, 64) }

// TestOwnQueriesAreInTheBounds evaluates the dashboards and the rules for 20,000 series, whose
// longest label has 100 bytes.
func TestOwnQueriesAreInTheBounds(t *testing.T) {
	var queries []string
	variables := strings.NewReplacer("$__rate_interval", "1m", "$__range", "15m", "$__interval", "15s")
	variable := regexp.MustCompile(`\$\{?[a-z]\w*\}?`)
	for _, file := range glob(t, "../../dashboards/*.json") {
		var dashboard any
		if err := json.Unmarshal(read(t, file), &dashboard); err != nil {
			t.Fatal(err)
		}
		for _, expr := range expressions(dashboard) {
			queries = append(queries, variable.ReplaceAllString(variables.Replace(expr), ".*"))
		}
	}
	p := parser.NewParser(parser.Options{})
	for _, file := range glob(t, "../../alerts/*.yaml") {
		groups, errs := rulefmt.Parse(read(t, file), false, model.LegacyValidation, p, nil)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		for _, g := range groups.Groups {
			for _, r := range g.Rules {
				queries = append(queries, r.Expr)
			}
		}
	}
	parsed, composing := 0, 0
	long := labels.FromStrings("a", strings.Repeat("x", 100))
	for _, q := range queries {
		if err := checkText(q, true); err != nil {
			t.Errorf("%v: %s", err, q)
		}
		if _, err := p.ParseExpr(q); err != nil {
			continue // it is LogQL
		}
		parsed++
		bounded, err := boundedEngine{parser: p, step: time.Minute}.bound(nil, q, 24*time.Hour, 1440)
		if err != nil {
			t.Errorf("%v: %s", err, q)
			continue
		}
		m, ok := bounded.(measuredQueryable)
		if !ok {
			continue
		}
		composing++
		m.budget.series += 20_000
		if err := m.budget.add(long); err != nil {
			t.Errorf("%v: %s", err, q)
		}
	}
	if parsed < len(queries)*9/10 || composing < 20 {
		t.Errorf("of %d queries, %d were parsed and %d compose labels", len(queries), parsed, composing)
	}
}

// expressions returns the values of all keys expr.
func expressions(v any) (found []string) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			found = append(found, expressions(e)...)
		}
	case map[string]any:
		for key, e := range v {
			if s, ok := e.(string); ok && key == "expr" {
				found = append(found, s)
			}
			found = append(found, expressions(e)...)
		}
	}
	return found
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v, %v", pattern, files, err)
	}
	return files
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
