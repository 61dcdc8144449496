package gateway

import (
	"net"
	"net/http"
	"strings"
	"sync"

	"golang.org/x/time/rate"
)

// Limits per client: requests a second, burst, and how many clients are told
// apart at most.
const (
	perSecond  = 50
	burst      = 100
	maxClients = 10_000
)

type limiter struct {
	mu      sync.Mutex
	clients map[string]*rate.Limiter
}

func newLimiter() *limiter { return &limiter{clients: map[string]*rate.Limiter{}} }

func (l *limiter) allow(client string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.clients[client]
	if c == nil {
		if len(l.clients) >= maxClients {
			// Forgetting everybody is generous once, and bounded always.
			clear(l.clients)
		}
		c = rate.NewLimiter(perSecond, burst)
		l.clients[client] = c
	}
	return c.Allow()
}

// clientOf tells clients apart by credential, else by address. Forwarding
// headers are not trusted: anybody can write them.
func clientOf(r *http.Request) string {
	if c := credential(r); c != "" && len(c) <= 256 {
		return c
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// credential is the session token or API key of a request.
func credential(r *http.Request) string {
	if key := r.Header.Get("X-API-Key"); key != "" {
		return key
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return ""
	}
	return token
}
