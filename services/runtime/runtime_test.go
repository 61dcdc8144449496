package runtime

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

func TestParseResolver(t *testing.T) {
	r, err := ParseResolver(" payment=127.0.0.1:1,127.0.0.1:2 ;fraud=[::1]:3;", ".shop.svc")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TENHOP_ADDR_ORDER", "127.0.0.1:4")
	for _, c := range []struct {
		why, name, want string
		static          bool
	}{
		{"all instances of the list", "payment", "127.0.0.1:1 127.0.0.1:2", true},
		{"an IPv6 address", "fraud", "[::1]:3", true},
		{"the environment when the list is silent", "order", "127.0.0.1:4", true},
		{"DNS when nobody says", "cart", "cart.shop.svc:8080", false},
	} {
		addrs, static := r.Addresses(c.name)
		if strings.Join(addrs, " ") != c.want || static != c.static {
			t.Errorf("%s: %v %v", c.why, addrs, static)
		}
	}
	for _, bad := range []string{"payment", "=127.0.0.1:1", "payment=127.0.0.1", "payment="} {
		if _, err := ParseResolver(bad, ""); err == nil || !strings.Contains(err.Error(), "TENHOP_RESOLVE") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestConfigFromEnvSaysWhatIsWrong(t *testing.T) {
	taken := listen(t)
	for _, c := range []struct{ why, key, value, says string }{
		{"a taken port", "TENHOP_LISTEN", taken.Addr().String(), "set TENHOP_LISTEN"},
		{"sockets that are no number", "LISTEN_FDS", "two", "not a number"},
		{"more sockets than sense", "LISTEN_FDS", "99", "not a number"},
		{"a broken list", "TENHOP_RESOLVE", "payment", "host:port"},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Setenv("TENHOP_LISTEN", "127.0.0.1:0")
			t.Setenv("TENHOP_ADMIN_LISTEN", "127.0.0.1:0")
			t.Setenv(c.key, c.value)
			cfg, err := ConfigFromEnv()
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %q", err, c.says)
			}
			for _, l := range []net.Listener{cfg.Listener, cfg.Admin} {
				if l != nil {
					l.Close()
				}
			}
		})
	}
}

func TestDataSource(t *testing.T) {
	for _, c := range []struct{ why, store, driver, says string }{
		{"a file", "sqlite:///tmp/a.db", "sqlite", ""},
		{"a server", "postgres://u@h/db", "pgx", ""},
		{"nothing", "", "", "use sqlite://"},
		{"another database", "mysql://h", "", "use sqlite://"},
		{"no URL", "://", "", "not a URL"},
	} {
		driver, _, err := dataSource(c.store)
		if driver != c.driver || (err == nil) != (c.says == "") || (err != nil && !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %q %v", c.why, driver, err)
		}
	}
}

// A path may hold what means something in a data source's name.
func TestStoreInAnOddFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "100% #1? ok")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "a.db")
	_, dsn, err := dataSource((&url.URL{Scheme: "sqlite", Path: file}).String())
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE a (b TEXT)"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("the store is elsewhere: %v", err)
	}
}

func TestRebind(t *testing.T) {
	s := &Store{postgres: true}
	if got := s.rebind("a = ? AND b = ?"); got != "a = $1 AND b = $2" {
		t.Error(got)
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// TestAServiceWaitsForItsNeeds starts a service whose broker, say, is not there
// for the first tries: it lives, is not ready, keeps no half-opened store, and
// becomes ready without a restart.
func TestAServiceWaitsForItsNeeds(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	var there, opened, closed int
	arrive := make(chan struct{})
	d := Definition{Name: "patient", Build: func(_ context.Context, e *Env) (Service, error) {
		opened++
		e.AddCheck("half", func(context.Context) error { return errors.New("of a try that failed") })
		e.OnClose(func() error { closed++; return nil })
		select {
		case <-arrive:
		default:
			there++
			return Service{}, errors.New("the broker is not there")
		}
		e.mu.Lock()
		e.checks[len(e.checks)-1]()
		e.mu.Unlock()
		return Service{HTTP: http.NotFoundHandler()}, nil
	}}
	cfg := Config{Listener: listen(t), Admin: listen(t), LogWriter: io.Discard}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, d, cfg) }()
	get := func(path string) (int, string) {
		resp, err := http.Get("http://" + cfg.Admin.Addr().String() + path)
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			return 0, err.Error()
		}
		return resp.StatusCode, string(b)
	}
	until(t, func() bool { code, _ := get("/healthz"); return code == http.StatusOK })
	until(t, func() bool {
		code, body := get("/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(body, "still starting")
	})
	close(arrive)
	until(t, func() bool { code, _ := get("/readyz"); return code == http.StatusOK })
	if code, _ := get("/chaos"); code != http.StatusNotFound {
		t.Errorf("without a token /chaos answers %d", code)
	}
	if code, _ := get("/debug/pprof/"); code != http.StatusNotFound {
		t.Errorf("without a token pprof answers %d", code)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("a stop is no error: %v", err)
	}
	if there == 0 || opened != closed {
		t.Errorf("%d failed tries; %d opened, %d closed", there, opened, closed)
	}
}

// TestOneLineAMinute counts what a service says, and how often it tries, while
// its database is away for ten minutes.
func TestOneLineAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		tel, err := hop.New(hop.WithServiceName("patient"), hop.WithZerolog(zerolog.New(&log)))
		if err != nil {
			t.Fatal(err)
		}
		began, tries := time.Now(), 0
		e := &Env{Name: "patient", Telemetry: tel}
		_, err = e.build(t.Context(), Definition{Build: func(context.Context, *Env) (Service, error) {
			tries++
			if time.Since(began) > 10*time.Minute {
				return Service{}, nil
			}
			return Service{}, errors.New("dial tcp 10.0.0.7:5432: connection refused")
		}})
		if err != nil {
			t.Fatal(err)
		}
		// 50 ms doubled up to 5 s: seven tries in the first 3 s, then twelve a minute.
		if tries < 120 || tries > 140 {
			t.Errorf("%d tries in ten minutes", tries)
		}
		if n := strings.Count(log.String(), "10.0.0.7:5432"); n < 10 || n > 11 || n != strings.Count(log.String(), "\n") {
			t.Errorf("%d lines in ten minutes:\n%s", n, log.String())
		}
	})
}

func until(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not come true")
		}
	}
}

func TestOpenStoreSaysWhichMigrationFails(t *testing.T) {
	e := &Env{Name: "broken", Telemetry: mwtest.New(t).Telemetry, Config: Config{Store: "sqlite://" + filepath.Join(t.TempDir(), "broken.db")}}
	_, err := e.OpenStore(t.Context(), fstest.MapFS{
		"migrations/00001_oops.sql": {Data: []byte("-- +goose Up\nCREATE GARBAGE;\n")},
	})
	if err == nil || !strings.Contains(err.Error(), "broken's store") {
		t.Errorf("%v", err)
	}
	if len(e.checks) != 0 || len(e.closer) != 0 {
		t.Error("a store that did not open is checked or closed")
	}
}
