package redis

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// TestSizesAreBounded: a short command must not make the server allocate what it names.
func TestSizesAreBounded(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Serve(l)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, c := range []struct {
		command string
		refused bool
	}{
		{"SETRANGE k 999999999 x", true},
		{"setrange k 999999999 x", true},
		{"SETBIT k 4294967295 1", true},
		{"SRANDMEMBER s -9223372036854775808", true},
		{"HRANDFIELD h -999999999", true},
		{"SETRANGE k 5 x", false},
		{"SETBIT b 7 1", false},
		{"SRANDMEMBER s -3", false},
		{"SRANDMEMBER s", false},
		{"PING", false},
	} {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		words := strings.Fields(c.command)
		fmt.Fprintf(conn, "*%d\r\n", len(words))
		for _, w := range words {
			fmt.Fprintf(conn, "$%d\r\n%s\r\n", len(w), w)
		}
		answer, err := bufio.NewReader(conn).ReadString('\n')
		conn.Close()
		if err != nil || strings.Contains(answer, "exceeds the limit") != c.refused {
			t.Errorf("%s: %q %v", c.command, answer, err)
		}
	}
}
