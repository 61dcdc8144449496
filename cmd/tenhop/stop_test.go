package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tenhop/tenhop/drill"
	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/query/jaeger/jaegertest"
	"github.com/tenhop/tenhop/query/prometheus/promtest"
	"github.com/tenhop/tenhop/trace"
)

// ownFleet is a fleet of two services, of which payment has a fault endpoint.
type ownFleet struct {
	file  string // that describes it
	burns atomic.Bool
	ports *chaos.Injector
	stuck atomic.Bool // the fault endpoint refuses to lift faults
}

// newOwnFleet starts a fleet that is healthy for the next minutes. Its file has stop as the
// condition on which faults are lifted.
func newOwnFleet(t *testing.T, stop string) *ownFleet {
	t.Helper()
	f := &ownFleet{ports: chaos.New(chaos.WithToken("secret"), chaos.WithOperations("POST /charge"))}
	began := time.Now().Add(-4 * time.Minute)
	end := began.Add(8 * time.Minute)
	shop := promtest.Shop{Began: began, Onset: end}
	metrics := promtest.Serve(t, began, end, shop.Targets()...)
	prom := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.FormValue("query") // it parses the form
		state, value := "pending", 0
		if f.burns.Load() {
			state, value = "firing", 1
		}
		switch {
		case strings.HasSuffix(r.URL.Path, "/alerts"):
			fmt.Fprintf(w, `{"status":"success","data":{"alerts":[{"labels":{"alertname":"ShopBurnsFast"},"state":%q}]}}`, state)
		case query == "shop:burns":
			fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"%d"]}]}}`, value)
		default:
			if r.Form.Get("time") == "" {
				r.Form.Set("time", fmt.Sprintf("%.3f", float64(time.Now().UnixMilli())/1000))
			}
			metrics.Config.Handler.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(prom.Close)
	var traces []trace.Trace
	for at := began.Truncate(time.Microsecond); at.Before(end); at = at.Add(time.Second) {
		traces = append(traces, trace.Trace{ID: fmt.Sprintf("%032x", at.UnixMicro()), Spans: []trace.Span{
			{ID: "0000000000000001", Service: "gateway", Operation: "POST /pay", Kind: "server", Start: at, Duration: 26 * time.Millisecond},
			{ID: "0000000000000002", Parent: "0000000000000001", Service: "payment", Operation: "POST /charge", Kind: "server", Start: at.Add(3 * time.Millisecond), Duration: 20 * time.Millisecond}}})
	}
	jaeger := jaegertest.Serve(t, traces...)
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete && f.stuck.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprint(w, `{"error":"the fault cannot be lifted"}`)
			return
		}
		f.ports.AdminHandler().ServeHTTP(w, r)
	}))
	t.Cleanup(admin.Close)
	t.Cleanup(admin.CloseClientConnections)
	dir := t.TempDir()
	f.file = filepath.Join(dir, "fleet.yaml")
	for name, content := range map[string]string{
		"token":        "secret",
		"targets.json": fmt.Sprintf(`[{"targets":[%q],"labels":{"job":"payment"}}]`, strings.TrimPrefix(admin.URL, "http://")),
		"fleet.yaml": fmt.Sprintf("prometheus: %s\njaeger: %s\ntargets: targets.json\ntoken_file: token\nallow: [payment]\nentry: {service: gateway, operation: POST /pay}\nstop: %s\n",
			prom.URL, jaeger.URL, stop),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// add adds a process of payment after the first.
func (f *ownFleet) add(t *testing.T, admin http.HandlerFunc) {
	t.Helper()
	s := httptest.NewServer(admin)
	t.Cleanup(s.Close)
	path := filepath.Join(filepath.Dir(f.file), "targets.json")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	list := strings.TrimSuffix(string(b), "]") + fmt.Sprintf(`,{"targets":[%q],"labels":{"job":"payment"}}]`, strings.TrimPrefix(s.URL, "http://"))
	if err := os.WriteFile(path, []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
}

// faulty reports whether a fault is in force.
func (f *ownFleet) faulty() bool {
	faults, sealed := f.ports.List()
	return sealed || len(faults) > 0
}

// await waits until a fault is in force, or none is.
func (f *ownFleet) await(t *testing.T, faulty bool, within time.Duration, said fmt.Stringer) {
	t.Helper()
	for end := time.Now().Add(within); f.faulty() != faulty; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("a fault is in force: %v; tenhop said: %s", !faulty, said)
		}
	}
}

// output collects what a program prints.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// start starts tenhop as a process of its own.
func start(t *testing.T, args ...string) (cmd *exec.Cmd, out, errs *output) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out, errs = &output{}, &output{}
	cmd = exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = out, errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd, out, errs
}

// A drill on a fleet of one's own ends when an SLO burns: the fault is lifted, the round is
// void with the reason, its seal is opened, and the exit code is that of a failure.
func TestDrillStopsWhenAnSLOBurns(t *testing.T) {
	for _, c := range []struct{ name, stop, why string }{
		{"alert", "{alerts: [ShopBurnsFast]}", "stopped: the alert ShopBurnsFast fires"},
		{"query", "{query: shop:burns}", "stopped: shop:burns is 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newOwnFleet(t, c.stop)
			cmd, out, errs := start(t, "drill", "--fleet", f.file, "--rounds", "3", "--json")
			f.await(t, true, time.Minute, errs)
			f.burns.Store(true)
			f.await(t, false, 20*time.Second, errs)
			if err := cmd.Wait(); cmd.ProcessState.ExitCode() != exitFailed {
				t.Errorf("the drill ends with %v", err)
			}
			var rounds []drill.Round
			for dec := json.NewDecoder(strings.NewReader(out.String())); dec.More(); {
				var r drill.Round
				if err := dec.Decode(&r); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				rounds = append(rounds, r)
			}
			if len(rounds) != 1 || rounds[0].Void != c.why || rounds[0].Fault.Hop != "payment" || rounds[0].Seconds.Lifted == nil || rounds[0].Seal == nil || rounds[0].Seal.Nonce == "" {
				t.Errorf("the rounds are %s", out)
			}
			if said := errs.String(); !strings.HasSuffix(said, "tenhop: "+c.why+"\n") || !strings.Contains(said, "round 1: void: "+c.why) {
				t.Errorf("it says %s", said)
			}
			if _, err := os.Stat(f.file); err != nil || f.faulty() {
				t.Errorf("a fault is in force: %v, %v", f.faulty(), err)
			}
			// While the SLO burns, no drill begins.
			again, _, errs := start(t, "drill", "--fleet", f.file)
			_ = again.Wait()
			if again.ProcessState.ExitCode() != exitFailed || !strings.Contains(errs.String(), "nothing was injected") || f.faulty() {
				t.Errorf("another drill: exit code %d: %s", again.ProcessState.ExitCode(), errs)
			}
		})
	}
}

// A fault that was injected by hand ends when an SLO burns.
func TestFaultStopsWhenAnSLOBurns(t *testing.T) {
	f := newOwnFleet(t, "{alerts: [ShopBurnsFast]}")
	cmd, out, errs := start(t, "chaos", "inject", "payment", "--fleet", f.file, "--latency", "10ms")
	f.await(t, true, time.Minute, errs)
	f.burns.Store(true)
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitFailed || !strings.Contains(errs.String(), "the fault is lifted after") || !strings.Contains(errs.String(), "the alert ShopBurnsFast fires") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	f.await(t, false, 5*time.Second, errs)
}

// A fault that is stopped before it is in force in every process is lifted where it is, and the
// program does not say that there was none.
func TestFaultStopsBeforeItIsInForceEverywhere(t *testing.T) {
	for _, stays := range []bool{false, true} { // the fault, in the second process
		t.Run(fmt.Sprintf("stays %v", stays), func(t *testing.T) {
			f := newOwnFleet(t, "{alerts: [ShopBurnsFast]}")
			f.add(t, func(w http.ResponseWriter, r *http.Request) { // it does not answer when it gets a fault
				_, _ = io.Copy(io.Discard, r.Body) // so that the end of the connection is noticed
				switch {
				case r.Method == http.MethodPost:
					if !f.faulty() {
						t.Error("the fault is not in force in the first process")
					}
					f.burns.Store(true)
					<-r.Context().Done()
				case stays && f.burns.Load():
					fmt.Fprint(w, `{"faults":[{"kind":"latency","latency":"10ms"}],"sealed":false}`)
				default:
					fmt.Fprint(w, `{"faults":[],"sealed":false}`)
				}
			})
			cmd, out, errs := start(t, "chaos", "inject", "payment", "--fleet", f.file, "--latency", "10ms")
			_ = cmd.Wait()
			if f.faulty() {
				t.Error("the fault is in force in the first process")
			}
			want := "tenhop: the fault did not come into force everywhere, and is lifted: stopped: the alert ShopBurnsFast fires\n"
			if stays {
				want = "tenhop: stopped: the alert ShopBurnsFast fires\n" + drill.ErrNotLifted.Error() + ": a fault is in force in "
			}
			if code := cmd.ProcessState.ExitCode(); code != exitFailed || !strings.HasPrefix(errs.String(), want) || out.String() != "" {
				t.Errorf("exit code %d: %s%s, want %s", code, out, errs, want)
			}
		})
	}
}

// Nothing stays injected when a drill or a fault that was injected by hand is ended with
// Ctrl-C or killed.
func TestNothingStaysInjected(t *testing.T) {
	for _, c := range []struct {
		how    string
		signal syscall.Signal
		codes  [2]int // of the drill and of the fault by hand
	}{
		{"Ctrl-C", syscall.SIGINT, [2]int{exitFailed, exitDone}},
		{"kill -9", syscall.SIGKILL, [2]int{-1, -1}},
	} {
		for i, args := range [][]string{{"drill"}, {"chaos", "inject", "payment", "--latency", "10ms"}} {
			t.Run(c.how+" "+args[0], func(t *testing.T) {
				f := newOwnFleet(t, "{alerts: [ShopBurnsFast]}")
				cmd, _, errs := start(t, append(args, "--fleet", f.file)...)
				f.await(t, true, time.Minute, errs)
				if err := cmd.Process.Signal(c.signal); err != nil {
					t.Fatal(err)
				}
				f.await(t, false, 10*time.Second, errs)
				if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != c.codes[i] {
					t.Errorf("exit code %d, want %d: %s", cmd.ProcessState.ExitCode(), c.codes[i], errs)
				}
			})
		}
	}
}

// A fault ends with its own time if the program that injected it stands still, or is cut off.
func TestFaultEndsWithItsTime(t *testing.T) {
	f := newOwnFleet(t, "{alerts: [ShopBurnsFast]}")
	cmd, _, errs := start(t, "chaos", "inject", "payment", "--fleet", f.file, "--latency", "10ms", "--for", "2s")
	f.await(t, true, time.Minute, errs)
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	f.await(t, false, 10*time.Second, errs)
}

// A drill whose fault cannot be lifted says so, also when it was stopped or ended by Ctrl-C.
func TestDrillSaysThatAFaultIsNotLifted(t *testing.T) {
	for how, end := range map[string]func(*ownFleet, *exec.Cmd){
		"stopped": func(f *ownFleet, _ *exec.Cmd) { f.burns.Store(true) },
		"Ctrl-C":  func(_ *ownFleet, cmd *exec.Cmd) { _ = cmd.Process.Signal(os.Interrupt) },
	} {
		t.Run(how, func(t *testing.T) {
			f := newOwnFleet(t, "{alerts: [ShopBurnsFast]}")
			cmd, _, errs := start(t, "drill", "--fleet", f.file)
			f.await(t, true, time.Minute, errs)
			f.stuck.Store(true)
			end(f, cmd)
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != exitFailed || !strings.Contains(errs.String(), "the fault cannot be lifted") {
				t.Errorf("exit code %d: %s", code, errs)
			}
		})
	}
}
