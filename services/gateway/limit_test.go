package gateway

import (
	"fmt"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

var small = quota{perSecond: 5, burst: 10, clients: 100}

func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(small)
		ask := func(client string) (passed int) {
			for range 10 * small.burst {
				if l.allow(client) {
					passed++
				}
			}
			return passed
		}
		if n := ask("greedy"); n != small.burst {
			t.Errorf("%d at once passed, the burst is %d", n, small.burst)
		}
		if !l.allow("modest") {
			t.Error("one client's greed was held against another")
		}
		time.Sleep(time.Second)
		if n := ask("greedy"); n != int(small.perSecond) {
			t.Errorf("%d passed after a second, want %v", n, small.perSecond)
		}
	})
}

// A limited client cannot lift its limit by sending many other names, and the table
// stays bounded.
func TestACrowdFreesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(small)
		for l.allow("greedy") {
		}
		passed := 0
		for i := range 10 * small.clients {
			if l.allow(fmt.Sprint(i)) {
				passed++
			}
		}
		if l.allow("greedy") {
			t.Error("the slowed client passes again")
		}
		if len(l.clients) > small.clients {
			t.Errorf("%d clients are remembered, want at most %d", len(l.clients), small.clients)
		}
		if want := small.clients - 1 + small.burst; passed != want {
			t.Errorf("%d of the crowd passed, want %d: the table's, and one burst for the rest", passed, want)
		}
		time.Sleep(time.Minute)
		if l.allow("late"); len(l.clients) != 1 {
			t.Errorf("%d clients are remembered after a quiet minute, want the new one", len(l.clients))
		}
	})
}

func TestAddress(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil) // from 192.0.2.1
	for _, header := range []string{"X-API-Key", "Authorization", "X-Forwarded-For", "Forwarded"} {
		r.Header.Set(header, "198.51.100.7")
	}
	if got := address(r); got != "192.0.2.1" {
		t.Errorf("address = %q: a header decides it, and anybody can write one", got)
	}
}

func TestOneNetworkIsOneClient(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	for from, want := range map[string]string{
		"[2001:db8:1:2::1]:80": "2001:db8:1:2::/64", "[2001:db8:1:2:ffff::1]:81": "2001:db8:1:2::/64",
		"[::ffff:192.0.2.1]:80": "192.0.2.1", "@": "@",
	} {
		r.RemoteAddr = from
		if got := address(r); got != want {
			t.Errorf("%s: %q, want %q", from, got, want)
		}
	}
}
