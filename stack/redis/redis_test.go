package redis_test

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	client "github.com/redis/go-redis/v9"

	"github.com/tenhop/tenhop/stack/redis"
)

const patience = 20 * time.Second

func serve(t testing.TB) (*redis.Server, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := redis.Serve(l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, l.Addr().String()
}

func TestKeysExpireByTheClock(t *testing.T) {
	_, address := serve(t)
	c := client.NewClient(&client.Options{Addr: address})
	defer c.Close()
	if err := c.HSet(t.Context(), "cart:1", "sku", 2).Err(); err != nil {
		t.Fatal(err)
	}
	if err := c.Expire(t.Context(), "cart:1", time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	first, err := c.PTTL(t.Context(), "cart:1").Result()
	if err != nil || first <= 0 || first > time.Minute {
		t.Fatal(first, err)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		left, err := c.PTTL(t.Context(), "cart:1").Result()
		if err != nil {
			t.Fatal(err)
		}
		if left < first {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the clock stands still")
		}
	}
	if n, err := c.HGet(t.Context(), "cart:1", "sku").Int(); n != 2 || err != nil {
		t.Error(n, err)
	}
}

func TestCloseEndsConnections(t *testing.T) {
	s, address := serve(t)
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("*1\r\n$4\r\nPING\r\n")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 7)
	if _, err := io.ReadFull(conn, buf); err != nil || string(buf) != "+PONG\r\n" {
		t.Fatalf("%q %v", buf, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(buf); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("still open: %v", err)
	}
}

// None of these may end the process, reserve what it says, or stay open.
func TestHostileClients(t *testing.T) {
	_, address := serve(t)
	for _, sent := range []string{"*0\r\n", "*-1\r\n", "*2147483647\r\n", "*1\r\n$999999999999\r\n", "*1\r\n$536870912\r\nx", "*1\r\n$-1\r\n",
		"*1\r\n*1\r\n", "*x\r\n", "\r\n", "PING\r\n", "*1\n$4\nPING\n", strings.Repeat("\x00", 1000), "*2\r\n$4\r\nPING\r\n+x\r\n"} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte(sent)); err != nil {
			t.Fatal(err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if answer, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) || len(answer) > 0 {
			t.Errorf("%.30q: answer %q, %v; want the connection closed", sent, answer, err)
		}
		_ = conn.Close()
	}
	c := client.NewClient(&client.Options{Addr: address})
	defer c.Close()
	large := strings.Repeat("\r\n*0\r\n", 1<<16)
	if err := c.Set(t.Context(), "large", large, 0).Err(); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Get(t.Context(), "large").Result(); err != nil || got != large {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
}

// A request may come in any pieces, and several in one.
func TestRequestsInPieces(t *testing.T) {
	_, address := serve(t)
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	request := "*2\r\n$4\r\nECHO\r\n$5\r\na\r\nb\n\r\n*1\r\n$4\r\nPING\r\n"
	for i := range len(request) {
		if _, err := conn.Write([]byte{request[i]}); err != nil {
			t.Fatal(err)
		}
	}
	want := "$5\r\na\r\nb\n\r\n+PONG\r\n"
	got := make([]byte, len(want))
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
}

// A script without end would block every client; scripts are refused, and so is
// a script inside a transaction.
func TestScriptsAreRefused(t *testing.T) {
	_, address := serve(t)
	c := client.NewClient(&client.Options{Addr: address, ReadTimeout: patience, MaxRetries: -1})
	defer c.Close()
	for _, command := range [][]any{
		{"EVAL", "while true do end", 0},
		{"eval", "return 1", 0},
		{"EVALSHA", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", 0},
		{"EVAL_RO", "while true do end", 0},
		{"SCRIPT", "LOAD", "return 1"},
		{"FCALL", "f", 0},
	} {
		if err := c.Do(t.Context(), command...).Err(); err == nil || !strings.Contains(err.Error(), "not supported") {
			t.Errorf("%v: %v", command, err)
		}
	}
	if _, err := c.TxPipelined(t.Context(), func(p client.Pipeliner) error {
		return p.Eval(t.Context(), "while true do end", nil).Err()
	}); err == nil {
		t.Error("a script in a transaction is accepted")
	}
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// failing is a listener whose first calls of Accept fail, as they do when the
// process is out of file descriptors.
type failing struct {
	net.Listener
	left int
}

func (f *failing) Accept() (net.Conn, error) {
	if f.left > 0 {
		f.left--
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EMFILE}
	}
	return f.Listener.Accept()
}

func TestAcceptIsTriedAgain(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	s, err := redis.Serve(&failing{Listener: l, left: 3}, redis.WithLogger(slog.New(slog.NewTextHandler(&logged, nil))))
	if err != nil {
		t.Fatal(err)
	}
	c := client.NewClient(&client.Options{Addr: l.Addr().String(), ReadTimeout: patience, MaxRetries: -1})
	defer c.Close()
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Errorf("after failed accepts: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if n := strings.Count(logged.String(), "accept failed"); n != 3 {
		t.Errorf("%d failures are logged, want 3:\n%s", n, logged.String())
	}
}

// BenchmarkManyKeys reads one key beside many that expire: a command must not visit
// them all.
func BenchmarkManyKeys(b *testing.B) {
	for _, keys := range []int{100, 20_000} {
		b.Run(strconv.Itoa(keys), func(b *testing.B) {
			_, address := serve(b)
			c := client.NewClient(&client.Options{Addr: address, DisableIdentity: true})
			defer c.Close()
			pipe := c.Pipeline()
			for i := range keys {
				pipe.Set(b.Context(), strconv.Itoa(i), "x", time.Hour)
			}
			if _, err := pipe.Exec(b.Context()); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if err := c.Get(b.Context(), "1").Err(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
