package gateway

import (
	"crypto/sha256"
	"net/http"
	"sync"
	"time"
)

// perGuess applies to wrong credentials from an address. Twelve guesses per minute find
// no key, and a client with an old key or a typing user does not reach them.
var perGuess = quota{perSecond: 0.2, burst: 50, clients: 10_000}

// Credentials that were accepted lately pass without regard to the guesses of others
// behind the same address.
const (
	acceptedFor = 10 * time.Minute
	maxAccepted = 10_000
)

// guesses limits the attempts to find a credential.
type guesses struct {
	wrong *limiter

	mu       sync.Mutex
	accepted map[[sha256.Size]byte]time.Time // by hash, when last
}

func newGuesses(q quota) *guesses {
	return &guesses{wrong: newLimiter(q), accepted: map[[sha256.Size]byte]time.Time{}}
}

// may reports whether the client may try a credential.
func (g *guesses) may(r *http.Request, credential string) bool {
	if g.wrong.left(address(r)) >= 1 {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	last, ok := g.accepted[sha256.Sum256([]byte(credential))]
	return ok && time.Since(last) < acceptedFor
}

// right notes an accepted credential.
func (g *guesses) right(credential string) {
	key := sha256.Sum256([]byte(credential))
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, known := g.accepted[key]; !known && len(g.accepted) >= maxAccepted {
		clear(g.accepted) // they are noted again with their next request
	}
	g.accepted[key] = time.Now()
}

// missed counts a wrong credential. Attempts at the same time exceed the quota at first;
// the client then waits longer.
func (g *guesses) missed(r *http.Request) { g.wrong.charge(address(r)) }

// left returns the requests that a client may send now.
func (l *limiter) left(client string) float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bucket(client).Tokens()
}

// charge takes a request from a client's quota, even if none is left.
func (l *limiter) charge(client string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.bucket(client).Reserve()
}
