package lokiapi_test

import (
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
	store, err := logstore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	if err := store.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(lokiapi.Handler(store))
	t.Cleanup(srv.Close)
	return srv.URL
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
		"query", `sum by (level) (count_over_time({service_name=~"payment|order"}[10s]))`, "step", "30",
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
		"maximum resolution": {"query", `rate({a="b"}[1m])`, "step", "0.001"},
	} {
		if code, body := ask(t, base, "/loki/api/v1/query_range", params...); code != 400 || !strings.Contains(body, want) {
			t.Errorf("%v: %d %s, want %q", params, code, body, want)
		}
	}
}
