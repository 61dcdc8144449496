package discoverytest

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tenhop/tenhop/services/runtime/discovery"
)

// Agent is a running Consul agent: Consul itself or a stand-in.
//
// The stand-in has the part of the HTTP API that package discovery uses, with its indexes and
// blocking queries. It differs from Consul 1.16 in this:
//
//   - It is one agent without servers, nodes, ACLs, namespaces and tokens. It always has a leader.
//   - There is one index for all services. So a blocking query also returns for a change of
//     another service, without a difference.
//   - Queries that wait do so without the jitter of a sixteenth.
//   - Checks are HTTP checks only, every 500 ms. A service that stays critical is not
//     deregistered.
//   - A change is visible at once. Consul's agent syncs to its servers, which takes milliseconds.
type Agent struct {
	URL  string
	Real bool // Consul itself

	address string
	stop    func()
	serve   func()
	standIn *standIn
}

// Client returns a client of the agent.
func (a *Agent) Client(t testing.TB) *discovery.Consul {
	t.Helper()
	c, err := discovery.NewConsul(a.URL, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Stop makes the agent go away. It does not answer any more, nor close its connections
// cleanly.
func (a *Agent) Stop() { a.stop() }

// Restart starts a stopped agent on the same address. It has lost its data.
func (a *Agent) Restart() { a.serve() }

// EachConsul runs a test with the stand-in, and with Consul itself if TENHOP_CONSUL_BIN names
// its program.
func EachConsul(t *testing.T, test func(t *testing.T, a *Agent)) {
	t.Run("stand-in", func(t *testing.T) { test(t, StandIn(t)) })
	t.Run("Consul", func(t *testing.T) {
		bin := os.Getenv("TENHOP_CONSUL_BIN")
		if bin == "" {
			t.Skip("SKIPPED: TENHOP_CONSUL_BIN does not name a consul program, so this ran on the stand-in only")
		}
		test(t, startReal(t, bin))
	})
}

// Start starts Consul itself if TENHOP_CONSUL_BIN names its program, and a stand-in otherwise.
// It stops when the test ends.
func Start(t testing.TB) *Agent {
	t.Helper()
	if bin := os.Getenv("TENHOP_CONSUL_BIN"); bin != "" {
		return startReal(t, bin)
	}
	return StandIn(t)
}

// StandIn starts a stand-in, which stops when the test ends.
func StandIn(t testing.TB) *Agent {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &Agent{URL: "http://" + l.Addr().String(), address: l.Addr().String()}
	var server *httptest.Server
	run := func(l net.Listener) {
		s := &standIn{index: 1, services: map[string]*service{}, changed: make(chan struct{}), done: make(chan struct{})}
		a.standIn = s
		server = &httptest.Server{Listener: l, Config: &http.Server{Handler: s.handler(), ReadHeaderTimeout: time.Second}}
		server.Start()
		go s.check()
	}
	a.stop = func() {
		a.standIn.stop()
		server.CloseClientConnections()
		server.Close()
	}
	a.serve = func() {
		l, err := net.Listen("tcp", a.address)
		if err != nil {
			t.Fatal(err)
		}
		run(l)
	}
	run(l)
	t.Cleanup(func() { a.stop() })
	return a
}

// startReal starts Consul in development mode, in which it keeps its data in memory.
func startReal(t testing.TB, bin string) *Agent {
	t.Helper()
	ports := make([]int, 6)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	config := fmt.Sprintf(`{"ports": {"http": %d, "server": %d, "serf_lan": %d, "serf_wan": %d, "dns": -1, "grpc": %d, "grpc_tls": -1},
		"log_level": "warn", "disable_update_check": true}`, ports[0], ports[1], ports[2], ports[3], ports[4])
	file := t.TempDir() + "/consul.json"
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	a := &Agent{URL: "http://127.0.0.1:" + strconv.Itoa(ports[0]), Real: true}
	var cmd *exec.Cmd
	a.serve = func() {
		cmd = exec.Command(bin, "agent", "-dev", "-bind", "127.0.0.1", "-node", "test", "-config-file", file) //nolint:gosec // the test's own program
		cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			if a.Client(t).Check(context.Background()) == nil {
				return
			}
			if time.Now().After(deadline) {
				t.Fatal("Consul did not start")
			}
		}
	}
	a.stop = func() {
		if cmd == nil {
			return
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		cmd = nil
	}
	a.serve()
	t.Cleanup(func() { a.stop() })
	return a
}

// standIn is the stand-in of the agent.
type standIn struct {
	mu       sync.Mutex
	index    uint64
	services map[string]*service // by ID
	changed  chan struct{}
	done     chan struct{}
}

type service struct {
	ID, Name, Address string
	Port              int
	Check             struct {
		HTTP, Status           string
		FailuresBeforeCritical int
	}

	failed int
}

func (s *standIn) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.done:
	default:
		close(s.done)
	}
}

// change counts a change. The caller holds the lock.
func (s *standIn) change() {
	s.index++
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *standIn) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status/leader", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`"127.0.0.1:8300"`)) })
	mux.HandleFunc("PUT /v1/agent/service/register", func(w http.ResponseWriter, r *http.Request) {
		v := new(service)
		if err := json.NewDecoder(r.Body).Decode(v); err != nil {
			http.Error(w, "Request decode failed: "+err.Error(), http.StatusBadRequest)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.services[v.ID] = v
		s.change()
	})
	mux.HandleFunc("PUT /v1/agent/service/deregister/{id}", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.services[r.PathValue("id")] == nil {
			http.Error(w, fmt.Sprintf("Unknown service ID %q. Ensure that the service ID is passed, not the service name.", r.PathValue("id")), http.StatusNotFound)
			return
		}
		delete(s.services, r.PathValue("id"))
		s.change()
	})
	mux.HandleFunc("GET /v1/agent/service/{id}", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		v := s.services[r.PathValue("id")]
		if v == nil {
			http.Error(w, "unknown service ID: "+r.PathValue("id"), http.StatusNotFound)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"ID": v.ID, "Service": v.Name, "Address": v.Address, "Port": v.Port})
	})
	mux.HandleFunc("GET /v1/health/service/{name}", s.health)
	return mux
}

func (s *standIn) health(w http.ResponseWriter, r *http.Request) {
	after, _ := strconv.ParseUint(r.URL.Query().Get("index"), 10, 64)
	wait, err := time.ParseDuration(r.URL.Query().Get("wait"))
	if err != nil || wait == 0 {
		wait = 5 * time.Minute
	}
	over := time.After(wait)
	s.mu.Lock()
	for blocking := after > 0; blocking && s.index <= after; {
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-over:
			blocking = false
		case <-s.done:
			blocking = false
		case <-r.Context().Done():
			return
		}
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	out := []any{}
	for _, v := range s.services {
		passing := v.Check.Status == "passing"
		if v.Name != r.PathValue("name") || r.URL.Query().Has("passing") && !passing {
			continue
		}
		out = append(out, map[string]any{
			"Node":    map[string]any{"Node": "test", "Address": "127.0.0.1"},
			"Service": map[string]any{"ID": v.ID, "Service": v.Name, "Address": v.Address, "Port": v.Port},
			"Checks":  []any{map[string]any{"ServiceID": v.ID, "Status": v.Check.Status}},
		})
	}
	w.Header().Set("X-Consul-Index", strconv.FormatUint(s.index, 10))
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out)
}

// check runs the HTTP checks.
func (s *standIn) check() {
	client := &http.Client{Timeout: 2 * time.Second}
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-tick.C:
		}
		s.mu.Lock()
		urls := map[*service]string{}
		for _, v := range s.services {
			if v.Check.HTTP != "" {
				urls[v] = v.Check.HTTP
			}
		}
		s.mu.Unlock()
		for v, url := range urls {
			resp, err := client.Get(url) //nolint:noctx // ends with the client's timeout
			ok := err == nil && resp.StatusCode/100 == 2
			if err == nil {
				resp.Body.Close()
			}
			s.mu.Lock()
			if v.failed++; ok {
				v.failed = 0
			}
			status := v.Check.Status
			switch {
			case ok:
				status = "passing"
			case v.failed >= max(v.Check.FailuresBeforeCritical, 1):
				status = "critical"
			}
			if status != v.Check.Status {
				v.Check.Status = status
				s.change()
			}
			s.mu.Unlock()
		}
	}
}
