package lokiapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/stack/logstore"
	"github.com/tenhop/tenhop/stack/lokiapi"
)

var epoch = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func serve(t *testing.T) string {
	t.Helper()
	srv := httptest.NewServer(handler(t, writeTen(t)))
	t.Cleanup(srv.Close)
	return srv.URL
}

// writeTen writes ten lines of two services, a second apart.
func writeTen(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, service := range []string{"payment", "order"} {
		var b strings.Builder
		for i := range 10 {
			level := "info"
			if i == 9 {
				level = "error"
			}
			fmt.Fprintf(&b, `{"level":%q,"service":%q,"time":%q,"status":%d,"message":"m%d"}`+"\n",
				level, service, epoch.Add(time.Duration(i)*time.Second).Format(time.RFC3339Nano), 200+i, i)
		}
		if err := os.WriteFile(filepath.Join(dir, service+".jsonl"), []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func handler(t *testing.T, dir string) http.Handler {
	t.Helper()
	store, err := logstore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	if err := store.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	return lokiapi.Handler(store)
}

func ask(t *testing.T, base, path string, params ...string) (int, string) {
	t.Helper()
	q := url.Values{"start": {fmt.Sprint(epoch.UnixNano())}, "end": {fmt.Sprint(epoch.Add(time.Minute).UnixNano())}}
	for i := 0; i < len(params); i += 2 {
		q.Set(params[i], params[i+1])
	}
	resp, err := http.Get(base + path + "?" + q.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func data(t *testing.T, body string) map[string]any {
	t.Helper()
	var v struct {
		Status string
		Data   map[string]any
	}
	if err := json.Unmarshal([]byte(body), &v); err != nil || v.Status != "success" {
		t.Fatalf("%v: %s", err, body)
	}
	return v.Data
}

func TestLinesComeNewestFirstInStreams(t *testing.T) {
	_, body := ask(t, serve(t), "/loki/api/v1/query_range", "query", `{service_name="payment", level="info"} != "m3"`, "limit", "3")
	want := map[string]any{
		"resultType": "streams", "stats": map[string]any{},
		"result": []any{map[string]any{
			"stream": map[string]any{"service_name": "payment", "service": "payment", "level": "info", "job": "tenhop"},
			"values": []any{
				[]any{fmt.Sprint(epoch.Add(8 * time.Second).UnixNano()), `{"level":"info","service":"payment","time":"2026-11-23T12:00:08Z","status":208,"message":"m8"}`},
				[]any{fmt.Sprint(epoch.Add(7 * time.Second).UnixNano()), `{"level":"info","service":"payment","time":"2026-11-23T12:00:07Z","status":207,"message":"m7"}`},
				[]any{fmt.Sprint(epoch.Add(6 * time.Second).UnixNano()), `{"level":"info","service":"payment","time":"2026-11-23T12:00:06Z","status":206,"message":"m6"}`},
			},
		}},
	}
	if got := data(t, body); !reflect.DeepEqual(got, want) {
		t.Errorf("%v\nwant %v", got, want)
	}
}

func TestMetricOverARange(t *testing.T) {
	_, body := ask(t, serve(t), "/loki/api/v1/query_range",
		"query", `sum by (level) (count_over_time({service_name=~"payment|order"}[10s]))`, "step", "3",
		"start", fmt.Sprint(epoch.Add(9*time.Second).Unix()), "end", fmt.Sprint(epoch.Add(9*time.Second).Unix()))
	want := []any{
		map[string]any{"metric": map[string]any{"level": "error"}, "values": []any{[]any{1.795435209e9, "2"}}},
		map[string]any{"metric": map[string]any{"level": "info"}, "values": []any{[]any{1.795435209e9, "18"}}},
	}
	if got := data(t, body)["result"]; !reflect.DeepEqual(got, want) {
		t.Errorf("%v\nwant %v", got, want)
	}
}

func TestInstantMetric(t *testing.T) {
	_, body := ask(t, serve(t), "/loki/api/v1/query", "query", `sum(rate({service_name="order"}[20s]))`, "time", epoch.Add(9*time.Second).Format(time.RFC3339))
	want := []any{map[string]any{"metric": map[string]any{}, "value": []any{1.795435209e9, "0.5"}}}
	if got := data(t, body)["result"]; !reflect.DeepEqual(got, want) {
		t.Errorf("%v\nwant %v", got, want)
	}
}

func TestLabelsValuesAndSeries(t *testing.T) {
	base := serve(t)
	for path, want := range map[string]string{
		"/loki/api/v1/labels":                    `{"data":["job","level","service","service_name"],"status":"success"}`,
		"/loki/api/v1/label/service_name/values": `{"data":["order","payment"],"status":"success"}`,
		"/loki/api/v1/label/nothing/values":      `{"data":[],"status":"success"}`,
		"/ready":                                 "ready",
	} {
		if code, body := ask(t, base, path); code != 200 || strings.TrimSpace(body) != want {
			t.Errorf("%s: %d %s, want %s", path, code, body, want)
		}
	}
	if _, body := ask(t, base, "/loki/api/v1/series", "match[]", `{service_name="order"}`); strings.Contains(body, "payment") || !strings.Contains(body, "order") {
		t.Error(body)
	}
}

func TestBadRequestsSayWhy(t *testing.T) {
	base := serve(t)
	for want, params := range map[string][]string{
		"parse error":        {"query", `{service_name=}`},
		"limit must be":      {"query", `{a="b"}`, "limit", "0"},
		"direction must be":  {"query", `{a="b"}`, "direction", "up"},
		"is no time":         {"query", `{a="b"}`, "start", "yesterday"},
		"end is before":      {"query", `{a="b"}`, "start", "2000000000000000000", "end", "1000000000000000000"},
		"is no step":         {"query", `rate({a="b"}[1m])`, "step", "fast"},
		"must be positive":   {"query", `rate({a="b"}[1m])`, "step", "1e-12"},
		"maximum resolution": {"query", `rate({a="b"}[1m])`, "step", "0.001"},
	} {
		if code, body := ask(t, base, "/loki/api/v1/query_range", params...); code != 400 || !strings.Contains(body, want) {
			t.Errorf("%v: %d %s, want %q", params, code, body, want)
		}
	}
}

// TestTimeIsUp: what the time did not suffice for is an error in Loki's words,
// never half an answer.
func TestTimeIsUp(t *testing.T) {
	h := handler(t, writeTen(t))
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	gone, leave := context.WithCancel(t.Context())
	leave()
	for _, c := range []struct {
		ctx  context.Context
		code int
		want string
	}{
		{late, http.StatusGatewayTimeout, "Request timed out, decrease the duration of the request"},
		{gone, 499, "The request was cancelled by the client."},
	} {
		for _, query := range []string{`{service_name="payment"}`, `rate({service_name="payment"}[1m])`, `{service_name="nobody"}`} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequestWithContext(c.ctx, http.MethodGet, "/loki/api/v1/query_range?"+url.Values{"query": {query}}.Encode(), nil))
			if w.Code != c.code || !strings.Contains(w.Body.String(), c.want) {
				t.Errorf("%s: %d %s", query, w.Code, w.Body)
			}
		}
	}
}

// TestAnswerIsBounded: a limit counts lines, but lines may be long.
func TestAnswerIsBounded(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("x", 90<<10)
	for file := range 8 {
		var b strings.Builder
		for i := range 100 {
			fmt.Fprintf(&b, `{"level":"info","service":"payment","time":%q,"message":%q}`+"\n", epoch.Add(time.Duration(100*file+i)*time.Second/20).Format(time.RFC3339Nano), long)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("payment-%d.jsonl", file)), []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	srv := httptest.NewServer(handler(t, dir))
	defer srv.Close()
	if code, body := ask(t, srv.URL, "/loki/api/v1/query_range", "query", `{service_name="payment"}`, "limit", "5000"); code != 400 || !strings.Contains(body, "more than 64 MiB") {
		t.Errorf("%d %.200s", code, body)
	}
	if code, body := ask(t, srv.URL, "/loki/api/v1/query_range", "query", `{service_name="payment"}`, "limit", "2"); code != 200 {
		t.Errorf("%d %.200s", code, body)
	}
}

// TestWholeOfTime: clients ask from the first moment there is to the last.
func TestWholeOfTime(t *testing.T) {
	base := serve(t)
	for _, query := range []string{`{service_name="payment"}`, `count_over_time({service_name="payment"}[1y])`} {
		code, body := ask(t, base, "/loki/api/v1/query_range", "query", query, "start", "0001-01-01T00:00:00Z", "end", "9999-12-31T23:59:59Z", "step", "1000000")
		if code != 200 || len(data(t, body)["result"].([]any)) != 2 {
			t.Errorf("%s: %d %.300s", query, code, body)
		}
	}
}
