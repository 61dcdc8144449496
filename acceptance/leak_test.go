package acceptance

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// vocabulary is every name that telemetry uses: what a fault could leak into.
type vocabulary map[string]bool

// checkLeak compares the names in spans, metrics and logs with and without
// faults: a fault must not add one. Latency and an error at a share of requests
// are in force together.
func checkLeak(t *testing.T, s *storefront) {
	quiet := vocabulary{}
	quiet.read(t, s, s.began)
	from := time.Now()
	s.must("chaos", "inject", "payment", "--latency", "80ms", "--jitter", "20ms", "--for", "60s")
	s.must("chaos", "inject", "inventory", "--latency", "80ms", "--match", "region=eu", "--for", "60s")
	until(t, time.Minute, "traffic under faults", func() error {
		traces, err := s.checkouts(context.Background(), from, 60)
		if err == nil && len(traces) < 50 {
			err = io.ErrShortBuffer
		}
		return err
	})
	faulty := vocabulary{}
	faulty.read(t, s, from)
	s.must("chaos", "clear")
	var added []string
	for name := range faulty {
		if !quiet[name] {
			added = append(added, name)
		}
	}
	slices.Sort(added)
	figure(t, len(added) == 0, "names in telemetry that only a fault brings", "0", "%d of %d %v", len(added), len(faulty), added)
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

func (v vocabulary) metrics(t *testing.T, s *storefront) {
	t.Helper()
	for _, label := range []string{"__name__", "operation", "error_type"} {
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
		for sc := bufio.NewScanner(f); sc.Scan(); {
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
		f.Close()
	}
}

func text(v any) string { s, _ := v.(string); return strings.TrimSpace(s) }

func getJSON(t *testing.T, url string, into any) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", url, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}
