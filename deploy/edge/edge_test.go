// Package edge_test runs reverse proxies in front of a gateway and between two services, and
// checks what must survive them.
package edge_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/tenhop/tenhop/internal/uptest"
	"github.com/tenhop/tenhop/middleware/grpcmw"
	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
)

// Headers as outsiders and services send them.
const (
	traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	tracestate  = "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"
	correlation = "order-4711"
)

// addresses holds the listeners of a proxy and what is behind it.
type addresses struct{ edge, between, betweenGRPC, gateway, http, grpc string }

func (a addresses) env() []string {
	return []string{"TENHOP_EDGE=" + a.edge, "TENHOP_BETWEEN=" + a.between, "TENHOP_BETWEEN_GRPC=" + a.betweenGRPC,
		"TENHOP_GATEWAY=" + a.gateway, "TENHOP_HTTP=" + a.http, "TENHOP_GRPC=" + a.grpc}
}

// TestProxies runs each proxy with the committed configuration.
func TestProxies(t *testing.T) {
	for _, proxy := range []struct {
		name, variable, hint string
		command              func(t *testing.T, bin string, a addresses) *exec.Cmd
	}{
		{"nginx", "TENHOP_NGINX_BIN", "install nginx from Debian", nginx},
		{"caddy", "TENHOP_CADDY_BIN", "make caddy builds it", caddy},
	} {
		t.Run(proxy.name, func(t *testing.T) {
			bin := os.Getenv(proxy.variable)
			if bin == "" {
				bin, _ = exec.LookPath(proxy.name)
			}
			if bin == "" {
				t.Skipf("SKIPPED: %s was not tested: it is not in PATH and %s is not set; %s", proxy.name, proxy.variable, proxy.hint)
			}
			contract(t, func(a addresses) *exec.Cmd { return proxy.command(t, bin, a) })
		})
	}
}

func nginx(t *testing.T, bin string, a addresses) *exec.Cmd {
	template, err := os.ReadFile("nginx.conf.template")
	if err != nil {
		t.Fatal(err)
	}
	content := string(template)
	for _, kv := range a.env() {
		name, value, _ := strings.Cut(kv, "=")
		content = strings.ReplaceAll(content, "${"+name+"}", value)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "nginx.conf")
	globals := "daemon off; master_process off; pid " + dir + "/pid; error_log stderr;"
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} { // its folders are root's
		content = strings.Replace(content, "access_log off;", "access_log off;\n\t"+kind+"_temp_path "+dir+"/"+kind+";", 1)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	check := exec.Command(bin, "-t", "-e", "stderr", "-c", file, "-g", globals)
	if out, err := check.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return exec.Command(bin, "-e", "stderr", "-c", file, "-g", globals)
}

func caddy(t *testing.T, bin string, a addresses) *exec.Cmd {
	run := func(verb string) *exec.Cmd {
		cmd := exec.Command(bin, verb, "--config", "Caddyfile", "--adapter", "caddyfile")
		cmd.Env = append(append(os.Environ(), a.env()...), "HOME="+t.TempDir())
		return cmd
	}
	if out, err := run("validate").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return run("run")
}

// received holds the last header or metadata that a server got.
type received struct {
	mu     sync.Mutex
	values map[string]string
}

func (r *received) set(of map[string][]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.values = map[string]string{}
	for k, v := range of {
		r.values[strings.ToLower(k)] = strings.Join(v, ",")
	}
}

func (r *received) get(key string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.values[key]
}

func (r *received) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.set(req.Header)
		next.ServeHTTP(w, req)
	})
}

type payment struct{ pb.UnimplementedPaymentServer }

func (payment) Charge(context.Context, *pb.ChargeRequest) (*pb.ChargeResponse, error) {
	return &pb.ChargeResponse{}, nil
}

// contract runs a proxy and checks the contract.
func contract(t *testing.T, start func(addresses) *exec.Cmd) {
	gateway, caller, callee := mwtest.New(t), mwtest.New(t), mwtest.New(t)
	var atGateway, atHTTP, atGRPC received
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	front := httptest.NewServer(atGateway.handler(httpmw.Handler(answer, httpmw.WithTelemetry(gateway.Telemetry), httpmw.WithPublicEdge())))
	defer front.Close()
	back := httptest.NewServer(atHTTP.handler(httpmw.Handler(answer, httpmw.WithTelemetry(callee.Telemetry))))
	defer back.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(append([]grpc.ServerOption{grpc.ChainUnaryInterceptor(
		func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
			md, _ := metadata.FromIncomingContext(ctx)
			atGRPC.set(md)
			if d, ok := ctx.Deadline(); ok {
				atGRPC.mu.Lock()
				atGRPC.values["deadline"] = fmt.Sprint(time.Until(d) < 10*time.Second)
				atGRPC.mu.Unlock()
			}
			return handle(ctx, req)
		})}, grpcmw.ServerOptions(grpcmw.WithTelemetry(callee.Telemetry))...)...)
	pb.RegisterPaymentServer(server, payment{})
	go func() { _ = server.Serve(l) }()
	defer server.Stop()

	a := addresses{edge: uptest.Address(t), between: uptest.Address(t), betweenGRPC: uptest.Address(t),
		gateway: front.Listener.Addr().String(), http: back.Listener.Addr().String(), grpc: l.Addr().String()}
	cmd := start(a)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	for _, address := range []string{a.edge, a.between, a.betweenGRPC} {
		await(t, address)
	}

	t.Run("in front of the gateway", func(t *testing.T) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+a.edge+"/products", nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{"traceparent": traceparent, "tracestate": tracestate, "X-Correlation-ID": correlation} {
			req.Header.Set(name, value)
		}
		req.Header["Baggage"] = []string{"tenhop.entry=checkout%20PlaceOrder", "userId=alice"}
		req.Header["baggage"] = []string{"in=another spelling"}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		for name, want := range map[string]string{"traceparent": traceparent, "tracestate": tracestate, "x-correlation-id": correlation, "baggage": ""} {
			if got := atGateway.get(name); got != want {
				t.Errorf("the gateway got %s %q, want %q", name, got, want)
			}
		}
		// The gateway has a trace of its own, with a link to the caller's.
		spans := gateway.Spans()
		if len(spans) != 1 || spans[0].Parent.IsValid() || len(spans[0].Links) != 1 || !strings.Contains(traceparent, spans[0].Links[0].SpanContext.TraceID().String()) {
			t.Errorf("spans of the gateway: %+v", spans)
		}
		if resp.Header.Get("X-Correlation-ID") == "" {
			t.Errorf("the customer got no correlation ID: %v", resp.Header)
		}
	})

	t.Run("between two services", func(t *testing.T) {
		conn, err := grpc.NewClient("passthrough:///"+a.betweenGRPC, append(grpcmw.DialOptions("payment", grpcmw.WithTelemetry(caller.Telemetry)),
			grpc.WithTransportCredentials(insecure.NewCredentials()))...)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		client := &http.Client{Transport: httpmw.Transport(http.DefaultTransport, httpmw.WithTelemetry(caller.Telemetry), httpmw.WithDependency("fraud"))}
		handler := httpmw.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), 8*time.Second)
			defer cancel()
			call, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+a.between+"/check", nil)
			if err != nil {
				t.Error(err)
				return
			}
			resp, err := client.Do(call)
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
			if _, err := pb.NewPaymentClient(conn).Charge(ctx, &pb.ChargeRequest{}); err != nil {
				t.Error(err)
			}
		}), httpmw.WithTelemetry(caller.Telemetry))
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/orders", nil)
		for name, value := range map[string]string{"traceparent": traceparent, "tracestate": tracestate, "X-Correlation-ID": correlation, "baggage": "tenant=blue"} {
			req.Header.Set(name, value)
		}
		handler.ServeHTTP(httptest.NewRecorder(), req)

		for kind, at := range map[string]*received{"HTTP": &atHTTP, "gRPC": &atGRPC} {
			for name, want := range map[string]string{"tracestate": tracestate, "x-correlation-id": correlation, "baggage": "tenant=blue", "traceparent": traceparent[:36]} {
				if got := at.get(name); !strings.Contains(got, want) {
					t.Errorf("%s: the callee got %s %q, want %q in it", kind, name, got, want)
				}
			}
		}
		if atGRPC.get("deadline") != "true" {
			t.Error("the deadline of the gRPC call did not arrive")
		}
		// Each server span is the child of the client span: the proxy is none.
		clients := map[string]bool{}
		for _, s := range caller.Spans() {
			if s.Kind == trace.SpanKindClient {
				clients[s.SpanContext.SpanID().String()] = true
			}
		}
		spans := callee.Spans()
		if len(spans) != 2 || len(clients) != 2 {
			t.Errorf("%d client spans, %d server spans", len(clients), len(spans))
		}
		for _, s := range spans {
			if !clients[s.Parent.SpanID().String()] || s.SpanContext.TraceID().String() != traceparent[3:35] {
				t.Errorf("%s: parent %s in trace %s", s.Name, s.Parent.SpanID(), s.SpanContext.TraceID())
			}
		}
	})
}

// await waits until something listens.
func await(t *testing.T, address string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing listens on %s: %v", address, err)
		}
	}
}
