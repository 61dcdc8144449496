package links

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// names lists the storefront's services. The last two only consume records.
var names = []string{"gateway", "identity", "catalog", "cart", "checkout", "pricing", "loyalty", "inventory", "order", "payment", "fraud",
	"shipping", "notification"}

// fleet is a storefront whose processes reach each other through one proxy per caller
// and callee.
type fleet struct {
	bin, dir   string
	prometheus string
	jaeger     string
	proxies    map[[2]string]*toxiproxy.Proxy
}

func address(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func start(t *testing.T) *fleet {
	f := &fleet{bin: filepath.Join(t.TempDir(), "tenhop"), dir: t.TempDir(), proxies: map[[2]string]*toxiproxy.Proxy{}}
	build := exec.Command("go", "build", "-o", f.bin, "./cmd/tenhop")
	build.Dir = "../.."
	build.Env = append(os.Environ(), "GOWORK=auto") // this module is tested without the workspace, the program is built in it
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	api, admin := map[string]string{}, map[string]string{}
	var targets []map[string]any
	for _, name := range names {
		api[name], admin[name] = address(t), address(t)
		targets = append(targets, map[string]any{"targets": []string{admin[name]}, "labels": map[string]string{"job": name, "instance": name}})
	}
	content, err := json.Marshal(targets)
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(f.dir, "targets.json")
	if err := os.WriteFile(list, content, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"stack", "otlp", "jaeger", "prometheus", "kafka", "redis", "--data", f.dir, "--logs", f.dir, "--targets", list, "--dir", f.dir}
	at := map[string]string{}
	for _, name := range []string{"otlp_grpc", "otlp_http", "jaeger", "jaeger_thrift", "jaeger_udp", "prometheus", "kafka", "redis"} {
		at[name] = address(t)
		args = append(args, "--listen", name+"="+at[name])
	}
	f.prometheus, f.jaeger = "http://"+at["prometheus"], "http://"+at["jaeger"]
	f.run(t, nil, args...)
	reachable(t, at["redis"], at["kafka"], at["otlp_grpc"], at["prometheus"])
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	for _, name := range names {
		var resolve []string
		for _, callee := range names {
			p := toxiproxy.NewProxy(server, name+">"+callee, "127.0.0.1:0", api[callee])
			if err := p.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(p.Stop)
			f.proxies[[2]string{name, callee}] = p
			resolve = append(resolve, callee+"="+p.Listen)
		}
		f.run(t, []string{"TENHOP_LISTEN=" + api[name], "TENHOP_ADMIN_LISTEN=" + admin[name], "TENHOP_RESOLVE=" + strings.Join(resolve, ";"),
			"TENHOP_STORE=sqlite://" + filepath.Join(f.dir, name+".db"), "TENHOP_REDIS=" + at["redis"], "TENHOP_KAFKA=" + at["kafka"],
			"TENHOP_INSTANCE=" + name + "-1", "OTEL_EXPORTER_OTLP_ENDPOINT=http://" + at["otlp_grpc"], "OTEL_BSP_SCHEDULE_DELAY=500",
			"JAEGER_ENDPOINT=http://" + at["jaeger_thrift"] + "/api/traces"}, "service", name)
	}
	for _, name := range names {
		reachable(t, admin[name])
	}
	reachable(t, api["gateway"])
	f.run(t, nil, "load", "--gateway", "http://"+api["gateway"], "--rps", "20", "--json")
	return f
}

// run starts tenhop until the test ends.
func (f *fleet) run(t *testing.T, env []string, args ...string) {
	t.Helper()
	c := exec.Command(f.bin, args...)
	c.Env, c.Dir = append(os.Environ(), env...), f.dir
	log, err := os.Create(filepath.Join(f.dir, strings.Join(args[:min(len(args), 2)], "-")+".log"))
	if err != nil {
		t.Fatal(err)
	}
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		ended := make(chan error, 1)
		go func() { ended <- c.Wait() }()
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = c.Process.Kill()
			<-ended
		}
		log.Close()
	})
}

// reachable waits until something listens on each address.
func reachable(t *testing.T, addresses ...string) {
	t.Helper()
	for _, a := range addresses {
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
			c, err := net.Dial("tcp", a)
			if err == nil {
				c.Close()
				break
			}
			if time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
	}
}

// delay adds 200 ms to the answers over the given links and returns what removes it.
func (f *fleet) delay(t *testing.T, slow func(caller, callee string) bool) (remove func()) {
	t.Helper()
	var on []*toxiproxy.Proxy
	for l, p := range f.proxies {
		if !slow(l[0], l[1]) {
			continue
		}
		toxic := strings.NewReader(`{"name":"slow","type":"latency","stream":"downstream","attributes":{"latency":200}}`)
		if _, err := p.Toxics.AddToxicJson(toxic); err != nil {
			t.Fatal(err)
		}
		on = append(on, p)
	}
	return func() {
		for _, p := range on {
			if err := p.Toxics.RemoveToxic(t.Context(), "slow"); err != nil {
				t.Error(err)
			}
		}
	}
}

// answer is the part of `tenhop diagnose --json` that the test reads.
type answer struct {
	Verdict, Why string
	Findings     []struct {
		Hop, Kind, Target, Evidence string
		AddedMS                     float64 `json:"added_ms"`
		EitherEnd                   bool    `json:"either_end"`
	}
}

func (f *fleet) diagnose(t *testing.T) (a answer) {
	t.Helper()
	out, err := exec.Command(f.bin, "diagnose", "--prometheus", f.prometheus, "--jaeger", f.jaeger, "--entry", "POST /checkout", "--json").Output()
	if err != nil {
		t.Fatalf("diagnose: %v\n%s", err, out)
	}
	if err := json.Unmarshal(out, &a); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return a
}

func (a answer) String() string {
	s := a.Verdict + " " + a.Why
	for _, f := range a.Findings {
		s += fmt.Sprintf("\n  %s %s %s %+.0f ms, either end %v: %s", f.Hop, f.Kind, f.Target, f.AddedMS, f.EitherEnd, f.Evidence)
	}
	return s
}
