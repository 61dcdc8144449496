package link

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tenhop/tenhop/middleware/chaos"
)

// echo serves lines and returns its address.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

// fixture is a service with one link to an echo server.
type fixture struct {
	faults *chaos.Injector
	dial   func() (net.Conn, error)
}

func start(t *testing.T) *fixture {
	t.Helper()
	var l Links
	at := echo(t)
	var d net.Dialer
	dial := l.Dialer("peer", d.DialContext)
	faults := chaos.New()
	faults.Offer(l.Kinds()...)
	faults.Offer(Down(&l, "own-db"))
	return &fixture{faults, func() (net.Conn, error) { return dial(t.Context(), "tcp", at) }}
}

func (f *fixture) open(t *testing.T) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := f.dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, bufio.NewReader(c)
}

func (f *fixture) inject(t *testing.T, fault chaos.Fault) (lift func()) {
	t.Helper()
	fault.Dependency = "peer"
	id, err := f.faults.Inject(fault)
	if err != nil {
		t.Fatal(err)
	}
	return func() { f.faults.Clear(id) }
}

// ask sends a line and returns how long its echo took.
func ask(t *testing.T, c net.Conn, r *bufio.Reader, line string) time.Duration {
	t.Helper()
	began := time.Now()
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		t.Fatal(err)
	}
	got, err := r.ReadString('\n')
	if err != nil || strings.TrimSpace(got) != line {
		t.Fatalf("sent %q, got %q %v", line, got, err)
	}
	return time.Since(began)
}

func ms(n int) chaos.Duration { return chaos.Duration(time.Duration(n) * time.Millisecond) }

func TestFaultsAffectAnOpenConnectionAndAreLifted(t *testing.T) {
	for name, c := range map[string]struct {
		fault   chaos.Fault
		atLeast time.Duration
	}{
		"delay":     {chaos.Fault{Kind: "link_delay", Latency: ms(60)}, 60 * time.Millisecond},
		"loss":      {chaos.Fault{Kind: "link_loss", Percent: 90}, 200 * time.Millisecond},
		"bandwidth": {chaos.Fault{Kind: "link_bandwidth", Bytes: 10_000}, 100 * time.Millisecond}, // 1 kB, twice
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t)
			conn, r := f.open(t)
			line := strings.Repeat("x", 1000)
			ask(t, conn, r, line) // before
			lift := f.inject(t, c.fault)
			slowest := time.Duration(0)
			for range 3 {
				slowest = max(slowest, ask(t, conn, r, line))
			}
			if slowest < c.atLeast {
				t.Errorf("took %v under the fault, want at least %v", slowest, c.atLeast)
			}
			lift()
			time.Sleep(20 * time.Millisecond)
			fastest := time.Hour
			for range 10 {
				fastest = min(fastest, ask(t, conn, r, line))
			}
			if fastest >= c.atLeast/2 {
				t.Errorf("took %v after the fault", fastest)
			}
		})
	}
}

// Nothing is lost or overtaken while faults come and go.
func TestOrderIsKept(t *testing.T) {
	f := start(t)
	conn, r := f.open(t)
	const lines = 3000
	sent := make(chan error, 1)
	go func() {
		for n := range lines {
			if _, err := io.WriteString(conn, strings.Repeat("y", n%50)+"\n"); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	stop := make(chan struct{})
	turned := make(chan struct{})
	go func() {
		defer close(turned)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
			}
			kind := chaos.Fault{Kind: "link_delay", Latency: ms(3), Jitter: ms(2), Dependency: "peer"}
			if n%2 == 0 {
				kind = chaos.Fault{Kind: "link_bandwidth", Bytes: 20 << 20, Dependency: "peer"}
			}
			id, err := f.faults.Inject(kind)
			if err == nil {
				time.Sleep(2 * time.Millisecond)
				f.faults.Clear(id)
			}
		}
	}()
	for n := range lines {
		got, err := r.ReadString('\n')
		if err != nil || len(got) != n%50+1 {
			t.Fatalf("line %d: %q %v", n, got, err)
		}
	}
	close(stop)
	<-turned
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

func TestResetLooksLikeOneOfThePeer(t *testing.T) {
	f := start(t)
	conn, r := f.open(t)
	ask(t, conn, r, "before")
	lift := f.inject(t, chaos.Fault{Kind: "link_reset", Percent: 100})
	_, _ = io.WriteString(conn, "lost\n")
	_, err := r.ReadString('\n')
	if !errors.Is(err, syscall.ECONNRESET) || !strings.HasSuffix(err.Error(), "read: connection reset by peer") {
		t.Errorf("read: %v", err)
	}
	lift()
	conn, r = f.open(t)
	ask(t, conn, r, "after")
}

func TestDownBreaksAndRefuses(t *testing.T) {
	f := start(t)
	conn, r := f.open(t)
	ask(t, conn, r, "before")
	lift := f.inject(t, chaos.Fault{Kind: "down"})
	if _, err := r.ReadString('\n'); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("open connection: %v", err)
	}
	if _, err := f.dial(); !errors.Is(err, syscall.ECONNREFUSED) || !strings.HasSuffix(err.Error(), "connect: connection refused") {
		t.Errorf("new connection: %v", err)
	}
	if _, err := f.faults.Inject(chaos.Fault{Kind: "link_delay", Latency: ms(5), Dependency: "peer"}); !errors.Is(err, errBusy) {
		t.Errorf("a second fault of the link: %v", err)
	}
	lift()
	time.Sleep(20 * time.Millisecond)
	conn, r = f.open(t)
	ask(t, conn, r, "after")
}

func TestDownRefusesAnEmbeddedStore(t *testing.T) {
	f := start(t)
	if _, err := f.faults.Inject(chaos.Fault{Kind: "down", Dependency: "own-db"}); err != nil {
		t.Fatal(err)
	}
	if err := f.faults.ApplyCall(t.Context(), "own-db"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("call: %v", err)
	}
	if err := f.faults.ApplyCall(t.Context(), "peer"); err != nil {
		t.Errorf("call of another: %v", err)
	}
}

// Clients rely on deadlines, also of connections that are disturbed.
func TestDeadlines(t *testing.T) {
	f := start(t)
	conn, r := f.open(t)
	ask(t, conn, r, "before")
	f.inject(t, chaos.Fault{Kind: "link_bandwidth", Bytes: 1000})
	ask(t, conn, r, "within")
	if err := conn.SetDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.ReadString('\n'); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read: %v", err)
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	ask(t, conn, r, "again")
	conn.Close()
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	f := start(t)
	for want, fault := range map[string]chaos.Fault{
		`there is no link to "other"; there are links to peer`: {Kind: "link_delay", Latency: ms(5), Dependency: "other"},
		"dependency is required: which one refuses?":           {Kind: "down"},
		"bytes must be from 1000 to 1GiB per second":           {Kind: "link_bandwidth", Bytes: 1},
		"percent must be above 0 and at most 90":               {Kind: "link_loss", Percent: 95},
	} {
		if _, err := f.faults.Inject(fault); err == nil || err.Error() != want {
			t.Errorf("%+v: %v, want %s", fault, err, want)
		}
	}
}

// A pipe that began on a closed connection would never end.
func TestClosedConnectionStartsNoPipe(t *testing.T) {
	f := start(t)
	c, _ := f.open(t)
	c.Close()
	lift := f.inject(t, chaos.Fault{Kind: "link_delay", Latency: ms(1)})
	defer lift()
	if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write: %v", err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read: %v", err)
	}
	if c := c.(*conn); c.up != nil || c.down != nil {
		t.Error("a closed connection has a pipe")
	}
}

// A dependency that goes down while a connection to it is opened refuses that one, too.
func TestDownWhileDialing(t *testing.T) {
	var l Links
	faults := chaos.New()
	at := echo(t)
	var d net.Dialer
	dial := l.Dialer("peer", func(ctx context.Context, network, address string) (net.Conn, error) {
		if _, err := faults.Inject(chaos.Fault{Kind: "down", Dependency: "peer"}); err != nil {
			t.Error(err)
		}
		return d.DialContext(ctx, network, address)
	})
	faults.Offer(Down(&l))
	c, err := dial(t.Context(), "tcp", at)
	if err == nil {
		c.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialed while down: %v", err)
	}
}
