package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/plugin/kotel"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/codes"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	grpccodes "google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/tenhop/tenhop/middleware/grpcmw"
	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/kafkamw"
)

var update = flag.Bool("update", false, "write docs/middleware/conformance.md again")

const conformancePage = "../../docs/middleware/conformance.md"

// behaviour is what one message leaves behind on its last span: name, kind,
// status, and its attributes by key.
type behaviour map[string]string

// conformanceCase runs the same message through the peer and through ours.
type conformanceCase struct {
	name       string
	peer, ours func(trace.TracerProvider)
}

// intended are the differences that are meant, by transport and property.
var intended = map[string]string{
	"http server http.route":                "the semantic conventions ask for it; the peer puts it into the name only",
	"http server name":                      "the peer loses the route of a request that panics",
	"http client name":                      "the semantic conventions say {method}",
	"http server correlation_id":            "ours: the correlation ID of the request",
	"http server hop.self_ms":               "ours: self time",
	"http server tenhop.exemplar":           "ours: a histogram took the request as its exemplar",
	"http server network.peer.address":      "client.address is the same here: forwarded headers are not trusted",
	"http server network.peer.port":         "the caller's ephemeral port tells nothing",
	"http server error.type":                "the semantic conventions ask for it; the peer sets none",
	"http server http.response.status_code": "the peer records none for a panic",
	"http server status":                    "a panic is the server's error",
	"http client peer.service":              "trace stores draw dependencies from it",
	"http client network.protocol.version":  "left out: known only after the answer",
	"grpc server correlation_id":            "ours: the correlation ID of the request",
	"grpc server hop.self_ms":               "ours: self time",
	"grpc server tenhop.exemplar":           "ours: a histogram took the request as its exemplar",
	"grpc server error.type":                "the semantic conventions ask for it; the peer sets none",
	"grpc server stream correlation_id":     "ours: the correlation ID of the request",
	"grpc server stream hop.self_ms":        "ours: self time",
	"grpc server stream tenhop.exemplar":    "ours: a histogram took the request as its exemplar",
	"grpc server stream error.type":         "the semantic conventions ask for it; the peer sets none",
	"grpc server stream server.address":     "the server's own address tells nothing that its resource does not",
	"grpc client error.type":                "the semantic conventions ask for it; the peer sets none",
	"grpc client peer.service":              "trace stores draw dependencies from it",
	"grpc client server.address":            "the name that was dialled; the peer takes the connection's address",
	"grpc client stream error.type":         "the semantic conventions ask for it; the peer sets none",
	"grpc client stream peer.service":       "trace stores draw dependencies from it",
	"grpc client stream server.address":     "the name that was dialled; the peer takes the connection's address",
	"kafka producer name":                   "operation first, as the semantic conventions have it since 1.27",
	"kafka producer error.type":             "the semantic conventions ask for it; the peer sets none",
	"kafka consumer name":                   "operation first, as the semantic conventions have it since 1.27",
	"kafka consumer status":                 "the process span of the peer does not know the handler's error",
	"kafka consumer error.type":             "the process span of the peer does not know the handler's error",
	"kafka consumer correlation_id":         "ours: the correlation ID of the request",
	"kafka consumer hop.self_ms":            "ours: self time",
	"kafka consumer tenhop.exemplar":        "ours: a histogram took the request as its exemplar",
	"kafka consumer hop.queue_wait_ms":      "ours: queue wait",
}

// obsolete are attributes of semantic conventions 1.18 and what took their place.
var obsolete = map[string]string{
	"messaging.operation":                   "`messaging.operation.type`, `.name`",
	"messaging.source.kind":                 "nothing: dropped",
	"messaging.source.name":                 "`messaging.destination.name`",
	"messaging.kafka.source.partition":      "`messaging.destination.partition.id`",
	"messaging.kafka.message.offset":        "`messaging.kafka.offset`",
	"messaging.kafka.consumer.group":        "`messaging.consumer.group.name`",
	"messaging.kafka.message.key":           "nothing: it may be personal data",
	"messaging.kafka.destination.partition": "`messaging.destination.partition.id`",
	"messaging.destination.kind":            "nothing: dropped",
	"messaging.operation.name":              "new",
	"messaging.operation.type":              "new",
	"messaging.destination.name":            "new",
	"messaging.destination.partition.id":    "new",
	"messaging.kafka.offset":                "new",
	"messaging.consumer.group.name":         "new",
}

// observe runs one message and reads its last span.
func observe(run func(trace.TracerProvider)) behaviour {
	spans := tracetest.NewSpanRecorder()
	run(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)))
	ended := spans.Ended()
	if len(ended) == 0 {
		return behaviour{"name": "no span"}
	}
	s := ended[len(ended)-1]
	b := behaviour{"name": s.Name(), "kind": s.SpanKind().String(), "status": "Ok or Unset"}
	if s.Status().Code == codes.Error {
		b["status"] = "Error"
	}
	for _, a := range s.Attributes() {
		b[string(a.Key)] = a.Value.Emit()
	}
	return b
}

func serverCases() []conformanceCase {
	serve := func(wrap func(http.Handler) http.Handler, method string, h http.HandlerFunc) {
		defer func() { _ = recover() }() // one of the cases panics
		mux := http.NewServeMux()
		mux.HandleFunc("/items/{id}", h)
		r := httptest.NewRequest(method, "http://shop.example/items/7", nil)
		r.Header.Set("User-Agent", "conformance/1")
		wrap(mux).ServeHTTP(httptest.NewRecorder(), r)
	}
	of := func(name, method string, h http.HandlerFunc) conformanceCase {
		return conformanceCase{name,
			func(tp trace.TracerProvider) {
				serve(func(next http.Handler) http.Handler { return otelServer(next, tp) }, method, h)
			},
			func(tp trace.TracerProvider) {
				serve(httpmw.Middleware(httpmw.WithTelemetry(telemetry(tp))), method, h)
			}}
	}
	answer := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	return []conformanceCase{
		of("GET answered with 200", "GET", answer(200)), of("POST answered with 201", "POST", answer(201)),
		of("404 is the caller's error", "GET", answer(404)), of("500 is the server's error", "GET", answer(500)),
		of("503 is the server's error", "GET", answer(503)), of("nothing written is 200", "GET", func(http.ResponseWriter, *http.Request) {}),
		of("an unknown method", "BREW", answer(200)), of("a panic", "GET", func(http.ResponseWriter, *http.Request) { panic("x") }),
	}
}

type failing struct{}

func (failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("no route") }

func clientCases() []conformanceCase {
	call := func(rt http.RoundTripper) {
		r, _ := http.NewRequest("GET", "http://stock:8080/levels/7", nil)
		if resp, err := rt.RoundTrip(r); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	}
	of := func(name string, base http.RoundTripper) conformanceCase {
		return conformanceCase{name,
			func(tp trace.TracerProvider) { call(otelClient(base, tp)) },
			func(tp trace.TracerProvider) {
				call(httpmw.Transport(base, httpmw.WithTelemetry(telemetry(tp)), httpmw.WithDependency("stock")))
			}}
	}
	answers := func(code int) http.RoundTripper {
		return &stub{resp: http.Response{StatusCode: code, Header: http.Header{}}}
	}
	return []conformanceCase{of("200", answers(200)), of("404 is an error for a client", answers(404)),
		of("503", answers(503)), of("a transport error", failing{})}
}

func kafkaCases() []conformanceCase {
	of := func(name string, result error) conformanceCase {
		return conformanceCase{name,
			func(tp trace.TracerProvider) {
				tr := kotel.NewTracer(kotel.TracerProvider(tp), kotel.TracerPropagator(propagators), kotel.ConsumerGroup(consumerGroup))
				r := record(true)
				tr.OnFetchRecordBuffered(r)
				tr.OnFetchRecordUnbuffered(r, true)
				_, span := tr.WithProcessSpan(r)
				span.End()
			},
			func(tp trace.TracerProvider) {
				h := kafkamw.Handler(func(context.Context, *kgo.Record) error { return result },
					kafkamw.WithTelemetry(telemetry(tp)), kafkamw.WithConsumerGroup(consumerGroup))
				_ = h(context.Background(), record(true)) // the error is the case's own
			}}
	}
	return []conformanceCase{of("a record that is handled", nil), of("a record whose handler fails", errors.New("x"))}
}

func grpcCases() []conformanceCase {
	of := func(name string, result error) conformanceCase {
		return conformanceCase{name,
			func(tp trace.TracerProvider) {
				h := otelgrpc.NewServerHandler(otelgrpc.WithTracerProvider(tp), otelgrpc.WithMeterProvider(metricnoop.NewMeterProvider()))
				ctx := h.TagRPC(context.Background(), &stats.RPCTagInfo{FullMethodName: fullMethod})
				h.HandleRPC(ctx, &stats.Begin{})
				h.HandleRPC(ctx, &stats.End{Error: result})
			},
			func(tp trace.TracerProvider) {
				unary := interceptorOf(grpcmw.ServerOptions(grpcmw.WithTelemetry(telemetry(tp)))...)
				_, _ = unary(context.Background(), nil, &grpc.UnaryServerInfo{FullMethod: fullMethod},
					func(context.Context, any) (any, error) { return nil, result }) // the error is the case's own
			}}
	}
	cases := []conformanceCase{of("OK", nil)}
	for c := grpccodes.Canceled; c <= grpccodes.Unauthenticated; c++ {
		cases = append(cases, of(c.String(), status.Error(c, "x")))
	}
	return cases
}

// TestConformance holds ours against the peers: what differs must be meant.
func TestConformance(t *testing.T) {
	var page strings.Builder
	page.WriteString("# Conformance\n\nWritten by `GOWORK=off go test -run Conformance . -update` in `middleware/bench`; do not edit. The same message goes through\n" +
		"otelhttp, otelgrpc or kotel and through ours; span name, kind, status and every attribute are compared. What differs is meant, and why is listed.\n")
	used := map[string]bool{}
	for _, transport := range []struct {
		name  string
		cases []conformanceCase
	}{{"http server", serverCases()}, {"http client", clientCases()}, {"grpc server", grpcCases()},
		{"grpc server stream", rpcCases(streamed, false)}, {"grpc client", rpcCases(unary, true)}, {"grpc client stream", rpcCases(streamed, true)},
		{"kafka consumer", kafkaCases()}, {"kafka producer", produceCases()}} {
		fmt.Fprintf(&page, "\n## %s\n\n| case | same | different | peer | ours | why |\n|---|--:|---|---|---|---|\n", transport.name)
		for _, c := range transport.cases {
			peer, ours := observe(c.peer), observe(c.ours)
			keys := map[string]bool{}
			for k := range peer {
				keys[k] = true
			}
			for k := range ours {
				keys[k] = true
			}
			same := 0
			var lines []string
			for k := range keys {
				if peer[k] == ours[k] {
					same++
					continue
				}
				id := transport.name + " " + k
				why := intended[id]
				used[id] = true
				if why == "" {
					why = obsolete[k]
				}
				if why == "" {
					t.Errorf("%s, %s: %s is %q with the peer and %q with ours", transport.name, c.name, k, peer[k], ours[k])
				}
				lines = append(lines, fmt.Sprintf("`%s` | %s | %s | %s", k, shown(k, peer[k]), shown(k, ours[k]), why))
			}
			slices.Sort(lines)
			if len(lines) == 0 {
				lines = []string{"– | | | "}
			}
			for i, l := range lines {
				first := fmt.Sprintf("%s | %d", c.name, same)
				if i > 0 {
					first = " | "
				}
				fmt.Fprintf(&page, "| %s | %s |\n", first, l)
			}
		}
	}
	for id := range intended {
		if !used[id] {
			t.Errorf("%q is listed as a difference and is none", id)
		}
	}
	if *update {
		if err := os.WriteFile(conformancePage, []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(conformancePage)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != page.String() {
		t.Errorf("%s is not up to date; run this test with -update", conformancePage)
	}
}

// shown is a value for the page; those that differ from run to run are left out.
func shown(key, v string) string {
	switch {
	case v == "":
		return "–"
	case key == "correlation_id" || strings.HasSuffix(key, "_ms"):
		return "…"
	}
	return "`" + v + "`"
}
