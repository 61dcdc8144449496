package foreign

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tenhop/tenhop/drill"
	"github.com/tenhop/tenhop/internal/uptest"
)

const token = "only-for-this-test"

// fleet is a running stack with the two services and their customers.
type fleet struct {
	bin, dir, file string
	stock, shop    string
}

// TestDrill runs a sealed drill, then ends one by Ctrl-C and one by killing it.
func TestDrill(t *testing.T) {
	if os.Getenv("TENHOP_FOREIGN") == "" {
		t.Skip("set TENHOP_FOREIGN=1: it runs services for four minutes")
	}
	f := start(t)
	var said bytes.Buffer
	cmd := f.tenhop("drill", "--fleet", f.file, "--rounds", "1", "--seed", "5", "--json", "--report", filepath.Join(f.dir, "drill.jsonl"))
	cmd.Stderr = &said
	out, err := cmd.Output()
	t.Logf("%v\n%s", err, said.Bytes())
	var r drill.Round
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if r.Fault.Hop != "stock" || r.Seal == nil || r.Seconds.Answered == nil || !r.RightHop || !r.RightOperation || !r.RightKind {
		t.Errorf("the round is %s", out)
	}
	if r.Seconds.Lifted == nil || r.Seconds.Recovered == nil {
		t.Errorf("not lifted or not recovered: %+v", r.Seconds)
	}
	f.calm(t, "after a drill")
	if out, err := f.tenhop("drill", "verify", filepath.Join(f.dir, "drill.jsonl")).CombinedOutput(); err != nil {
		t.Errorf("the seal: %v\n%s", err, out)
	}
	for name, end := range map[string]func(*os.Process) error{
		"Ctrl-C": func(p *os.Process) error { return p.Signal(os.Interrupt) },
		"a kill": (*os.Process).Kill,
	} {
		f.endDrill(t, name, end)
		f.endInject(t, name, end)
	}
	f.refuse(t)
}

// endDrill ends a drill while its fault is in force.
func (f *fleet) endDrill(t *testing.T, how string, end func(*os.Process) error) {
	t.Helper()
	cmd := f.tenhop("drill", "--fleet", f.file, "--rounds", "1", "--seed", "6")
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.Contains(lines.Text(), "may be in force") {
			break
		}
	}
	if faults, sealed := f.faults(t); !sealed || len(faults) > 0 {
		t.Errorf("during a drill: sealed %v, listed %s", sealed, faults)
	}
	f.ended(t, "a drill ended by "+how, cmd, out, end)
}

// endInject ends a fault that is held by hand.
func (f *fleet) endInject(t *testing.T, how string, end func(*os.Process) error) {
	t.Helper()
	cmd := f.tenhop("chaos", "inject", "stock", "--fleet", f.file, "--latency", "50ms", "--percent", "50")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, _ := bufio.NewReader(out).ReadString('\n'); !strings.Contains(line, "50ms") {
		t.Errorf("injected: %q", line)
	}
	if faults, _ := f.faults(t); len(faults) != 1 {
		t.Errorf("in force: %s", faults)
	}
	f.ended(t, "a fault ended by "+how, cmd, out, end)
}

func (f *fleet) ended(t *testing.T, what string, cmd *exec.Cmd, out io.Reader, end func(*os.Process) error) {
	t.Helper()
	if err := end(cmd.Process); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	go func() { _, _ = io.Copy(io.Discard, out) }()
	f.calm(t, what)
	t.Logf("%s: nothing is injected %s later", what, time.Since(began).Round(time.Millisecond))
	_ = cmd.Wait()
}

// refuse injects what the limits of the fleet do not allow.
func (f *fleet) refuse(t *testing.T) {
	t.Helper()
	for _, args := range [][]string{{"shop", "--latency", "50ms", "--percent", "50"}, {"stock", "--latency", "50ms"}, {"stock", "--kind", "freeze", "--latency", "50ms", "--percent", "50"},
		{"stock", "--latency", "50ms", "--percent", "50", "--for", "1h"}} {
		cmd := f.tenhop(append([]string{"chaos", "inject", "--fleet", f.file}, args...)...)
		out, err := cmd.CombinedOutput()
		if err == nil || cmd.ProcessState.ExitCode() != 2 {
			t.Errorf("%s: exit code %d\n%s", args, cmd.ProcessState.ExitCode(), out)
		}
	}
	f.calm(t, "refused faults")
}

func (f *fleet) tenhop(args ...string) *exec.Cmd {
	cmd := exec.Command(f.bin, args...)
	cmd.Dir = f.dir
	return cmd
}

// faults returns what is in force in both services.
func (f *fleet) faults(t *testing.T) (all []string, sealed bool) {
	t.Helper()
	for _, at := range []string{f.stock, f.shop} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+at+"/chaos", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var answer struct {
			Faults []json.RawMessage
			Sealed bool
		}
		err = json.NewDecoder(resp.Body).Decode(&answer)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		sealed = sealed || answer.Sealed
		for _, x := range answer.Faults {
			all = append(all, string(x))
		}
	}
	return all, sealed
}

// calm waits until nothing is in force.
func (f *fleet) calm(t *testing.T, when string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		faults, sealed := f.faults(t)
		if len(faults) == 0 && !sealed {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s, in force: %s, sealed %v", when, faults, sealed)
		}
	}
}

func start(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{bin: uptest.Build(t), dir: t.TempDir(), stock: uptest.Address(t), shop: uptest.Address(t)}
	service := filepath.Join(t.TempDir(), "yourservice")
	if out, err := exec.Command("go", "build", "-o", service, "github.com/tenhop/tenhop/docs/yourservice").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	write := func(name, content string) string {
		path := filepath.Join(f.dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	targets := write("targets.json", fmt.Sprintf(`[{"targets":[%q],"labels":{"job":"shop","instance":"shop-1"}},{"targets":[%q],"labels":{"job":"stock","instance":"stock-1"}}]`, f.shop, f.stock))
	write("token", token)
	args := []string{"stack", "otlp", "jaeger", "prometheus", "--targets", targets, "--dir", f.dir}
	at := map[string]string{}
	for _, name := range []string{"otlp_grpc", "otlp_http", "jaeger", "jaeger_thrift", "jaeger_udp", "prometheus"} {
		at[name] = uptest.Address(t)
		args = append(args, "--listen", name+"="+at[name])
	}
	f.file = write("fleet.yaml", fmt.Sprintf("prometheus: http://%s\njaeger: http://%s\ntoken_file: token\nallow: [stock]\nentry: {service: shop, operation: \"GET /items/{item}\"}\n"+
		"limits: {percent: 60, for: 3m, kinds: [latency]}\nstop: {query: 'vector(0)'}\n", at["prometheus"], at["jaeger"]))
	f.run(t, nil, f.bin, args...)
	uptest.Reachable(t, at["otlp_grpc"], at["prometheus"], at["jaeger"])
	env := []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + at["otlp_grpc"], "OTEL_BSP_SCHEDULE_DELAY=500", "CHAOS_TOKEN=" + token}
	f.run(t, env, service, "stock", f.stock)
	f.run(t, env, service, "shop", f.shop, "http://"+f.stock)
	uptest.Reachable(t, f.stock, f.shop)
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	go customers(ctx, "http://"+f.shop+"/items/tea")
	time.Sleep(90 * time.Second) // the baseline
	return f
}

// customers send twenty requests per second.
func customers(ctx context.Context, url string) {
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		go func() {
			if resp, err := http.Get(url); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		}()
	}
}

// run starts a program until the test ends.
func (f *fleet) run(t *testing.T, env []string, program string, args ...string) {
	t.Helper()
	c := exec.Command(program, args...)
	c.Env, c.Dir = append(os.Environ(), env...), f.dir
	log, err := os.Create(filepath.Join(f.dir, args[0]+".log"))
	if err != nil {
		t.Fatal(err)
	}
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(20*time.Second, func() { _ = c.Process.Kill() })
		_ = c.Wait()
		kill.Stop()
		log.Close()
		if t.Failed() {
			if b, err := os.ReadFile(log.Name()); err == nil {
				t.Logf("%s: %.3000s", args[0], b)
			}
		}
	})
}
