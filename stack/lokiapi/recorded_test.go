package lokiapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// recording is a request and what Loki answered to it.
type recording struct {
	Path   string            `json:"path"`
	Params map[string]string `json:"params"`
	Status int               `json:"status"`
	Answer any               `json:"answer,omitempty"` // data without statistics; nil for an error
}

var recordings = filepath.Join("testdata", "loki.json")

// recorded lists the requests whose answers are recorded: what Grafana's data source and
// the dashboards ask. The values of the label level are left out: ours are those that
// exist, Loki's those that it has seen.
func recorded() []recording {
	at := func(s int) string { return fmt.Sprint(epoch.Add(time.Duration(s) * time.Second).UnixNano()) }
	over := func(query string, more ...string) map[string]string {
		p := map[string]string{"query": query, "start": at(0), "end": at(60)}
		for i := 0; i < len(more); i += 2 {
			p[more[i]] = more[i+1]
		}
		return p
	}
	const streams, instant = "/loki/api/v1/query_range", "/loki/api/v1/query"
	return []recording{
		{Path: streams, Params: over(`{service_name="payment"}`)},
		{Path: streams, Params: over(`{service_name="payment"}`, "direction", "forward", "limit", "4")},
		{Path: streams, Params: over(`{service_name="payment", level="info"} != "m3"`, "limit", "3")},
		{Path: streams, Params: over(`{service_name=~"pay.*|order"} |~ "m[1-2]"`)},
		{Path: streams, Params: over(`{service_name="order"} |= "m9" or "m8"`)},
		{Path: streams, Params: over(`{level="error"}`)},
		{Path: streams, Params: over(`{service_name="absent"}`)},
		{Path: streams, Params: over(`sum by (level) (count_over_time({service_name=~"payment|order"}[10s]))`, "step", "30", "start", at(9), "end", at(9))},
		{Path: streams, Params: over(`sum(rate({service_name="order"} | json | status >= 205 [20s]))`, "step", "10", "start", at(10), "end", at(40))},
		{Path: instant, Params: map[string]string{"query": `sum(rate({service_name="order"}[20s]))`, "time": at(9)}},
		{Path: instant, Params: map[string]string{"query": `sum by (service_name) (count_over_time({job="tenhop"}[1m]))`, "time": at(30)}},
		{Path: "/loki/api/v1/label/service_name/values", Params: map[string]string{"start": at(0), "end": at(60)}},
		{Path: streams, Params: over(`{service_name="payment"`)},
		{Path: streams, Params: over(`{}`)},
		{Path: streams, Params: over(`{service_name=~".*"}`)},
		{Path: streams, Params: map[string]string{}},
	}
}

// TestAnswersAreLokis asks for what Loki 3.6 was asked for, with the same lines, and wants
// its answers. With TENHOP_LOKI_BIN, a Loki of that name answers and is recorded.
func TestAnswersAreLokis(t *testing.T) {
	if bin := os.Getenv("TENHOP_LOKI_BIN"); bin != "" {
		record(t, bin)
	}
	content, err := os.ReadFile(recordings)
	if err != nil {
		t.Fatal(err)
	}
	var all []recording
	if err := json.Unmarshal(content, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != len(recorded()) {
		t.Fatalf("%d answers are recorded for %d requests: record again", len(all), len(recorded()))
	}
	base := serve(t)
	for _, want := range all {
		got := get(t, base, want, 0)
		if got.Status != want.Status || !reflect.DeepEqual(got.Answer, want.Answer) {
			t.Errorf("%s %s: %d %v\nLoki: %d %v", want.Path, want.Params["query"], got.Status, got.Answer, want.Status, want.Answer)
		}
	}
}

// get asks for r, later by a duration, and returns it with the answer, its times earlier by
// that.
func get(t *testing.T, base string, r recording, later time.Duration) recording {
	t.Helper()
	q := url.Values{}
	for k, v := range r.Params {
		if k == "start" || k == "end" || k == "time" {
			ns, err := strconv.ParseInt(v, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			v = fmt.Sprint(ns + int64(later))
		}
		q.Set(k, v)
	}
	resp, err := http.Get(base + r.Path + "?" + q.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	r.Status, r.Answer = resp.StatusCode, nil
	if r.Status != http.StatusOK {
		return r
	}
	var answer struct{ Data any }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatalf("%s: %v", r.Path, err)
	}
	if data, ok := answer.Data.(map[string]any); ok {
		delete(data, "stats")
		if list, ok := data["result"].([]any); ok {
			slices.SortFunc(list, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		}
	}
	r.Answer = earlier(answer.Data, later)
	return r
}

// earlier moves the times of an answer: those of pairs of a time and a value.
func earlier(v any, by time.Duration) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = earlier(v[k], by)
		}
	case []any:
		if len(v) == 0 {
			return v
		}
		if seconds, ok := v[0].(float64); ok && len(v) == 2 {
			return []any{seconds - by.Seconds(), v[1]}
		}
		if text, ok := v[0].(string); ok && len(v) == 2 {
			if ns, err := strconv.ParseInt(text, 10, 64); err == nil {
				return []any{fmt.Sprint(ns - int64(by)), v[1]}
			}
		}
		for i := range v {
			v[i] = earlier(v[i], by)
		}
	}
	return v
}

// record pushes the lines of writeTen to a Loki and writes its answers.
func record(t *testing.T, bin string) {
	t.Helper()
	base := loki(t, bin)
	later := time.Since(epoch.Add(2 * time.Minute)).Truncate(time.Minute) // Loki asks its ingesters for hours only
	for _, service := range []string{"payment", "order"} {
		content, err := os.ReadFile(filepath.Join(writeTen(t), service+".jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(strings.TrimSpace(string(content)), "\n") {
			var fields struct{ Level string }
			if err := json.Unmarshal([]byte(line), &fields); err != nil {
				t.Fatal(err)
			}
			body, err := json.Marshal(map[string]any{"streams": []any{map[string]any{
				"stream": map[string]string{"service_name": service, "service": service, "level": fields.Level, "job": "tenhop"},
				"values": [][]string{{fmt.Sprint(epoch.Add(later + time.Duration(i)*time.Second).UnixNano()), line}},
			}}})
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.Post(base+"/loki/api/v1/push", "application/json", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusNoContent {
				t.Fatalf("push: %s", resp.Status)
			}
		}
	}
	all := recorded()
	for i := range all {
		all[i] = get(t, base, all[i], later)
	}
	content, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(recordings, append(content, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
}

// loki starts a Loki with the repository's configuration and returns its URL.
func loki(t *testing.T, bin string) string {
	t.Helper()
	content, err := os.ReadFile("../../deploy/loki/loki.yaml")
	if err != nil {
		t.Fatal(err)
	}
	free := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		_, port, _ := net.SplitHostPort(l.Addr().String())
		return port
	}
	dir, port := t.TempDir(), free()
	text := strings.NewReplacer("http_listen_port: 3100", "http_listen_address: 127.0.0.1, grpc_listen_address: 127.0.0.1, http_listen_port: "+port+", grpc_listen_port: "+free(),
		"/loki", dir, "path_prefix:", "instance_addr: 127.0.0.1\n  path_prefix:", "allow_structured_metadata: true", "allow_structured_metadata: true\n  discover_service_name: []\n  discover_log_levels: false").Replace(string(content))
	file := filepath.Join(dir, "loki.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	cmd := exec.CommandContext(t.Context(), bin, "-config.file="+file)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("Loki:\n%.4000s", said.String())
		}
	})
	base := "http://127.0.0.1:" + port
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(500 * time.Millisecond) {
		if resp, err := http.Get(base + "/ready"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return base
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("Loki is not ready after two minutes")
		}
	}
}
