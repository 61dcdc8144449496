// Command shop is two services with OpenTelemetry's own instrumentation, which know
// nothing of tenhop: shop serves HTTP and asks prices over HTTP and ledger over gRPC;
// ledger serves gRPC.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/trace"
	api "go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	spans, err := autoexport.NewSpanExporter(ctx)
	if err != nil {
		return err
	}
	otel.SetTracerProvider(trace.NewTracerProvider(trace.WithBatcher(spans)))
	reader, err := autoexport.NewMetricReader(ctx)
	if err != nil {
		return err
	}
	otel.SetMeterProvider(metric.NewMeterProvider(metric.WithReader(reader)))
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))
	if os.Getenv("OTEL_SERVICE_NAME") == "ledger" {
		return serveLedger()
	}
	return serveShop()
}

// fault returns the fault of this service.
func fault() (kind string, d time.Duration) {
	content, err := os.ReadFile(os.Getenv("FAULT_FILE"))
	if err != nil {
		return "none", 0
	}
	var ms int
	if _, err := fmt.Sscan(string(content), &kind, &ms); err != nil {
		return "none", 0
	}
	return kind, time.Duration(ms) * time.Millisecond
}

// query stands for a database driver with instrumentation.
func query(ctx context.Context, d time.Duration) {
	_, span := otel.Tracer("shop").Start(ctx, "SELECT orders", api.WithSpanKind(api.SpanKindClient),
		api.WithAttributes(attribute.String("db.system.name", "postgresql")))
	time.Sleep(d)
	span.End()
}

var wide, narrow = make(chan struct{}, 16), make(chan struct{}, 1)

// work does what the handlers of both services do, with the fault.
func work(ctx context.Context) error {
	kind, d := fault()
	pool, held := wide, 5*time.Millisecond
	if kind == "pool" {
		pool, held = narrow, d
	}
	pool <- struct{}{}
	time.Sleep(held)
	<-pool
	if kind == "latency" {
		time.Sleep(d)
	}
	slow := 3 * time.Millisecond
	if kind == "query" {
		slow = d
	}
	query(ctx, slow)
	if kind == "errors" {
		return fmt.Errorf("order is not known")
	}
	return nil
}

func serveShop() error {
	conn, err := grpc.NewClient(os.Getenv("LEDGER_ADDRESS"), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithStatsHandler(otelgrpc.NewClientHandler()))
	if err != nil {
		return err
	}
	ledger := grpc_health_v1.NewHealthClient(conn)
	client := &http.Client{Transport: otelhttp.NewTransport(http.DefaultTransport)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /buy/{item}", func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		if err := work(ctx); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, os.Getenv("PRICES_URL")+"/prices/"+r.PathValue("item"), nil)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		resp, err := client.Do(req)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if _, err := ledger.Check(ctx, &grpc_health_v1.HealthCheckRequest{}); err != nil || resp.StatusCode != http.StatusOK {
			http.Error(w, "not bought: "+strings.TrimSpace(string(body)), http.StatusBadGateway)
			return
		}
		_, _ = w.Write(body)
	})
	return http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), otelhttp.NewHandler(mux, "shop"))
}

type ledgerServer struct {
	grpc_health_v1.UnimplementedHealthServer
}

// Check stands for a method of a ledger, so that no generated code is needed.
func (ledgerServer) Check(ctx context.Context, _ *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	if err := work(ctx); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, nil
}

func serveLedger() error {
	l, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		return err
	}
	s := grpc.NewServer(grpc.StatsHandler(otelgrpc.NewServerHandler()))
	grpc_health_v1.RegisterHealthServer(s, ledgerServer{})
	return s.Serve(l)
}
