package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tenhop/tenhop/stack/endpoint"
)

// The test binary is also the program of the children. roleVariable selects which.
const roleVariable = "TENHOP_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "":
		os.Exit(m.Run())
	case "serve": // until SIGTERM
		serve(signalled())
	case "stubborn": // ignores SIGTERM and its lifeline
		signal.Ignore(syscall.SIGTERM)
		os.Unsetenv(lifelineVariable)
		serve(context.Background())
	case "crash": // after it was ready once
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		defer cancel()
		serve(ctx)
		panic("out of ideas")
	case "broken":
		fmt.Fprintln(os.Stderr, "the store cannot be read")
		os.Exit(3)
	case "parent": // a supervisor with one child, which the test kills
		g, err := NewGroup(GroupConfig{Program: os.Args[0], Logs: os.Getenv("TENHOP_TEST_DIR")})
		if err != nil {
			panic(err)
		}
		g.Start(Process{Name: "orphan", Env: []string{roleVariable + "=serve"}})
		for len(g.PIDs()) == 0 {
			time.Sleep(time.Millisecond)
		}
		fmt.Println(g.PIDs()["orphan"])
		select {}
	}
}

func signalled() context.Context {
	ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	return Lifeline(ctx)
}

// serve serves on the inherited sockets until ctx ends.
func serve(ctx context.Context) {
	inherited, err := Inherited()
	if err != nil {
		panic(err)
	}
	fmt.Println(`{"message":"serving"}`)
	if l := inherited.Listeners["admin"]; l != nil {
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, os.Getpid()) })}
		go func() { _ = srv.Serve(l) }()
	}
	if c := inherited.PacketConns["udp"]; c != nil {
		go func() {
			b := make([]byte, 64)
			n, from, _ := c.ReadFrom(b)
			_, _ = c.WriteTo(b[:n], from)
		}()
	}
	<-ctx.Done()
}

// notes records the messages of a group.
type notes struct {
	mu    sync.Mutex
	lines []string
}

func (n *notes) add(line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, line)
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.lines, "\n")
}

func newTestGroup(t *testing.T, said *notes) *Group {
	t.Helper()
	g, err := NewGroup(GroupConfig{Program: os.Args[0], Logs: t.TempDir(), Notify: said.add})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Stop(context.Background(), time.Second) })
	return g
}

func fake(t *testing.T, role string) Process {
	t.Helper()
	c, err := listenOn("tcp", 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	admin := Socket{"admin", c}
	return Process{Name: role, Env: []string{roleVariable + "=" + role}, Sockets: []Socket{admin}, Ready: "http://" + admin.address() + "/readyz"}
}

func ready(t *testing.T, g *Group) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return g.WaitReady(ctx, nil)
}

func TestStartAndStop(t *testing.T) {
	g := newTestGroup(t, &notes{})
	g.Start(fake(t, "serve"))
	if err := ready(t, g); err != nil {
		t.Fatal(err)
	}
	pid := g.PIDs()["serve"]
	if err := g.Stop(t.Context(), 10*time.Second); err != nil {
		t.Error(err)
	}
	if alive(pid) {
		t.Error("the child is left")
	}
	if b, err := os.ReadFile(filepath.Join(g.logs, "serve.jsonl")); err != nil || !strings.Contains(string(b), "serving") {
		t.Errorf("its output is not in the log: %q, %v", b, err)
	}
}

// A child serves on the sockets that it inherits, UDP too.
func TestSocketsAreInherited(t *testing.T) {
	c, err := listenOn("udp", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	g := newTestGroup(t, &notes{})
	p := fake(t, "serve")
	p.Sockets = append(p.Sockets, Socket{"udp", c})
	g.Start(p)
	if err := ready(t, g); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("udp", p.Sockets[1].address())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 64)
	if n, err := conn.Read(b); err != nil || string(b[:n]) != "hello" {
		t.Errorf("the child answers %q, %v", b[:n], err)
	}
}

func TestStubbornChildIsKilled(t *testing.T) {
	g := newTestGroup(t, &notes{})
	g.Start(fake(t, "stubborn"))
	if err := ready(t, g); err != nil {
		t.Fatal(err)
	}
	pid := g.PIDs()["stubborn"]
	if err := g.Stop(t.Context(), 200*time.Millisecond); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("Stop says %v, not that it had to kill", err)
	}
	if alive(pid) {
		t.Error("the child is left")
	}
}

func TestCrashedChildIsStartedAgain(t *testing.T) {
	var said notes
	g := newTestGroup(t, &said)
	p := fake(t, "crash")
	g.Start(p)
	if err := ready(t, g); err != nil {
		t.Fatal(err)
	}
	first := g.PIDs()["crash"]
	eventually(t, func() bool { pid := g.PIDs()["crash"]; return pid != 0 && pid != first })
	eventually(t, func() bool { return answers(t.Context(), http.DefaultClient, p.Ready) }) // under the same address
	if !strings.Contains(said.String(), "panic: out of ideas") || !strings.Contains(said.String(), "again in 500ms") {
		t.Errorf("the crash was reported as %q", said.String())
	}
}

func TestBrokenChildFailsTheStart(t *testing.T) {
	g := newTestGroup(t, &notes{})
	g.Start(fake(t, "serve"))
	g.Start(fake(t, "broken"))
	err := ready(t, g)
	if err == nil || !strings.Contains(err.Error(), "exit status 3: the store cannot be read") {
		t.Errorf("WaitReady says %v", err)
	}
}

// TestNoOrphan kills a supervisor with SIGKILL. Its child must end, too.
func TestNoOrphan(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"=parent", "TENHOP_TEST_DIR="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Fatal(err)
	}
	if !alive(pid) {
		t.Fatal("the child was never there")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	eventually(t, func() bool { return !alive(pid) || zombie(pid) })
}

// zombie reports whether a process has ended but was not reaped. In a container
// without an init it never is.
func zombie(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(b), ") Z ")
}

func TestLockSaysWhoHoldsIt(t *testing.T) {
	d, err := In(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(d.Path(), 0o700); err != nil {
		t.Fatal(err)
	}
	release, err := d.lock()
	if err != nil {
		t.Fatal(err)
	}
	var held *HeldError
	if _, err := d.lock(); !errors.As(err, &held) || held.PID != os.Getpid() {
		t.Errorf("the second lock says %v", err)
	}
	release()
	again, err := d.lock()
	if err != nil {
		t.Fatalf("after release: %v", err)
	}
	again()
}

func TestStateIsPrivate(t *testing.T) {
	d, err := In(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Read(); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Read without a state: %v", err)
	}
	if err := os.MkdirAll(d.Path(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := d.write(State{Token: "secret"}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(d.Path("up.json"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("up.json has mode %o", info.Mode().Perm())
	}
}

func TestLogFileIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "payment.jsonl")
	l, err := openLog(path, 100)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for range 50 {
		if _, err := l.Write([]byte("0123456789\n")); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []string{path, strings.Replace(path, ".jsonl", ".1.jsonl", 1)} {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > 100 || info.Size()%11 != 0 {
			t.Errorf("%s has %d bytes: above the bound, or a line is cut", filepath.Base(p), info.Size())
		}
	}
}

func TestTakenPortGetsAFreeOne(t *testing.T) {
	for _, name := range []string{endpoint.OTLPHTTP, endpoint.JaegerUDP} {
		e, _ := endpoint.Named(name)
		l, taken, err := listen(e, false)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		second, again, err := listen(e, false)
		if err != nil {
			t.Fatal(err)
		}
		defer second.Close()
		one, other := Socket{Conn: l}.address(), Socket{Conn: second}.address()
		if !again || one == other {
			t.Errorf("first %s (taken %v), second %s (taken %v)", one, taken, other, again)
		}
	}
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the condition did not become true within 20 s")
		}
	}
}
