package redis_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/internal/hostile"
)

// connect returns a connection that ends after 20 s.
func connect(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

// command returns a request.
func command(args ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	return b.String()
}

// answer sends a request and returns the line that answers it.
func answer(t *testing.T, address, request string) string {
	t.Helper()
	conn := connect(t, address)
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// Clients that do not read their responses do not keep others from theirs, and what waits for them
// is bounded. One that reads late gets all.
func TestClientsThatDoNotRead(t *testing.T) {
	_, address := serve(t)
	const size = 8 << 20
	if got := answer(t, address, command("SET", "large", strings.Repeat("v", size))); got != "+OK" {
		t.Fatal(got)
	}
	late := connect(t, address)
	if _, err := io.WriteString(late, command("GET", "large")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond) // it is being answered
	if got := answer(t, address, command("PING")); got != "+PONG" {
		t.Fatal(got)
	}
	cost := hostile.Measure(func() {
		for range 20 {
			_, _ = io.WriteString(connect(t, address), strings.Repeat(command("GET", "large"), 20)) // 160 MiB
		}
		for range 10 {
			if got := answer(t, address, command("SET", "other", "v")); got != "+OK" {
				t.Fatal(got)
			}
		}
	})
	if cost.Peak > 768<<20 {
		t.Errorf("%d MiB of memory for responses that nobody reads", cost.Peak>>20)
	}
	if n, err := io.CopyN(io.Discard, late, size); err != nil {
		t.Errorf("one that reads late got %d bytes: %v", n, err)
	}
}
