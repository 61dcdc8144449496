package app_test

import (
	"bufio"
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tenhop/tenhop/internal/docpage"
	"github.com/tenhop/tenhop/services"
	"github.com/tenhop/tenhop/services/runtime"
	"github.com/tenhop/tenhop/stack/endpoint"
)

//go:generate go test -run TestExposure -listeners .

var update = flag.Bool("listeners", false, "write the table of docs/security.md")

// adminToken is the token of the test.
const adminToken = "token-of-the-exposure-test"

// listener is a row of the table: a listener, and what those who reach it can do.
type listener struct {
	name       string   // of an endpoint, or of a socket of a service
	anybody    string   // what everybody who reaches it can do
	credential string   // what a credential adds
	page       string   // a GET request that is answered
	write      string   // a request, METHOD path, that a page of another site must not send
	locked     []string // requests that need the token
	raw        bool     // speaks no HTTP
	named      bool     // serves customers under any host name
}

var listeners = []listener{
	{name: endpoint.Gateway, anybody: "browse and search; 1,000 requests/s per address", credential: "API key or session: cart, orders, checkout of that user; 50 requests/s", locked: []string{"GET /cart", "POST /checkout", "GET /orders", "DELETE /cart/items/p-001"}, named: true},
	{name: "service", anybody: "call any operation for any user; with `--mtls` nothing", credential: "certificate of the authority: the same", raw: true},
	{name: "admin", anybody: "read metrics and readiness", credential: "token: inject faults, take profiles and execution traces", page: "/metrics", write: "POST /chaos", locked: []string{"GET /chaos", "POST /chaos", "DELETE /chaos", "GET /debug/pprof/", "GET /debug/pprof/profile", "GET /debug/flight"}},
	{name: endpoint.Console, anybody: "read traces, metrics, logs and diagnoses", credential: "token: inject faults, run drills", page: "/api/config", write: "POST /api/faults", locked: []string{"GET /api/faults", "POST /api/faults", "DELETE /api/faults", "POST /api/drill", "POST /api/drill/answer", "DELETE /api/drill", "POST /api/token"}},
	{name: endpoint.Jaeger, anybody: "read traces", page: "/api/services", write: "POST /api/services"},
	{name: endpoint.Prometheus, anybody: "read metrics, send metrics over OTLP; queries are bounded", page: "/api/v1/query?query=1", write: "POST /api/v1/query"},
	{name: endpoint.Loki, anybody: "read logs", page: "/loki/api/v1/labels", write: "POST /loki/api/v1/query"},
	{name: endpoint.OTLPGRPC, anybody: "send telemetry", raw: true},
	{name: endpoint.OTLPHTTP, anybody: "send telemetry", write: "POST /v1/traces"},
	{name: endpoint.JaegerThrift, anybody: "send spans", write: "POST /api/traces"},
	{name: endpoint.JaegerUDP, anybody: "send spans", raw: true},
	{name: endpoint.Kafka, anybody: "read and write records", raw: true},
	{name: endpoint.Redis, anybody: "read and write carts; no scripts", raw: true},
}

// TestExposure sends to every listener what the table says that it refuses, and compares
// the table with that of docs/security.md.
func TestExposure(t *testing.T) {
	c := config(t)
	c.Console.Token = adminToken
	s := start(t, c)
	addresses := map[string]string{}
	for name, announced := range s.Endpoints() {
		addresses[name] = announced
		if u, err := url.Parse(announced); err == nil && u.Host != "" {
			addresses[name] = u.Host
		}
	}
	addresses[endpoint.Gateway], addresses["admin"] = serveGateway(t)

	var table strings.Builder
	table.WriteString("| listener | default address | protected by | who reaches it can | in addition, with |\n|---|---|---|---|---|\n")
	for _, l := range listeners {
		fmt.Fprintf(&table, "| %s | %s | %s | %s | %s |\n", l.label(), l.address(), l.protection(), l.anybody, cmp.Or(l.credential, "–"))
		if l.name == "service" { // TestMutualTLS in package services
			continue
		}
		t.Run(l.name, func(t *testing.T) { l.attack(t, addresses[l.name]) })
		delete(addresses, l.name)
	}
	for name := range addresses {
		t.Errorf("the table lacks %s", name)
	}
	docpage.Compare(t, "../../docs/security.md", "listeners", table.String(), *update, "go generate ./internal/app")
}

func (l listener) label() string {
	if e, ok := endpoint.Named(l.name); ok {
		return e.Label
	}
	return map[string]string{"service": "API of a service", "admin": "admin port of a service"}[l.name]
}

func (l listener) address() string {
	e, ok := endpoint.Named(l.name)
	if !ok {
		return "127.0.0.1, a free port"
	}
	if e.Network == "udp" {
		return e.DefaultAddress() + "/udp"
	}
	return e.DefaultAddress()
}

func (l listener) protection() string {
	parts := []string{"loopback"}
	if !l.raw && !l.named {
		parts = append(parts, "host name", "origin")
	}
	if len(l.locked) > 0 && l.name != endpoint.Gateway {
		parts = append(parts, "token")
	}
	return strings.Join(parts, ", ")
}

func (l listener) attack(t *testing.T, address string) {
	if e, ok := endpoint.Named(l.name); ok {
		host, _, err := net.SplitHostPort(e.DefaultAddress())
		if err != nil || !net.ParseIP(host).IsLoopback() {
			t.Errorf("the default address is %s", e.DefaultAddress())
		}
	}
	if l.raw {
		if l.name != endpoint.JaegerUDP {
			refusesHTTP(t, address)
		}
		return
	}
	ask := func(request string, header ...string) *http.Response { return ask(t, address, request, header...) }
	if l.page != "" {
		if resp := ask("GET " + l.page); resp.StatusCode != http.StatusOK {
			t.Errorf("GET %s: %s", l.page, resp.Status)
		}
	}
	if !l.named {
		for _, host := range []string{"rebound.example", "127.0.0.1.rebound.example", "localhost.rebound.example"} {
			for _, request := range []string{"GET " + cmp.Or(l.page, "/"), l.write} {
				if resp := ask(request, "Host", host); resp.StatusCode != http.StatusMisdirectedRequest {
					t.Errorf("%s for the host %s: %s", request, host, resp.Status)
				}
			}
		}
		for _, mode := range []string{"no-cors", "cors"} {
			if resp := ask("GET "+cmp.Or(l.page, "/"), "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", mode); resp.StatusCode != http.StatusForbidden {
				t.Errorf("a page of another site loads %s: %s", l.page, resp.Status)
			}
		}
		for _, header := range [][]string{{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}} {
			if resp := ask(l.write, append(header, "Authorization", "Bearer "+adminToken)...); resp.StatusCode != http.StatusForbidden {
				t.Errorf("%s with %v: %s", l.write, header, resp.Status)
			}
		}
	}
	resp := ask("GET "+cmp.Or(l.page, "/"), "Origin", "https://evil.example")
	if allowed := resp.Header.Get("Access-Control-Allow-Origin"); allowed != "" {
		t.Errorf("pages of %q may read responses", allowed)
	}
	for _, request := range l.locked {
		for why, header := range map[string][]string{"no token": nil, "a wrong token": {"Authorization", "Bearer wrong"}, "an empty token": {"Authorization", "Bearer "},
			"the start of the token": {"Authorization", "Bearer " + adminToken[:5]}} {
			if resp := ask(request, header...); resp.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s with %s: %s", request, why, resp.Status)
			}
		}
		// A token in a URL would be in histories and in the logs of proxies.
		if resp := ask(request + "?token=" + adminToken + "&access_token=" + adminToken); resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s with the token in the URL: %s", request, resp.Status)
		}
	}
	if slices.Contains(l.locked, "GET /chaos") {
		if resp := ask("GET /chaos", "Authorization", "Bearer "+adminToken); resp.StatusCode != http.StatusOK {
			t.Errorf("GET /chaos with the token: %s", resp.Status)
		}
	}
}

func ask(t *testing.T, address, request string, header ...string) *http.Response {
	t.Helper()
	method, path, _ := strings.Cut(request, " ")
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+path, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		} else {
			req.Header.Set(header[i], header[i+1])
		}
	}
	client := &http.Client{Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp
}

// refusesHTTP checks that a form, sent by a page to a port of another protocol, is not
// understood: what it smuggles in its body must not be carried out.
func refusesHTTP(t *testing.T, address string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(15 * time.Second))
	body := "\r\nPING\r\n*1\r\n$4\r\nPING\r\n"
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", address, len(body), body)
	answer, _ := io.ReadAll(io.LimitReader(bufio.NewReader(conn), 4096))
	if strings.Contains(string(answer), "PONG") || strings.Contains(string(answer), "HTTP/1.1 200") {
		t.Errorf("a form is carried out: %q", answer)
	}
}

// serveGateway runs the gateway and identity, which knows the credentials. It returns the
// gateway's address and that of its admin port.
func serveGateway(t *testing.T) (gateway, admin string) {
	t.Helper()
	t.Setenv("OTEL_SDK_DISABLED", "true")
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); running.Wait() })
	run := func(name, resolve string) (main, admin string) {
		var open [2]net.Listener
		for i := range open {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			open[i] = l
		}
		resolver, err := runtime.ParseResolver(resolve, "")
		if err != nil {
			t.Fatal(err)
		}
		store := "sqlite://" + filepath.Join(t.TempDir(), name+".db")
		running.Go(func() {
			err := services.Run(ctx, name, runtime.Config{Listener: open[0], Admin: open[1], Resolver: resolver, ChaosToken: adminToken,
				Store: store, LogWriter: io.Discard})
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
		main, admin = open[0].Addr().String(), open[1].Addr().String()
		for deadline := time.Now().Add(20 * time.Second); ask(t, admin, "GET /readyz").StatusCode != http.StatusOK; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s is not ready", name)
			}
		}
		return main, admin
	}
	identity, _ := run("identity", "")
	return run(endpoint.Gateway, "identity="+identity+";catalog=127.0.0.1:1;cart=127.0.0.1:1;checkout=127.0.0.1:1;order=127.0.0.1:1")
}
