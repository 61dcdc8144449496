package outage_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/alerts"
	"github.com/tenhop/tenhop/stack"
	"github.com/tenhop/tenhop/stack/endpoint"
)

// tarpit accepts connections and never answers.
func tarpit(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		var held []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				for _, c := range held {
					c.Close()
				}
				return
			}
			held = append(held, c)
		}
	}()
	return l.Addr().String()
}

// watch starts Prometheus with the repository's rules on one target.
func watch(t *testing.T, job, target string) (prometheus string) {
	t.Helper()
	targets := filepath.Join(t.TempDir(), "targets.json")
	content, err := json.Marshal([]any{map[string]any{"targets": []string{target}, "labels": map[string]string{"job": job}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(targets, content, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := stack.Start(t.Context(), stack.Config{Parts: []stack.Part{stack.Prometheus}, DataDir: t.TempDir(),
		Addresses: map[string]string{endpoint.Prometheus: "127.0.0.1:0"}, TargetsFile: targets, Rules: alerts.FS,
		Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(t.Context()) })
	return s.Endpoints()[endpoint.Prometheus]
}

// fires waits for an alert and returns its summary.
func fires(t *testing.T, prometheus, alert string, meanwhile func()) string {
	t.Helper()
	var summary string
	until(t, alert+" fires", func() error {
		meanwhile()
		var answer struct {
			Data struct {
				Alerts []struct {
					State               string
					Labels, Annotations map[string]string
				}
			}
		}
		if err := get(t.Context(), prometheus+"/api/v1/alerts", &answer); err != nil {
			return err
		}
		for _, a := range answer.Data.Alerts {
			if a.Labels["alertname"] == alert && a.State == "firing" {
				summary = a.Annotations["summary"]
				return nil
			}
		}
		return fmt.Errorf("%d others are there", len(answer.Data.Alerts))
	})
	return summary
}

// A goroutine that serves a request and waits in the SDK or an exporter.
var (
	serving  = regexp.MustCompile(`httpmw`)
	telling  = regexp.MustCompile(`opentelemetry\.io/otel/(sdk|exporters)|middleware/setup`)
	parkedIn = regexp.MustCompile(`^goroutine \d+ \[(chan send|chan receive|select|sync\.\w+\.\w+|semacquire|IO wait)`)
)

// parked returns the request goroutines that wait for telemetry right now, by
// the line that names goroutine and state.
func parked() (stuck map[string]string, requests int) {
	stuck = map[string]string{}
	buf := make([]byte, 8<<20)
	for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if !serving.MatchString(g) {
			continue
		}
		requests++
		if parkedIn.MatchString(g) && telling.MatchString(g) {
			head, _, _ := strings.Cut(g, "]")
			stuck[head] = g
		}
	}
	return stuck, requests
}

// TestATarpitBlocksNobody exports to a collector that accepts connections and never
// answers. Requests go on, none of their goroutines is ever seen waiting
// for the exporter, and what does not fit the queue is counted and alerted.
func TestATarpitBlocksNobody(t *testing.T) {
	chosen(t)
	t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "256")
	t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "64")
	s := newShop(t, tarpit(t))
	metrics := httptest.NewServer(s.runtime.Telemetry.MetricsHandler())
	t.Cleanup(metrics.Close)
	prometheus := watch(t, "shop", strings.TrimPrefix(metrics.URL, "http://"))

	done := make(chan struct{})
	samples, seen := 0, 0
	var stuck []string
	go func() {
		defer close(done)
		var before map[string]string
		for until := time.Now().Add(20 * time.Second); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
			now, requests := parked()
			samples, seen = samples+1, seen+requests
			for id, g := range now {
				// A lock held for a moment is passed within one sample; whoever
				// waits for the collector is still there in the next.
				if _, still := before[id]; still {
					stuck = append(stuck, g)
				}
			}
			before = now
		}
	}()
	took := s.drive(t, 100, 20*time.Second)
	<-done
	if len(stuck) > 0 {
		t.Errorf("%d request goroutines wait for the exporter, such as\n%s", len(stuck), stuck[0])
	}
	if seen == 0 {
		t.Error("no request goroutine was ever seen: the samples prove nothing")
	}
	summary := fires(t, prometheus, "SpansDropped", func() { s.drive(t, 50, time.Second) })
	dropped, queued := counter(t, s.runtime, "tenhop_spans_dropped_total"), counter(t, s.runtime, "tenhop_spans_queued")
	made := float64(3 * len(s.traces)) // front, its client call, back
	t.Logf("%d requests answered, p95 %.1f ms; %d samples saw %d request goroutines, %d waiting for the exporter",
		len(took), p95(took), samples, seen, len(stuck))
	t.Logf("%.0f spans made = %.0f dropped and counted + %.0f queued; alert: %s", made, dropped, queued, summary)
	if dropped+queued != made || dropped == 0 || queued > 256 {
		t.Error("some spans are neither queued nor counted as dropped")
	}
}

// TestWhatTheCollectorDropsIsAlerted fills the collector's queue while Jaeger is down.
func TestWhatTheCollectorDropsIsAlerted(t *testing.T) {
	chosen(t)
	c := startCollector(t, free(t), "exporters::otlp_grpc/jaeger::sending_queue::queue_size=2",
		"processors::tail_sampling::decision_wait=1s")
	prometheus := watch(t, "otel-collector", c.metrics)
	s := newShop(t, c.otlp)
	t.Logf("alert: %s", fires(t, prometheus, "CollectorExportFails", func() { s.drive(t, 50, time.Second) }))
}
