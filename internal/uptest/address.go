package uptest

import (
	"net"
	"testing"
	"time"
)

// Address returns an address of the loopback interface on which nothing listens.
func Address(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Reachable waits for a minute until something listens on each address.
func Reachable(t testing.TB, addresses ...string) {
	t.Helper()
	for _, a := range addresses {
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
			c, err := net.Dial("tcp", a)
			if err == nil {
				c.Close()
				break
			}
			if time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
	}
}
