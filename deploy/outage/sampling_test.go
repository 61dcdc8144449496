package outage_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/httpmw"
)

// Traffic of the sampling test: rate requests/s for lasting, on a simulated clock.
// Some are slow at the second hop.
const (
	rate    = 1000
	lasting = 12 * time.Second
	slowOne = 100 // 1 %
	scrape  = time.Second
)

// keeper receives the collector's exports and stores the trace IDs.
type keeper struct {
	collectortrace.UnimplementedTraceServiceServer
	mu   sync.Mutex
	kept map[string]bool
}

func (k *keeper) Export(_ context.Context, req *collectortrace.ExportTraceServiceRequest) (*collectortrace.ExportTraceServiceResponse, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, rs := range req.GetResourceSpans() {
		for _, ss := range rs.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				k.kept[trace.TraceID(s.GetTraceId()).String()] = true
			}
		}
	}
	return &collectortrace.ExportTraceServiceResponse{}, nil
}

// traffic is what was sent: the trace IDs of all requests and of the slow ones,
// and those that a scraper saw as exemplars, by the histogram.
type traffic struct {
	all       []string
	slow      map[string]bool
	exemplars map[string]map[string]bool
}

// TestExemplarsOpenTheirTraces runs two hops with the middleware against the real
// collector with otel-collector.yaml as it is: whatever exemplar of a hop's own
// histograms a scrape shows, its trace is kept; so is every slow one; few others
// are; and the span metrics count all.
func TestExemplarsOpenTheirTraces(t *testing.T) {
	if os.Getenv("TENHOP_OUTAGE") == "" {
		t.Skip("SKIPPED: the collector was not run; set TENHOP_OUTAGE=short or run make outage")
	}
	sink := &keeper{kept: map[string]bool{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	collectortrace.RegisterTraceServiceServer(server, sink)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	spanMetrics := free(t)
	c := startCollector(t, l.Addr().String(), "exporters::prometheus::endpoint="+spanMetrics)

	sent := drive(t, c.otlp)
	kept := map[string]bool{}
	for until, n := time.Now().Add(90*time.Second), -1; time.Now().Before(until); time.Sleep(8 * time.Second) { // a decision takes 5 s
		sink.mu.Lock()
		for id := range sink.kept {
			kept[id] = true
		}
		sink.mu.Unlock()
		if len(kept) == n {
			break
		}
		if len(kept) > 0 {
			n = len(kept)
		}
	}

	own := map[string]bool{}
	for family, ids := range sent.exemplars {
		there := 0
		for id := range ids {
			if kept[id] {
				there++
			}
			if !strings.HasPrefix(family, "http_client") {
				own[id] = true
			}
		}
		t.Logf("%s: %d of %d exemplars open a trace", family, there, len(ids))
		if there < len(ids) && !strings.HasPrefix(family, "http_client") {
			t.Errorf("%s has exemplars whose trace was dropped", family)
		}
	}
	keptSlow, normal, keptNormal, marked := 0, 0, 0, 0
	for _, id := range sent.all {
		switch {
		case sent.slow[id]:
			if kept[id] {
				keptSlow++
			}
		case own[id]:
			marked++
		default:
			normal++
			if kept[id] {
				keptNormal++
			}
		}
	}
	counted := spanCalls(t, spanMetrics)
	t.Logf("%d requests at %d/s: %d of %d slow ones kept; %d others are exemplars of a hop; of the remaining %d, %d kept (%.1f %%); span metrics count %d of %d",
		len(sent.all), rate, keptSlow, len(sent.slow), marked, normal, keptNormal, 100*float64(keptNormal)/float64(normal), counted, len(sent.all))
	if keptSlow != len(sent.slow) || float64(keptNormal) > 0.05*float64(normal) || counted != len(sent.all) {
		t.Error("want every slow trace, at most 5 % of normal ones, and all of them in the span metrics")
	}
}

// drive handles the requests one after the other, each at its time on the clock.
func drive(t *testing.T, otlp string) traffic {
	t.Helper()
	exporter, err := otlptracegrpc.New(t.Context(), otlptracegrpc.WithEndpoint(otlp), otlptracegrpc.WithInsecure())
	if err != nil {
		t.Fatal(err)
	}
	sent := traffic{slow: map[string]bool{}, exemplars: map[string]map[string]bool{}}
	began := time.Now().Add(-lasting)
	now := began
	random := rand.New(rand.NewPCG(1, 2))
	var registries []*prometheus.Registry
	telemetry := func(service string) *hop.Telemetry {
		provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter, sdktrace.WithBlocking()),
			sdktrace.WithResource(resource.NewSchemaless(semconv.ServiceName(service))))
		t.Cleanup(func() { _ = provider.Shutdown(context.WithoutCancel(t.Context())) })
		registry := prometheus.NewRegistry()
		registries = append(registries, registry)
		tel, err := hop.New(hop.WithServiceName(service), hop.WithRegistry(registry), hop.WithTracerProvider(provider),
			hop.WithZerolog(zerolog.Nop()), hop.WithClock(func() time.Time { return now }))
		if err != nil {
			t.Fatal(err)
		}
		return tel
	}
	front, back := telemetry("gateway"), telemetry("payment")
	work := func(mean time.Duration) { now = now.Add(time.Duration(random.ExpFloat64() * float64(mean))) }
	slow := false
	payment := httpmw.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if slow {
			now = now.Add(500 * time.Millisecond)
		}
		work(8 * time.Millisecond)
	}), httpmw.WithTelemetry(back))
	client := &http.Client{Transport: httpmw.Transport(inProcess{payment}, httpmw.WithTelemetry(front), httpmw.WithDependency("payment"))}
	gateway := httpmw.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		id := trace.SpanContextFromContext(r.Context()).TraceID().String()
		sent.all = append(sent.all, id)
		if slow {
			sent.slow[id] = true
		}
		work(4 * time.Millisecond)
		req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, "http://payment/charge", nil)
		if err != nil {
			t.Error(err)
			return
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		resp.Body.Close()
	}), httpmw.WithTelemetry(front))
	for i := range int(lasting.Seconds() * rate) {
		now, slow = began.Add(time.Duration(i)*time.Second/rate), i%slowOne == slowOne/2
		if i > 0 && i%int(scrape.Seconds()*rate) == 0 {
			sent.see(t, registries)
		}
		gateway.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/checkout", nil))
	}
	sent.see(t, registries)
	return sent
}

// inProcess is a transport to a handler.
type inProcess struct{ handler http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	p.handler.ServeHTTP(rec, r)
	return rec.Result(), nil
}

// see records the exemplars that a scrape would return now.
func (tr *traffic) see(t *testing.T, registries []*prometheus.Registry) {
	t.Helper()
	for _, r := range registries {
		families, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				for _, b := range m.GetHistogram().GetBucket() {
					for _, label := range b.GetExemplar().GetLabel() {
						if tr.exemplars[f.GetName()] == nil {
							tr.exemplars[f.GetName()] = map[string]bool{}
						}
						tr.exemplars[f.GetName()][label.GetValue()] = true
					}
				}
			}
		}
	}
}

var callsLine = regexp.MustCompile(`(?m)^traces_span_metrics_calls_total\{[^\n]*service_name="gateway"[^\n]*span_kind="SPAN_KIND_SERVER"[^\n]*\} ([0-9.e+]+)`)

// spanCalls returns the number of requests that the span metrics count.
func spanCalls(t *testing.T, address string) int {
	t.Helper()
	resp, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, m := range callsLine.FindAllStringSubmatch(string(text), -1) {
		v, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += v
	}
	return int(sum)
}
