package protocols

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/internal/docpage"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/setup"
	"github.com/tenhop/tenhop/stack/broker"
)

var update = flag.Bool("update", false, "write docs/protocols.md")

// The roles of a process of the test.
const (
	roleVariable  = "TENHOP_PROTOCOLS_ROLE"
	roleRecipient = "recipient"
	roleBroker    = "broker"
)

func TestMain(m *testing.M) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	switch role := os.Getenv(roleVariable); role {
	case "":
		os.Exit(m.Run())
	case roleRecipient:
		err = asRecipient(ctx)
	case roleBroker:
		err = asBroker(ctx)
	default:
		err = fmt.Errorf("%s=%s is no role", roleVariable, role)
	}
	if err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// telemetry starts the middleware as a service has it, without an exporter of spans.
func telemetry(ctx context.Context, service string) (*hop.Telemetry, error) {
	rt, err := setup.Start(ctx, service, setup.WithLogWriter(io.Discard), setup.WithoutTraces())
	if err != nil {
		return nil, err
	}
	return rt.Telemetry, nil
}

func asRecipient(ctx context.Context) error {
	var s Setting
	if err := json.Unmarshal([]byte(os.Getenv("TENHOP_PROTOCOLS_SETTING")), &s); err != nil {
		return err
	}
	t, err := telemetry(ctx, "recipient")
	if err != nil {
		return err
	}
	return Receive(ctx, s, t)
}

func asBroker(ctx context.Context) error {
	l, err := net.Listen("tcp", os.Getenv("TENHOP_PROTOCOLS_LISTEN"))
	if err != nil {
		return err
	}
	b, err := broker.Open(ctx, l, os.Getenv("TENHOP_PROTOCOLS_DATA"), broker.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	<-ctx.Done()
	b.Close()
	return nil
}

// child starts this program in a role and waits until it listens at each address.
func child(t *testing.T, role string, env []string, addresses ...string) (*exec.Cmd, error) {
	c := exec.Command(os.Args[0])
	c.Env = append(append(os.Environ(), roleVariable+"="+role), env...)
	c.Stdout, c.Stderr = t.Output(), t.Output()
	if err := c.Start(); err != nil {
		return nil, err
	}
	deadline := time.Now().Add(time.Minute)
	for _, address := range addresses {
		for {
			conn, err := net.Dial("tcp", address)
			if err == nil {
				_ = conn.Close()
				break
			}
			if time.Now().After(deadline) {
				return c, fmt.Errorf("the %s does not listen on %s", role, address)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	return c, nil
}

func kill(c *exec.Cmd) error {
	if err := c.Process.Kill(); err != nil {
		return err
	}
	_ = c.Wait()
	return nil
}

func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// setting starts the embedded broker, and adds the real ones that deploy/real/run has
// started.
func setting(t *testing.T) Setting {
	t.Helper()
	s := Setting{Run: strings.ToLower(rand.Text()[:8]), HTTP: free(t), GRPC: free(t)}
	embedded := free(t)
	c, err := child(t, roleBroker, []string{"TENHOP_PROTOCOLS_LISTEN=" + embedded, "TENHOP_PROTOCOLS_DATA=" + t.TempDir()}, embedded)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = kill(c) })
	s.Brokers = append(s.Brokers, Broker{Name: "Kafka, embedded", Kafka: embedded})
	if addr := os.Getenv("TENHOP_TEST_KAFKA"); addr != "" {
		s.Brokers = append(s.Brokers, Broker{Name: "Apache Kafka", Kafka: addr})
	} else {
		t.Log("NOT TESTED ON Apache Kafka: TENHOP_TEST_KAFKA is not set; deploy/real/run sets it")
	}
	if url := os.Getenv("TENHOP_TEST_AMQP"); url != "" {
		s.Brokers = append(s.Brokers, Broker{Name: "RabbitMQ", AMQP: url})
	} else {
		t.Log("NOT TESTED ON RabbitMQ: TENHOP_TEST_AMQP is not set; deploy/real/run sets it")
	}
	return s
}

// TestProtocols measures. The short form has few calls and holds what does not depend on
// the machine; TENHOP_PROTOCOLS=full with -update writes docs/protocols.md.
func TestProtocols(t *testing.T) {
	l := Load{Rounds: 2, Calls: 10, Burst: 100 * time.Millisecond}
	if os.Getenv("TENHOP_PROTOCOLS") == "full" {
		l = Load{Rounds: 10, Calls: 200, Burst: time.Second}
	}
	machine := ThisMachine()
	s := setting(t)
	config, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var running *exec.Cmd
	r := Recipient{
		Stop: func() error { return kill(running) },
		Start: func() error {
			var err error
			running, err = child(t, roleRecipient, []string{"TENHOP_PROTOCOLS_SETTING=" + string(config)}, s.HTTP, s.GRPC)
			return err
		},
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Stop() })
	tel, err := telemetry(t.Context(), "caller")
	if err != nil {
		t.Fatal(err)
	}
	results, err := Measure(t.Context(), s, l, r, tel)
	if err != nil {
		t.Fatal(err)
	}
	table := Table(results)
	t.Logf("%s\n%s", machine, table)
	check(t, results, l)
	if *update {
		text := fmt.Sprintf("\n%s\n%s\n", Measured(time.Now().Format(time.DateOnly), machine, l), table)
		docpage.Compare(t, "../../docs/protocols.md", "table", text, true, "make protocols")
	}
}

// check holds what does not depend on the machine.
func check(t *testing.T, results []Result, l Load) {
	t.Helper()
	bytes := map[string]float64{}
	for _, r := range results {
		bytes[r.Name] = r.Bytes
		if len(r.Answered) != l.Rounds*l.Calls || len(r.Rates) != l.Rounds || r.Bytes <= 0 || r.Rates[0] <= 0 {
			t.Errorf("%s: %d calls, rates %v, %v bytes", r.Name, len(r.Answered), r.Rates, r.Bytes)
		}
		switch {
		case !r.Broker && (r.Down.Error == "" || len(r.Accepted) != 0):
			t.Errorf("%s: a call without a recipient succeeded: %+v", r.Name, r.Down)
		case r.Broker && (r.Down.Error != "" || r.Down.Answered <= 0 || len(r.Accepted) != len(r.Answered)):
			t.Errorf("%s: a request did not wait for the recipient: %+v", r.Name, r.Down)
		case r.Broker && quantile(r.Accepted, 0.5) > quantile(r.Answered, 0.5):
			t.Errorf("%s: answers come before the broker has the request", r.Name)
		}
	}
	if bytes["gRPC"] >= bytes["HTTP/1.1, JSON"] {
		t.Errorf("gRPC takes %.0f bytes, HTTP/1.1 with JSON %.0f", bytes["gRPC"], bytes["HTTP/1.1, JSON"])
	}
}

func TestTable(t *testing.T) {
	got := Table([]Result{
		{Name: "a", Answered: []time.Duration{time.Millisecond, 2 * time.Millisecond}, Rates: []float64{1, 2, 3}, Bytes: 99.6,
			Down: Down{Error: `Post "http://x": dial tcp: connect: connection refused`, Said: 250 * time.Microsecond}},
		{Name: "b", Broker: true, Answered: []time.Duration{30 * time.Millisecond}, Accepted: []time.Duration{time.Millisecond}, Rates: []float64{7},
			Down: Down{Said: time.Millisecond, Answered: 2500 * time.Millisecond}},
	})
	const want = `| way | answer, p50 | p99 | stored, p50 | p99 | calls/s | bytes per call | a call while the recipient is down |
|---|--:|--:|--:|--:|--:|--:|---|
| a | 1.00 ms | 2.00 ms | – | – | 2 (1 to 3) | 100 | fails after 0.25 ms: connection refused |
| b | 30 ms | 30 ms | 1.00 ms | 1.00 ms | 7 (7 to 7) | 0 | stored after 1.00 ms; answered 2.5 s after the recipient's start |
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A measurement on a busy machine, or of few calls, is not worth comparing.
func TestMeasured(t *testing.T) {
	idle := Machine{Processors: 2, Model: "x", Platform: "linux/amd64, go1.26", Load: 0.31}
	unknown, busy := idle, idle
	unknown.Load, busy.Load = -1, 1.2
	full := Load{Rounds: 10, Calls: 200, Burst: time.Second}
	for name, c := range map[string]struct {
		machine Machine
		load    Load
		doubt   []string // none if it is worth comparing
	}{
		"an idle machine":         {idle, full, nil},
		"an unknown load":         {unknown, full, nil},
		"a busy machine":          {busy, full, []string{"load average of 1.20 on 2"}},
		"few calls":               {idle, Load{Rounds: 10, Calls: 10, Burst: time.Second}, []string{"100 calls per way"}},
		"few rounds":              {idle, Load{Rounds: 2, Calls: 1000, Burst: time.Second}, []string{"2 rounds"}},
		"few of both, and a load": {busy, Load{Rounds: 2, Calls: 10, Burst: time.Second}, []string{"load average of 1.20 on 2", "20 calls per way", "2 rounds"}},
	} {
		got := Measured("2026-01-02", c.machine, c.load)
		if !strings.HasPrefix(got, "Measured 2026-01-02 on 2 processors (x), linux/amd64, go1.26") {
			t.Errorf("%s: %s", name, got)
		}
		_, doubt, found := strings.Cut(got, "\nNot worth comparing: ")
		if found != (len(c.doubt) > 0) {
			t.Errorf("%s: %s", name, got)
		}
		for _, want := range c.doubt {
			if !strings.Contains(doubt, want) {
				t.Errorf("%s: %q is not in %q", name, want, doubt)
			}
		}
	}
}

var measured = regexp.MustCompile(`Measured (\S+) on (\d+) processors \((.*)\), (\S+, \S+)(?:, load average (\S+) before)?\. (\d+) rounds .* of (\d+) calls one after the other and (\S+) with`)

// TestDocumentedMeasurement has in docs/protocols.md what follows from the load and the counts
// that are recorded there.
func TestDocumentedMeasurement(t *testing.T) {
	page, err := os.ReadFile("../../docs/protocols.md")
	if err != nil {
		t.Fatal(err)
	}
	found := measured.FindStringSubmatch(string(page))
	if found == nil {
		t.Fatal("docs/protocols.md does not say what was measured")
	}
	number := func(text string) float64 {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	m := Machine{Processors: int(number(found[2])), Model: found[3], Platform: found[4], Load: -1}
	if found[5] != "" {
		m.Load = number(found[5])
	}
	burst, err := time.ParseDuration(found[8])
	if err != nil {
		t.Fatal(err)
	}
	want := Measured(found[1], m, Load{Rounds: int(number(found[6])), Calls: int(number(found[7])), Burst: burst})
	if !strings.Contains(string(page), "\n"+want+"\n|") {
		t.Errorf("docs/protocols.md lacks %s", want)
	}
}
