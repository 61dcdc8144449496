package gateway

import (
	"fmt"
	"net/http/httptest"
	"testing"
)

func TestLimit(t *testing.T) {
	l := newLimiter()
	passed := 0
	for range 10 * burst {
		if l.allow("greedy") {
			passed++
		}
	}
	// Tokens drip in while the loop runs, slower than it asks.
	if passed < burst || passed > 5*burst {
		t.Errorf("%d of %d at once passed, the burst is %d", passed, 10*burst, burst)
	}
	if !l.allow("modest") {
		t.Error("one client's greed was held against another")
	}
}

func TestTheTableOfClientsIsBounded(t *testing.T) {
	l := newLimiter()
	for i := range 3 * maxClients {
		l.allow(fmt.Sprint(i))
		if len(l.clients) > maxClients {
			t.Fatalf("%d clients are remembered", len(l.clients))
		}
	}
}

func TestClientOf(t *testing.T) {
	for _, c := range []struct{ why, header, value, want string }{
		{"an API key", "X-API-Key", "k", "k"},
		{"a session", "Authorization", "Bearer t", "t"},
		{"another scheme is no credential", "Authorization", "Basic t", "192.0.2.1"},
		{"anybody can write a forwarding header", "X-Forwarded-For", "198.51.100.7", "192.0.2.1"},
		{"a credential that is only long", "X-API-Key", string(make([]byte, 300)), "192.0.2.1"},
	} {
		r := httptest.NewRequest("GET", "/", nil) // from 192.0.2.1
		r.Header.Set(c.header, c.value)
		if got := clientOf(r); got != c.want {
			t.Errorf("%s: %q, want %q", c.why, got, c.want)
		}
	}
}
