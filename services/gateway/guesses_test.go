package gateway

import (
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

func TestGuesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuesses(quota{perSecond: 1, burst: 5, clients: 100})
		r := httptest.NewRequest("GET", "/", nil)
		g.right("good")
		tried := 0
		for n := range 100 {
			// A header that anybody can send must not make a new client.
			r.Header.Set("X-Forwarded-For", string(rune('a'+n%26)))
			if g.may(r, "guess") {
				tried++
				g.missed(r)
			}
		}
		if tried != 5 {
			t.Errorf("%d guesses at once, the burst is 5", tried)
		}
		if !g.may(r, "good") {
			t.Error("a customer behind the same address is locked out")
		}
		other := httptest.NewRequest("GET", "/", nil)
		other.RemoteAddr = "198.51.100.7:1"
		if !g.may(other, "guess") {
			t.Error("another address is locked out")
		}
		time.Sleep(acceptedFor + time.Second)
		for range 6 {
			g.missed(r)
		}
		if g.may(r, "good") {
			t.Error("a credential stays accepted without being used")
		}
		time.Sleep(time.Minute)
		if !g.may(r, "guess") {
			t.Error("a mistake after a minute is refused")
		}
	})
}

func TestAcceptedCredentialsAreBounded(t *testing.T) {
	g := newGuesses(perGuess)
	for n := range 2 * maxAccepted {
		g.right(string(rune(n)))
	}
	if len(g.accepted) > maxAccepted {
		t.Errorf("%d credentials are remembered", len(g.accepted))
	}
}
