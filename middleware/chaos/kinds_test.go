package chaos_test

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/tenhop/tenhop/middleware/chaos"
)

var update = flag.Bool("update", false, "write the table of docs/middleware/chaos.md")

// TestKindsPage compares the page's table with the kinds.
func TestKindsPage(t *testing.T) {
	const begin, end = "<!-- kinds -->\n", "<!-- /kinds -->"
	file := filepath.Join("..", "..", "docs", "middleware", "chaos.md")
	page, err := os.ReadFile(file)
	if err != nil {
		t.Skipf("SKIPPED: the table of kinds is not compared: %v", err) // the module alone has no docs
	}
	var b strings.Builder
	b.WriteString("| kind | effect | symptoms | cause | fields |\n|---|---|---|---|---|\n")
	for _, k := range chaos.Kinds() {
		fields := "-"
		if len(k.Fields) > 0 {
			fields = "`" + strings.Join(k.Fields, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | `%s` | %s |\n", k.Name, k.Does, k.Symptom, k.Cause, fields)
	}
	before, rest, ok := bytes.Cut(page, []byte(begin))
	have, after, ok2 := bytes.Cut(rest, []byte(end))
	switch {
	case !ok || !ok2:
		t.Fatalf("%s has no %q", file, begin)
	case string(have) == b.String():
	case *update:
		if err := os.WriteFile(file, bytes.Join([][]byte{before, []byte(begin), []byte(b.String()), []byte(end), after}, nil), 0o600); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("the table of %s is stale: go test ./chaos -update", file)
	}
}

func TestEveryKindTakesItsExample(t *testing.T) {
	for _, k := range chaos.Kinds() {
		t.Run(k.Name, func(t *testing.T) {
			if k.Name == "exit" || k.Name == "freeze" || k.Name == "throttle" {
				t.Skip("tested in a process of its own")
			}
			i := chaos.New()
			db := sql.OpenDB(noConnector{})
			defer db.Close()
			db.SetMaxOpenConns(2)
			i.SetStore(chaos.Store{DB: db, Lock: func(context.Context) (func(), error) { return func() {}, nil }, Work: func(context.Context) error { return nil }})
			id := inject(t, i, k.Example)
			if faults, _ := i.List(); len(faults) != 1 || faults[0].Kind != k.Name {
				t.Errorf("in force: %+v", faults)
			}
			i.Clear(id)
			if k.Does == "" || k.Symptom == "" || k.Cause == "" {
				t.Errorf("not described: %+v", k)
			}
		})
	}
}

// noConnector opens no connection.
type noConnector struct{ driver.Connector }

func (noConnector) Connect(context.Context) (driver.Conn, error) { return nil, errors.New("none") }

func TestStoreLockIsHeldAtTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := chaos.New()
		if _, err := i.Inject(chaos.Fault{Kind: "store_lock", Latency: ms(100)}); err == nil {
			t.Error("accepted without a store")
		}
		held, since, times := time.Duration(0), time.Time{}, 0
		i.SetStore(chaos.Store{Lock: func(context.Context) (func(), error) {
			since = time.Now()
			times++
			return func() { held += time.Since(since) }, nil
		}})
		id := inject(t, i, chaos.Fault{Kind: "store_lock", Latency: ms(300)})
		time.Sleep(9900 * time.Millisecond)
		synctest.Wait()
		if held != 3*time.Second || times != 10 {
			t.Errorf("held %v in %d times, want 3s in 10", held, times)
		}
		i.Clear(id)
		synctest.Wait()
	})
}

func TestCallsOfADependencyOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := chaos.New(chaos.WithDependencies("orders-db"))
		if _, err := i.Inject(chaos.Fault{Kind: "latency", Latency: ms(1), Dependency: "other"}); err == nil {
			t.Error("an unknown dependency was accepted")
		}
		inject(t, i, chaos.Fault{Kind: "latency", Latency: ms(100), Dependency: "orders-db"})
		if d := took(t, i, t.Context(), "op", nil); d != 0 {
			t.Errorf("a request took %v", d)
		}
		began := time.Now()
		if err := i.ApplyCall(t.Context(), "orders-db"); err != nil || time.Since(began) != 100*time.Millisecond {
			t.Errorf("a call took %v, %v", time.Since(began), err)
		}
	})
}

func TestTransportDelaysAndFails(t *testing.T) {
	i := chaos.New()
	client := http.Client{Transport: i.Transport(nil, "prices")}
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	get := func() int {
		resp, err := client.Post(server.URL, "text/plain", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	id := inject(t, i, chaos.Fault{Kind: "error", Code: "503", Dependency: "prices"})
	if code := get(); code != 503 {
		t.Errorf("under the fault: %d", code)
	}
	i.Clear(id)
	if code := get(); code != 404 {
		t.Errorf("after it: %d", code)
	}
}

func TestFieldsThatAKindDoesNotUseAreRefused(t *testing.T) {
	for _, c := range []struct {
		fault chaos.Fault
		want  string
	}{
		{chaos.Fault{Kind: "gc", Operation: "GET /x"}, "gc affects the whole process; leave out operation"},
		{chaos.Fault{Kind: "gc", Percent: 50}, "gc affects the whole process; leave out percent"},
		{chaos.Fault{Kind: "error", Latency: ms(1)}, "error does not use latency"},
		{chaos.Fault{Kind: "latency", Latency: ms(1), Bytes: 1}, "latency does not use bytes"},
		{chaos.Fault{Kind: "latency", Latency: ms(1), Code: "503"}, "latency does not use code"},
		{chaos.Fault{Kind: "hang", Match: map[string]string{"a": "b"}, Jitter: ms(1)}, "hang does not use jitter"},
		{chaos.Fault{Kind: "mutex"}, "latency must be above 0 and at most 10s"},
		{chaos.Fault{Kind: "leak"}, "bytes must be between 10 and 268435456 per second"},
		{chaos.Fault{Kind: "freeze", Latency: ms(400)}, "for is required: the process may not be able to lift the fault"},
		{chaos.Fault{Kind: "exit", For: -1}, "for must not be negative"},
	} {
		if _, err := chaos.New().Inject(c.fault); err == nil || err.Error() != c.want {
			t.Errorf("%+v: %v, want %s", c.fault, err, c.want)
		}
	}
}

func TestHangEndsWithItsCallerOrItsFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := chaos.New()
		id := inject(t, i, chaos.Fault{Kind: "hang"})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := i.Apply(ctx, "op", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with its caller: %v", err)
		}
		time.AfterFunc(time.Hour, func() { i.Clear(id) })
		if d := took(t, i, t.Context(), "op", nil); d != time.Hour {
			t.Errorf("after clearing: %v", d)
		}
		inject(t, i, chaos.Fault{Kind: "hang", For: chaos.Duration(time.Minute)})
		if d := took(t, i, t.Context(), "op", nil); d != time.Minute {
			t.Errorf("at its end: %v", d)
		}
	})
}

func TestMutexMakesRequestsWait(t *testing.T) {
	i := chaos.New()
	id := inject(t, i, chaos.Fault{Kind: "mutex", Latency: ms(40)})
	began := time.Now()
	for range 20 {
		if err := i.Apply(t.Context(), "op", nil); err != nil {
			t.Error(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	// The task holds the lock in four of each five parts of the time.
	if d := time.Since(began); d < 140*time.Millisecond {
		t.Errorf("20 requests took %v, want them to wait", d)
	}
	i.Clear(id)
	if err := i.Apply(t.Context(), "op", nil); err != nil {
		t.Error(err)
	}
}

func TestGoroutinesEndWithTheFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := chaos.New()
		id := inject(t, i, chaos.Fault{Kind: "goroutines"})
		before := runtime.NumGoroutine()
		for range 100 {
			took(t, i, t.Context(), "op", nil)
		}
		if n := runtime.NumGoroutine() - before; n < 100 {
			t.Errorf("%d goroutines left behind, want 100", n)
		}
		i.Clear(id)
		synctest.Wait() // all have ended
	})
}

func TestLeakIsFreed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := chaos.New()
		heap := func() uint64 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		before := heap()
		inject(t, i, chaos.Fault{Kind: "leak", Bytes: 32 << 20, For: chaos.Duration(2 * time.Second)})
		time.Sleep(1950 * time.Millisecond)
		if grown := heap() - before; grown < 48<<20 {
			t.Errorf("the heap grew by %d MiB in 2 s, want 60", grown>>20)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if after := heap(); after > before+16<<20 {
			t.Errorf("%d MiB are left", (after-before)>>20)
		}
	})
}

// child is the environment variable that makes the test binary a process under a fault.
const child = "TENHOP_CHAOS_CHILD"

// TestMain also fails when a test leaves a goroutine behind.
func TestMain(m *testing.M) {
	kind := os.Getenv(child)
	if kind == "" {
		goleak.VerifyTestMain(m)
		return
	}
	if kind == "throttle twice" {
		throttleTwice()
		return
	}
	f := chaos.Fault{Kind: kind, For: chaos.Duration(3 * time.Second)}
	pause := 5 * time.Millisecond
	switch kind {
	case "freeze":
		f.Latency = ms(500)
	case "throttle":
		f.Percent, pause = 5, 0 // a busy process uses its quota up
	}
	if _, err := chaos.New().Inject(f); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	last, longest := time.Now(), time.Duration(0)
	for end := last.Add(3 * time.Second); last.Before(end); {
		time.Sleep(pause)
		now := time.Now()
		last, longest = now, max(longest, now.Sub(last))
	}
	fmt.Println(longest.Milliseconds())
}

// throttleTwice prints the control groups of this process after two faults.
func throttleTwice() {
	i := chaos.New()
	for n := range 2 {
		f := chaos.Fault{Kind: "throttle", Percent: 80, For: chaos.Duration(time.Duration(n+1) * 500 * time.Millisecond)}
		if _, err := i.Inject(f); err != nil && n == 0 {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	time.Sleep(2 * time.Second)
	groups, _ := os.ReadFile("/proc/self/cgroup") // none outside of Linux
	fmt.Printf("%s", groups)
}

func TestExitEndsTheProcess(t *testing.T) {
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), child+"=exit")
	err := c.Run()
	var status *exec.ExitError
	if !errors.As(err, &status) || status.ExitCode() != 137 {
		t.Errorf("ended with %v, want status 137", err)
	}
}

// standstill runs a process under a fault and returns the longest time in milliseconds for
// which it did not run.
func standstill(t *testing.T, kind string) int {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skipf("SKIPPED: %s is not supported here", kind)
	}
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), child+"="+kind)
	out, err := c.CombinedOutput()
	var longest int
	if _, scanErr := fmt.Sscan(string(out), &longest); err != nil || scanErr != nil {
		t.Fatalf("%v %v: %s", err, scanErr, out)
	}
	return longest
}

func TestFreezeStopsTheProcess(t *testing.T) {
	if longest := standstill(t, "freeze"); longest < 400 {
		t.Errorf("the process stood still for %d ms, want 500", longest)
	}
}

func TestThrottleStopsABusyProcess(t *testing.T) {
	if longest := standstill(t, "throttle"); longest < 60 {
		t.Errorf("the process stood still for %d ms, want about 90 of each 100", longest)
	}
}
