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
	machine := Machine()
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
		text := fmt.Sprintf("\nMeasured %s on %s. %d rounds in which the ways took turns, of %d calls one after the other and %s with %d calls at a time.\n\n%s\n",
			time.Now().Format(time.DateOnly), machine, l.Rounds, l.Calls, l.Burst, inFlight, table)
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
