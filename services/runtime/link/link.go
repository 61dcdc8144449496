// Package link disturbs the connections of a process to what it calls: it delays, loses,
// limits and resets what is written, also on connections that are open already. The
// disturbances are toxics, as those of Shopify's toxiproxy, within the process.
//
// While nothing is disturbed, a connection passes reads and writes on.
package link

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"

	"github.com/tenhop/tenhop/middleware/chaos"
)

// Links holds the connections of a process by dependency. Its zero value is ready to use.
type Links struct {
	mu    sync.Mutex
	links map[string]*link
}

// link holds the connections to one dependency.
type link struct {
	mu      sync.Mutex
	conns   map[*conn]struct{}
	effect  *effect // in force, or nil
	refuses bool
}

// effect holds the toxics of a fault, by direction. A direction without a toxic is not
// disturbed.
type effect struct{ up, down *toxics.ToxicWrapper }

// wrap returns a toxic that affects all connections.
func wrap(t toxics.Toxic) *toxics.ToxicWrapper { return &toxics.ToxicWrapper{Toxic: t, Toxicity: 1} }

var calm = wrap(new(toxics.NoopToxic))

func (e *effect) of(d stream.Direction) *toxics.ToxicWrapper {
	switch {
	case e == nil:
		return nil
	case d == stream.Upstream:
		return e.up
	}
	return e.down
}

// DialFunc opens a connection, like net.Dialer.DialContext.
type DialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// Dialer returns dial for the connections to a dependency, which can be disturbed.
func (l *Links) Dialer(dependency string, dial DialFunc) DialFunc {
	of := l.to(dependency)
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		of.mu.Lock()
		refuses := of.refuses
		of.mu.Unlock()
		if refuses {
			return nil, refused(network, address)
		}
		inner, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		c := newConn(inner, of)
		of.mu.Lock()
		if refuses = of.refuses; !refuses { // it may have begun meanwhile
			of.conns[c] = struct{}{}
		}
		of.mu.Unlock()
		if refuses {
			c.reset()
			return nil, refused(network, address)
		}
		return c, nil
	}
}

// refused returns the error of a dependency that does not listen.
func refused(network, address string) error {
	at, _ := net.ResolveTCPAddr(network, address)
	op := &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	if at != nil {
		op.Addr = at
	}
	return op
}

func (l *Links) to(dependency string) *link {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.links == nil {
		l.links = map[string]*link{}
	}
	if l.links[dependency] == nil {
		l.links[dependency] = &link{conns: map[*conn]struct{}{}}
	}
	return l.links[dependency]
}

// Any reports whether there are links.
func (l *Links) Any() bool { return len(l.names()) > 0 }

func (l *Links) names() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.links))
}

// named returns the links to a dependency, or all for "".
func (l *Links) named(dependency string) ([]*link, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if dependency == "" {
		return slices.Collect(maps.Values(l.links)), nil
	}
	if of := l.links[dependency]; of != nil {
		return []*link{of}, nil
	}
	return nil, fmt.Errorf("there is no link to %q; there are links to %s", dependency,
		cmp.Or(strings.Join(slices.Sorted(maps.Keys(l.links)), ", "), "nothing"))
}

var errBusy = errors.New("the link has a fault already")

// disturb puts an effect into force on links until ctx is done.
func (l *Links) disturb(ctx context.Context, dependency string, e *effect) error {
	links, err := l.named(dependency)
	if err != nil {
		return err
	}
	for n, of := range links {
		if !of.set(e) {
			for _, done := range links[:n] {
				done.clear()
			}
			return errBusy
		}
	}
	context.AfterFunc(ctx, func() {
		for _, of := range links {
			of.clear()
		}
	})
	return nil
}

// set puts an effect into force, also on open connections. It reports false if another one
// is in force.
func (of *link) set(e *effect) bool {
	of.mu.Lock()
	defer of.mu.Unlock()
	if of.effect != nil || of.refuses {
		return false
	}
	of.effect = e
	of.turn()
	return true
}

func (of *link) clear() {
	of.mu.Lock()
	defer of.mu.Unlock()
	of.effect, of.refuses = nil, false
	of.turn()
}

// turn tells the connections that the effect is another. The caller holds of.mu.
func (of *link) turn() {
	for c := range of.conns {
		go c.turn() // it waits for the toxic in force
	}
}

// current returns the toxic of a direction, or nil.
func (of *link) current(d stream.Direction) *toxics.ToxicWrapper {
	of.mu.Lock()
	defer of.mu.Unlock()
	return of.effect.of(d)
}

// refuse resets the open connections and refuses new ones until ctx is done.
func (of *link) refuse(ctx context.Context) error {
	of.mu.Lock()
	defer of.mu.Unlock()
	if of.effect != nil || of.refuses {
		return errBusy
	}
	of.refuses = true
	for c := range of.conns {
		go c.reset()
	}
	context.AfterFunc(ctx, of.clear)
	return nil
}

func (of *link) forget(c *conn) {
	of.mu.Lock()
	defer of.mu.Unlock()
	delete(of.conns, c)
}

// Kinds returns the kinds of fault that the links have.
func (l *Links) Kinds() []chaos.Implementation {
	return []chaos.Implementation{delay(l), loss(l), bandwidth(l), reset(l)}
}
