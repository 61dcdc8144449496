// Package compose_test checks the storefront that deploy/compose/run has started from
// docker-compose.yml as the embedded mode is checked: one trace of thirteen services
// in the real Jaeger, its log lines in the real Loki, an exemplar in the real
// Prometheus that opens a trace, and a slow hop that `tenhop diagnose` names.
package compose_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/tenhop/tenhop/services"
)

// Where docker-compose.yml publishes them.
const (
	jaeger     = "http://127.0.0.1:16686"
	prometheus = "http://127.0.0.1:9090"
	console    = "http://127.0.0.1:8000"
)

func get(into any, address string, query url.Values) error {
	resp, err := http.Get(address + "?" + query.Encode())
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %.300s", address, resp.Status, body)
	}
	return json.Unmarshal(body, into)
}

// until waits for a condition and fails with its last error.
func until(t *testing.T, what string, within time.Duration, ok func() error) {
	t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(2 * time.Second) {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// span holds the fields of a span that the tests read.
type span struct {
	OperationName string
	StartTime     int64 // µs since 1970
	Duration      int64 // µs
	ProcessID     string
	References    []struct{ SpanID string }
}

type jaegerTrace struct {
	TraceID   string
	Spans     []span
	Processes map[string]struct{ ServiceName string }
}

func (tr jaegerTrace) services() []string {
	var names []string
	for _, p := range tr.Processes {
		if !slices.Contains(names, p.ServiceName) {
			names = append(names, p.ServiceName)
		}
	}
	return names
}

// TestTheStoryOnTheRealSystems goes from metrics to exemplar to trace to finding.
func TestTheStoryOnTheRealSystems(t *testing.T) {
	token := os.Getenv("TENHOP_CHAOS_TOKEN")
	if os.Getenv("TENHOP_COMPOSE") == "" {
		t.Skip("SKIPPED: docker-compose.yml was not started; make compose-run does so")
	}
	started := time.Now()
	until(t, "every target is scraped", time.Minute, everyTargetIsUp)
	var whole jaegerTrace
	until(t, "thirteen services are in one trace", 3*time.Minute, func() error {
		tr, err := fullTrace()
		if err == nil {
			whole = tr
			t.Logf("trace %s: %d spans of %d services in Jaeger", tr.TraceID, len(tr.Spans), len(tr.services()))
		}
		return err
	})
	t.Run("the trace's log lines are in Loki", func(t *testing.T) { logged(t, whole) })
	// The baseline that a diagnosis needs, and a margin.
	time.Sleep(time.Until(started.Add(2 * time.Minute)))

	slow := exec.Command("docker", "exec", "tenhop-payment-1", "wget", "-qO-", "--header", "Authorization: Bearer "+token,
		"--post-data", `{"kind":"latency","latency":"500ms","operation":"tenhop.v1.Payment/Charge","for":"15m"}`, "http://127.0.0.1:9464/chaos")
	if out, err := slow.CombinedOutput(); err != nil {
		t.Fatalf("make payment slow: %v\n%s", err, out)
	}
	injected := time.Now()
	t.Run("an exemplar opens its trace", func(t *testing.T) { exemplarOpens(t, injected) })
	t.Run("diagnose names the hop", func(t *testing.T) { located(t, injected) })
}

func everyTargetIsUp() error {
	var answer struct {
		Data struct {
			ActiveTargets []struct {
				Labels    map[string]string
				Health    string
				LastError string
			}
		}
	}
	if err := get(&answer, prometheus+"/api/v1/targets", nil); err != nil {
		return err
	}
	up := 0
	for _, target := range answer.Data.ActiveTargets {
		if target.Health != "up" {
			return fmt.Errorf("%s is %s: %s", target.Labels["job"], target.Health, target.LastError)
		}
		up++
	}
	if want := len(services.Names()) + 5; up != want {
		return fmt.Errorf("%d targets are up, want %d", up, want)
	}
	return nil
}

func fullTrace() (jaegerTrace, error) {
	var answer struct{ Data []jaegerTrace }
	err := get(&answer, jaeger+"/api/traces", url.Values{"service": {"notification"}, "limit": {"50"}, "lookback": {"10m"}})
	if err != nil {
		return jaegerTrace{}, err
	}
	var most []string
	for _, tr := range answer.Data {
		names := tr.services()
		if len(names) == len(services.Names()) {
			return tr, nil
		}
		if len(names) > len(most) {
			most = names
		}
	}
	return jaegerTrace{}, fmt.Errorf("%d traces; the most services in one are %v", len(answer.Data), most)
}

// logged asks as Grafana's link from a span does, service by service, and as the
// console's trace page does; both through the console, since Loki is not published.
func logged(t *testing.T, tr jaegerTrace) {
	if os.Getenv("TENHOP_COMPOSE_WITHOUT_LOKI") != "" {
		t.Log("SKIPPED: no line is looked for, since Loki does not run; TENHOP_LOKI_BIN names its program")
		return
	}
	until(t, "the lines of all services but the legacy one are in Loki", 2*time.Minute, func() error {
		lines := 0
		for _, service := range tr.services() {
			if service == "loyalty" { // a legacy service: its lines go to its standard output only
				continue
			}
			var answer struct {
				Data struct {
					Result []struct{ Values [][2]string }
				}
			}
			err := get(&answer, console+"/api/loki/query_range", url.Values{"since": {"15m"}, "limit": {"1000"},
				"query": {fmt.Sprintf(`{service_name=%q} | trace_id = %q`, service, tr.TraceID)}})
			if err != nil {
				return err
			}
			before := lines
			for _, stream := range answer.Data.Result {
				lines += len(stream.Values)
			}
			if lines == before {
				return fmt.Errorf("none of %s", service)
			}
		}
		began := tr.Spans[0].StartTime
		for _, s := range tr.Spans {
			began = min(began, s.StartTime)
		}
		var page []struct{ Service string }
		err := get(&page, console+"/api/traces/"+tr.TraceID+"/logs", url.Values{
			"from": {strconv.FormatInt(began, 10)}, "to": {strconv.FormatInt(began+time.Minute.Microseconds(), 10)}})
		if err != nil {
			return err
		}
		if len(page) != lines {
			return fmt.Errorf("Loki has %d lines of the trace, the console shows %d", lines, len(page))
		}
		t.Logf("%d lines of %d services in Loki, the same in the console", lines, len(tr.services())-1)
		return nil
	})
}

// exemplarOpens takes a slow request's exemplar of the gateway's histogram.
func exemplarOpens(t *testing.T, since time.Time) {
	until(t, "an exemplar of a slow checkout is in Jaeger", 3*time.Minute, func() error {
		var answer struct {
			Data []struct {
				Exemplars []struct {
					Labels map[string]string
					Value  string
				}
			}
		}
		err := get(&answer, prometheus+"/api/v1/query_exemplars", url.Values{
			"query": {`http_server_request_duration_seconds_bucket{service_name="gateway",http_route="/checkout"}`},
			"start": {strconv.FormatInt(since.Unix(), 10)}, "end": {strconv.FormatInt(time.Now().Unix(), 10)}})
		if err != nil {
			return err
		}
		tried := 0
		last := errors.New("no exemplar above 0.5 s")
		for _, series := range answer.Data {
			for _, e := range series.Exemplars {
				if v, err := strconv.ParseFloat(e.Value, 64); err != nil || v < 0.5 {
					continue
				}
				tried++
				var found struct{ Data []jaegerTrace }
				if last = get(&found, jaeger+"/api/traces/"+e.Labels["trace_id"], nil); last == nil && len(found.Data) == 1 {
					t.Logf("exemplar %s s opens trace %s with %d spans of %d services", e.Value, e.Labels["trace_id"],
						len(found.Data[0].Spans), len(found.Data[0].services()))
					return nil
				}
			}
		}
		return fmt.Errorf("%d slow exemplars: %w", tried, last)
	})
}

// located runs the image against the two real systems, in their network.
func located(t *testing.T, since time.Time) {
	ask := func(format ...string) ([]byte, error) {
		args := append([]string{"run", "--rm", "--network", "tenhop_tenhop", "tenhop/tenhop:0.1.0", "diagnose",
			"--prometheus", "http://prometheus:9090", "--jaeger", "http://jaeger:16686", "--since", "10m"}, format...)
		return exec.Command("docker", args...).Output()
	}
	until(t, "payment is named first", 4*time.Minute, func() error {
		out, err := ask("--json")
		if err != nil {
			return err
		}
		var answer struct {
			Verdict  string
			Findings []struct {
				Hop, Operation, Kind string
				Share                float64
			}
		}
		if err := json.Unmarshal(out, &answer); err != nil {
			return err
		}
		if answer.Verdict != "spike" || len(answer.Findings) == 0 {
			return fmt.Errorf("verdict %s, %d findings", answer.Verdict, len(answer.Findings))
		}
		first := answer.Findings[0]
		if first.Hop != "payment" || first.Operation != "tenhop.v1.Payment/Charge" || first.Kind != "self" {
			return fmt.Errorf("named %+v", first)
		}
		t.Logf("%.0f s after the fault: %s %s (%s), share %.2f", time.Since(since).Seconds(), first.Hop, first.Operation, first.Kind, first.Share)
		return nil
	})
	out, err := ask()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("tenhop diagnose --prometheus http://prometheus:9090 --jaeger http://jaeger:16686\n%s", out)
}
