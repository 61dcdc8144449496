package acceptance_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/internal/uptest"
)

// vocabulary is the set of names in telemetry, into which a fault could leak.
type vocabulary map[string]bool

// checkLeak compares the names in spans, metrics and logs with and without latency
// faults. A fault must not add a name.
func checkLeak(t *testing.T, s *storefront) {
	quiet := vocabulary{}
	quiet.read(t, s, s.began)
	from := time.Now()
	s.must("chaos", "inject", "payment", "--latency", "80ms", "--jitter", "20ms", "--for", "60s")
	s.must("chaos", "inject", "inventory", "--latency", "80ms", "--match", "region=eu", "--for", "60s")
	until(t, time.Minute, "traffic under faults", func() error {
		traces, err := s.checkouts(context.Background(), from, 60)
		if err == nil && len(traces) < 50 {
			err = fmt.Errorf("%d traces", len(traces))
		}
		return err
	})
	faulty := vocabulary{}
	faulty.read(t, s, from)
	s.must("chaos", "clear")
	var added []string
	for name := range faulty {
		if !quiet[name] && !connecting[name] {
			added = append(added, name)
		}
	}
	slices.Sort(added)
	figure(t, len(added) == 0, "names in telemetry that only a fault brings", "0", "%d of %d %v", len(added), len(faulty), added)
}

// connecting has the names of spans of opening a connection. A pool opens one at
// any time, also for the first time while requests take longer.
var connecting = vocabulary{"span HELLO": true, "span CONNECT": true}

var giveaway = regexp.MustCompile(uptest.Giveaway)

func TestGiveaway(t *testing.T) {
	for word, told := range map[string]bool{
		"chaos_id": true, "fault_kind": true, "tenhop_fault": true, "faultInjected": true, "error_injected": true, "isSealed": true,
		"default": false, "defaults": false, "UNAVAILABLE": false, "service unavailable": false,
	} {
		if giveaway.MatchString(word) != told {
			t.Errorf("%q: told %v, want %v", word, !told, told)
		}
	}
}

// checkErrorLeak injects errors. They add the names of any error to telemetry, but
// no name or value may distinguish them from real ones.
func checkErrorLeak(t *testing.T, s *storefront) {
	from := time.Now()
	s.must("chaos", "inject", "payment", "--error", "UNAVAILABLE", "--for", "60s")
	s.must("chaos", "inject", "fraud", "--error", "503", "--percent", "50", "--for", "60s")
	var failed []byte
	until(t, time.Minute, "failed requests in the traces", func() error {
		failed = get(t, s.state.Endpoints["jaeger"]+"/api/traces?limit=300&service=payment&tags="+url.QueryEscape(`{"error":"true"}`)+
			"&start="+micros(from)+"&end="+micros(time.Now()))
		if n := bytes.Count(failed, []byte(`"traceID"`)); n < 50 {
			return fmt.Errorf("%d spans", n)
		}
		return nil
	})
	lines := failedLines(t, s, from)
	s.must("chaos", "clear")
	told := giveaway.FindAll(failed, 5)
	for _, l := range lines {
		told = append(told, giveaway.FindAll(l, 5)...)
	}
	figure(t, len(told) == 0 && len(lines) > 0, "words that tell an injected error from a real one", "0", "%d in %d kB of failed traces and %d log lines %s",
		len(told), len(failed)>>10, len(lines), bytes.Join(told, []byte(" ")))
}

// failedLines returns the log lines since from of the services on the failing path.
func failedLines(t *testing.T, s *storefront, from time.Time) [][]byte {
	t.Helper()
	var out [][]byte
	for _, service := range []string{"payment", "fraud", "order", "checkout", "gateway"} {
		b, err := os.ReadFile(filepath.Join(s.dir, ".tenhop", "logs", service+".jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(b) {
			var fields struct{ Time time.Time }
			if json.Unmarshal(line, &fields) == nil && !fields.Time.Before(from.Truncate(time.Second)) {
				out = append(out, line)
			}
		}
	}
	return out
}

func (v vocabulary) read(t *testing.T, s *storefront, from time.Time) {
	t.Helper()
	v.spans(t, s, from)
	v.metrics(t, s)
	v.logs(t, s, from)
}

func (v vocabulary) spans(t *testing.T, s *storefront, from time.Time) {
	t.Helper()
	for _, service := range customersPath {
		var answer struct {
			Data []struct {
				Spans []struct {
					OperationName string
					Tags          []struct{ Key string }
					Logs          []struct {
						Fields []struct {
							Key   string
							Value any
						}
					}
				}
			}
		}
		getJSON(t, s.state.Endpoints["jaeger"]+"/api/traces?limit=300&service="+service+"&start="+micros(from)+"&end="+micros(time.Now()), &answer)
		for _, tr := range answer.Data {
			for _, sp := range tr.Spans {
				v["span "+sp.OperationName] = true
				for _, tag := range sp.Tags {
					v["attribute "+tag.Key] = true
				}
				for _, l := range sp.Logs {
					for _, f := range l.Fields {
						v["event field "+f.Key] = true
					}
				}
			}
		}
	}
}

// volatile has labels whose values change without a fault: bucket bounds, and those
// of alerts.
var volatile = map[string]bool{"le": true, "quantile": true, "alertname": true, "alertstate": true, "severity": true, "kind": true, "entry": true}

func (v vocabulary) metrics(t *testing.T, s *storefront) {
	t.Helper()
	var labels struct{ Data []string }
	getJSON(t, s.state.Endpoints["prometheus"]+"/api/v1/labels", &labels)
	for _, label := range labels.Data {
		v["label "+label] = true
		if volatile[label] {
			continue
		}
		var answer struct{ Data []string }
		getJSON(t, s.state.Endpoints["prometheus"]+"/api/v1/label/"+label+"/values", &answer)
		for _, name := range answer.Data {
			v["metric "+label+" "+name] = true
		}
	}
}

func (v vocabulary) logs(t *testing.T, s *storefront, from time.Time) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, ".tenhop", "logs", "*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		sc := bufio.NewScanner(f)
		sc.Buffer(nil, 4<<20)
		for sc.Scan() {
			var fields map[string]any
			if json.Unmarshal(sc.Bytes(), &fields) != nil {
				continue
			}
			if stamp, err := time.Parse(time.RFC3339, text(fields["time"])); err == nil && stamp.Before(from.Truncate(time.Second)) {
				continue
			}
			for key := range fields {
				v["log key "+key] = true
			}
			v["log message "+text(fields["message"])] = true
		}
		if err := sc.Err(); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		f.Close()
	}
}

func text(v any) string { s, _ := v.(string); return strings.TrimSpace(s) }

func getJSON(t *testing.T, url string, into any) {
	t.Helper()
	if err := json.Unmarshal(get(t, url), into); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, url string) []byte {
	t.Helper()
	client := http.Client{Timeout: 30 * time.Second}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", url, resp.Status, err)
	}
	return body
}
