package app_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	psnet "github.com/shirou/gopsutil/v4/net"

	"github.com/tenhop/tenhop/internal/app"
	"github.com/tenhop/tenhop/stack"
	"github.com/tenhop/tenhop/stack/endpoint"
	"github.com/tenhop/tenhop/supervisor"
)

// config returns a configuration on free ports in a directory of its own.
func config(t *testing.T, parts ...string) app.Config {
	t.Helper()
	c := app.Config{WorkDir: t.TempDir(), Parts: parts, Stack: stack.Config{Addresses: map[string]string{}, Logger: slog.New(slog.DiscardHandler)}}
	for _, e := range endpoint.All() {
		if e.Part != "" {
			c.Stack.Addresses[e.Name] = "127.0.0.1:0"
		}
	}
	return c
}

func start(t *testing.T, c app.Config) *app.Server {
	t.Helper()
	s, err := app.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t *testing.T, s *app.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
}

// sockets returns the host:port of everything that this process listens on.
func sockets(t *testing.T) map[string]bool {
	t.Helper()
	conns, err := psnet.ConnectionsPid("inet", int32(os.Getpid()))
	if err != nil {
		t.Skip("cannot list this process's sockets:", err)
	}
	listening := map[string]bool{}
	for _, c := range conns {
		if c.Status == "LISTEN" || (c.Type == 2 && c.Raddr.Port == 0) { // SOCK_DGRAM
			listening[net.JoinHostPort(c.Laddr.IP, strconv.Itoa(int(c.Laddr.Port)))] = true
		}
	}
	return listening
}

func TestEveryListenerIsInUpJSON(t *testing.T) {
	before := sockets(t)
	c := config(t)
	s := start(t, c)
	state, err := app.ReadState(c.WorkDir)
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(state.Endpoints, s.Endpoints()) || state.PIDs["stack"] != os.Getpid() || state.ReadyAt == nil {
		t.Errorf("up.json has %+v, the server %v", state, s.Endpoints())
	}
	announced := map[string]bool{}
	for name, value := range state.Endpoints {
		if _, ok := endpoint.Named(name); !ok {
			t.Errorf("up.json has %q, which the table of endpoints has not", name)
		}
		if u, err := url.Parse(value); err == nil && u.Host != "" {
			value = u.Host
		}
		announced[value] = true
	}
	listening := sockets(t)
	for address := range listening {
		if !before[address] && !announced[address] {
			t.Errorf("something listens on %s, which is not in up.json", address)
		}
	}
	for address := range announced {
		if !listening[address] {
			t.Errorf("nothing listens on %s, which is in up.json", address)
		}
	}
	for _, e := range endpoint.All() {
		if (state.Endpoints[e.Name] != "") != (e.Part != "") {
			t.Errorf("endpoint %s is announced as %q", e.Name, state.Endpoints[e.Name])
		}
	}
}

func TestConsoleIsServedBesideTheStack(t *testing.T) {
	c := config(t, "otlp", "jaeger", "console")
	s := start(t, c)
	resp, err := http.Get(s.Endpoints()[endpoint.Console] + "/api/config")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), `"jaeger":true`) {
		t.Errorf("%s %s, %v", resp.Status, body, err)
	}
	if _, err := app.Storefront(c.WorkDir); !errors.Is(err, app.ErrNoStorefront) {
		t.Errorf("Storefront: %v", err)
	}
	if _, _, err := app.Drill(c.WorkDir); !errors.Is(err, app.ErrNoStorefront) {
		t.Errorf("Drill: %v", err)
	}
}

// A directory has one stack. The second one ends before it opens a port or makes
// a file.
func TestSecondStack(t *testing.T) {
	c := config(t, "otlp", "console")
	d, err := supervisor.In(c.WorkDir)
	if err != nil {
		t.Fatal(err)
	}
	hold, err := d.Hold()
	if err != nil {
		t.Fatal(err)
	}
	before, listening := files(t, c.WorkDir), sockets(t)
	_, err = app.Start(t.Context(), c)
	var held *supervisor.HeldError
	if !errors.As(err, &held) || held.PID != os.Getpid() {
		t.Errorf("the second stack says %v", err)
	}
	if after := files(t, c.WorkDir); after != before {
		t.Errorf("the second stack left\n%s\nwhere there was\n%s", after, before)
	}
	if after := sockets(t); !maps.Equal(after, listening) {
		t.Errorf("the second stack left sockets open: %v, before %v", after, listening)
	}
	if err := hold.Release(); err != nil {
		t.Error(err)
	}
}

// A configured address that is in use fails the start, which leaves nothing behind.
func TestAddressInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	listening := sockets(t)
	for _, name := range []string{endpoint.OTLPGRPC, endpoint.Console} {
		e, _ := endpoint.Named(name)
		c := config(t, e.Part)
		c.Stack.Addresses[name] = l.Addr().String()
		_, err := app.Start(t.Context(), c)
		var inUse *app.AddressInUseError
		if !errors.As(err, &inUse) || *inUse != (app.AddressInUseError{Endpoint: name, Address: l.Addr().String()}) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := app.ReadState(c.WorkDir); !errors.Is(err, supervisor.ErrNotRunning) {
			t.Errorf("%s: up.json is left: %v", name, err)
		}
		if after := sockets(t); !maps.Equal(after, listening) {
			t.Errorf("%s: sockets are left open: %v, before %v", name, after, listening)
		}
	}
}

// Under a supervisor the server serves on the sockets it is given, answers health
// checks and leaves the state directory to the supervisor.
func TestSupervised(t *testing.T) {
	c := config(t, "kafka")
	c.Inherited.Listeners = map[string]net.Listener{}
	for _, name := range []string{"admin", endpoint.Kafka} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		c.Inherited.Listeners[name] = l
	}
	s := start(t, c)
	if !s.Supervised() {
		t.Error("Supervised reports false")
	}
	if got, want := s.Endpoints()[endpoint.Kafka], c.Inherited.Listeners[endpoint.Kafka].Addr().String(); got != want {
		t.Errorf("Kafka is at %s, not at %s", got, want)
	}
	resp, err := http.Get("http://" + c.Inherited.Listeners["admin"].Addr().String() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("health check: %s", resp.Status)
	}
	if _, err := app.ReadState(c.WorkDir); !errors.Is(err, supervisor.ErrNotRunning) {
		t.Errorf("the server announced itself: %v", err)
	}
}

// A console alone holds no directory and makes no file.
func TestConsoleAlone(t *testing.T) {
	c := config(t, "console")
	c.Console.Jaeger = "http://127.0.0.1:1"
	s := start(t, c)
	if got := slices.Collect(maps.Keys(s.Endpoints())); !slices.Equal(got, []string{endpoint.Console}) {
		t.Errorf("endpoints: %v", got)
	}
	if got := files(t, c.WorkDir); got != c.WorkDir {
		t.Errorf("it made files: %s", got)
	}
}

// A link in the state directory would have the stack write elsewhere.
func TestLinkedDirectory(t *testing.T) {
	c := config(t, "otlp", "loki")
	if err := os.Mkdir(filepath.Join(c.WorkDir, supervisor.StateDir), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(t.TempDir(), filepath.Join(c.WorkDir, supervisor.StateDir, "logs")); err != nil {
		t.Fatal(err)
	}
	var dir *supervisor.DirError
	if _, err := app.Start(t.Context(), c); !errors.As(err, &dir) {
		t.Errorf("Start: %v", err)
	}
}

func TestUnknownPart(t *testing.T) {
	if _, err := app.Start(t.Context(), config(t, "zipkin")); err == nil || !strings.Contains(err.Error(), `part "zipkin" is not known`) {
		t.Error(err)
	}
}

func files(t *testing.T, dir string) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		all = append(all, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, "\n")
}
