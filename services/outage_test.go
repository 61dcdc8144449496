package services_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tenhop/tenhop/services"
	"github.com/tenhop/tenhop/services/runtime"
	"github.com/tenhop/tenhop/services/runtime/storetest"
)

// gate is an address at which a server is reachable only while the gate is open.
type gate struct {
	addr, server string
	mu           sync.Mutex
	listener     net.Listener
	conns        []net.Conn
}

func newGate(t *testing.T, server string) *gate {
	t.Helper()
	l := listen(t)
	l.Close()
	g := &gate{addr: l.Addr().String(), server: server}
	t.Cleanup(g.shut)
	return g
}

func (g *gate) open(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", g.addr)
	if err != nil {
		t.Fatal(err)
	}
	g.mu.Lock()
	g.listener = l
	g.mu.Unlock()
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", g.server)
			if err != nil {
				in.Close()
				continue
			}
			g.mu.Lock()
			g.conns = append(g.conns, in, out)
			g.mu.Unlock()
			go func() { _, _ = io.Copy(out, in); out.Close() }()
			go func() { _, _ = io.Copy(in, out); in.Close() }()
		}
	}()
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.listener != nil {
		g.listener.Close()
	}
	for _, c := range g.conns {
		c.Close()
	}
	g.conns = nil
}

// TestAServiceOutlivesItsNeeds starts a service whose store or broker is down. It keeps
// running, reports the reason in one log line and on /readyz, and becomes ready without
// a restart. The same holds if the store goes down later.
func TestAServiceOutlivesItsNeeds(t *testing.T) {
	t.Run("redis", func(t *testing.T) {
		storetest.EachRedis(t, func(t *testing.T, addr string) {
			g := newGate(t, addr)
			outlives(t, g, "cart", "redis", runtime.Config{Redis: g.addr})
		})
	})
	t.Run("broker", func(t *testing.T) {
		storetest.EachBroker(t, func(t *testing.T, b storetest.Broker) {
			g := newGate(t, b.Addr())
			cfg := runtime.Config{Store: "sqlite://" + filepath.Join(t.TempDir(), "shipping.db")}
			b.At(g.addr).Configure(&cfg)
			check := "broker"
			if b.AMQP == "" {
				check = "" // Kafka names its own address, which is beside the gate: no second outage
			}
			outlives(t, g, "shipping", check, cfg)
		})
	})
	t.Run("postgres", func(t *testing.T) {
		u, err := url.Parse(storetest.Postgres(t))
		if err != nil {
			t.Fatal(err)
		}
		g := newGate(t, u.Host)
		u.Host, u.User = g.addr, url.UserPassword(u.User.Username(), "open-sesame")
		logs := outlives(t, g, "payment", "store", runtime.Config{Store: u.String()})
		if strings.Contains(logs, "open-sesame") {
			t.Errorf("the password is in the log:\n%s", logs)
		}
	})
}

// outlives runs the service before and after the gate is open. With the name of
// the check that watches the need, the gate shuts and opens once more.
func outlives(t *testing.T, g *gate, service, check string, cfg runtime.Config) string {
	t.Helper()
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	logs := &lockedBuffer{}
	cfg.Listener, cfg.Admin, cfg.LogWriter = listen(t), listen(t), logs
	resolver, err := runtime.ParseResolver("catalog=127.0.0.1:1;fraud=127.0.0.1:1", "")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Resolver = resolver
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- services.Run(ctx, service, cfg) }()
	admin := "http://" + cfg.Admin.Addr().String()
	ready := func() error { return expect(http.Get(admin + "/readyz")) }
	unready := func(says string) func() error {
		return func() error {
			if err := ready(); err == nil || !strings.Contains(err.Error(), "503") || !strings.Contains(err.Error(), says) {
				return fmt.Errorf("/readyz: %w, want 503 with %q", err, says)
			}
			return nil
		}
	}
	until(t, "it lives and says why it is not ready", unready("still starting: "))
	until(t, "it lives", func() error { return expect(http.Get(admin + "/healthz")) })
	g.open(t)
	until(t, "it is ready without a restart", ready)
	if check != "" {
		g.shut()
		until(t, "it is not ready while the need is away", unready(`"`+check+`"`))
		g.open(t)
		until(t, "it is ready again", ready)
	}
	stop()
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("%s ended: %v", service, err)
	}
	lines := logs.lines("message", "not ready, trying again")
	if len(lines) != 1 {
		t.Errorf("%d lines say that it waits, want 1:\n%s", len(lines), logs.b.String())
	} else if cause, _ := lines[0]["error"].(string); cause == "" {
		t.Errorf("the line does not say why: %v", lines[0])
	} else {
		t.Logf("%s said once: %s", service, cause)
	}
	return logs.b.String()
}
