package services_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tenhop/tenhop/services"
	"github.com/tenhop/tenhop/services/catalog"
	serviceruntime "github.com/tenhop/tenhop/services/runtime"
)

// processVariable makes TestServiceProcess run the service that it names.
const processVariable = "TENHOP_TEST_SERVICE"

// TestServiceProcess is the main function of the processes of TestNoServiceOpensAnothersStore.
func TestServiceProcess(t *testing.T) {
	name := os.Getenv(processVariable)
	if name == "" {
		t.Skip("it is a process of another test")
	}
	cfg, err := serviceruntime.ConfigFromEnv()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := services.Run(ctx, name, cfg); err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// TestNoServiceOpensAnothersStore runs each service in a process of its own, sends
// orders through all of them, and reads which files the processes have open.
func TestNoServiceOpensAnothersStore(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: runs thirteen processes")
	}
	if runtime.GOOS != "linux" {
		t.Skip("NOT TESTED: the open files of a process are read from /proc")
	}
	on := standIns(t)
	s := &storefront{admin: map[string]string{}, systems: on}
	pids := s.processes(t)
	for n := range 3 {
		s.must(t, n, http.MethodPost, "/cart/items", `{"product_id":"`+catalog.ProductID(n)+`","quantity":1}`)
		placed(t, s.must(t, n, http.MethodPost, "/checkout", `{"payment_method":"card"}`))
		s.must(t, n, http.MethodGet, "/orders", "")
	}
	until(t, "the customers get their messages", func() error {
		if n := s.count(t, "notification", "SELECT COUNT(*) FROM messages"); n < 3 {
			return fmt.Errorf("%d of 3", n)
		}
		return nil
	})
	owners := map[string][]string{} // by file
	for name, pid := range pids {
		for _, file := range openStores(t, pid) {
			owners[file] = append(owners[file], name)
		}
	}
	for file, by := range owners {
		if own := strings.TrimSuffix(file, ".db"); !slices.Equal(by, []string{own}) {
			t.Errorf("%s is open in %v, not only in %s", file, by, own)
		}
	}
	if len(owners) < 8 {
		t.Errorf("only %d stores are open: %v; the test sees nothing", len(owners), owners)
	}
	t.Logf("%d stores, each open in one process: %v", len(owners), owners)
}

// processes starts each service as a process and waits until it is ready.
func (s *storefront) processes(t *testing.T) (pids map[string]int) {
	t.Helper()
	sockets, addresses := map[string][2]*os.File{}, []string{}
	for _, name := range services.Names() {
		var files [2]*os.File
		for i := range files {
			l := listen(t)
			f, err := l.(*net.TCPListener).File()
			if err != nil {
				t.Fatal(err)
			}
			files[i] = f
			if i == 0 {
				addresses = append(addresses, name+"="+l.Addr().String())
				if name == "gateway" {
					s.gateway = "http://" + l.Addr().String()
				}
			} else {
				s.admin[name] = "http://" + l.Addr().String()
			}
			l.Close()
		}
		sockets[name] = files
	}
	pids = map[string]int{}
	for name, files := range sockets {
		cmd := exec.Command(os.Args[0], "-test.run=^TestServiceProcess$")
		cmd.ExtraFiles = files[:]
		cmd.Env = append(os.Environ(), processVariable+"="+name, "LISTEN_FDS=2", "LISTEN_FDNAMES=main:admin", "OTEL_TRACES_EXPORTER=none",
			"TENHOP_RESOLVE="+strings.Join(addresses, ";"), "TENHOP_STORE="+s.systems.store[name], "TENHOP_REDIS="+s.systems.redis,
			"TENHOP_KAFKA="+strings.Join(s.systems.kafka, ","), "TENHOP_INSTANCE="+name+"-1")
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			f.Close()
		}
		pids[name] = cmd.Process.Pid
		t.Cleanup(func() {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			kill := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
			_ = cmd.Wait() // its status says how it was stopped
			if kill.Stop(); t.Failed() {
				t.Logf("%s: %.2000s", name, out.String())
			}
		})
	}
	for name, base := range s.admin {
		until(t, name+" is ready", func() error { return expect(http.Get(base + "/readyz")) })
	}
	return pids
}

// openStores returns the names of the database files that a process has open.
func openStores(t *testing.T, pid int) []string {
	t.Helper()
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(links) == 0 {
		t.Fatalf("the open files of process %d: %v", pid, err)
	}
	var out []string
	for _, l := range links {
		if to, err := os.Readlink(l); err == nil && strings.HasSuffix(to, ".db") && !slices.Contains(out, filepath.Base(to)) {
			out = append(out, filepath.Base(to))
		}
	}
	return out
}

// TestRolesSeeTheirOwnDatabase runs the script that prepares PostgreSQL, and connects
// with each service's role to each service's database.
func TestRolesSeeTheirOwnDatabase(t *testing.T) {
	t.Run("postgres", testRoles)
}

func testRoles(t *testing.T) {
	server := os.Getenv("TENHOP_TEST_POSTGRES")
	if server == "" {
		t.Skip("NOT TESTED ON PostgreSQL: TENHOP_TEST_POSTGRES is not set; deploy/real/run sets it")
	}
	if _, err := exec.LookPath("psql"); err != nil {
		t.Skip("NOT TESTED: the script needs psql; apt-get install postgresql-client")
	}
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	admin, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	var names []string
	for _, name := range services.Names() {
		if !slices.Contains([]string{"gateway", "cart"}, name) { // they have no such store
			names = append(names, name)
		}
	}
	t.Cleanup(func() { // after the connections of the test
		admin, err := sql.Open("pgx", server)
		if err != nil {
			t.Fatal(err)
		}
		defer admin.Close()
		for _, name := range names {
			for _, statement := range []string{"DROP DATABASE IF EXISTS " + pgQuoted(name) + " WITH (FORCE)", "DROP ROLE IF EXISTS " + pgQuoted(name)} {
				if _, err := admin.Exec(statement); err != nil {
					t.Error(err)
				}
			}
		}
	})
	script := exec.Command("sh", "../deploy/postgres/init.sh")
	script.Env = append(os.Environ(), "PGHOST="+u.Hostname(), "PGPORT="+u.Port(), "PGDATABASE=postgres", "POSTGRES_SERVICE_PASSWORD=of-this-test")
	if out, err := script.CombinedOutput(); err != nil {
		t.Fatalf("init.sh: %v\n%s", err, out)
	}
	refused := 0
	for _, role := range names {
		for _, database := range names {
			as := *u
			as.User, as.Path = url.UserPassword(role, "of-this-test"), "/"+database
			db, err := sql.Open("pgx", as.String())
			if err != nil {
				t.Fatal(err)
			}
			err = db.Ping()
			db.Close()
			var denied *pgconn.PgError
			switch {
			case role == database && err != nil:
				t.Errorf("%s cannot open its own database: %v", role, err)
			case role != database && (!errors.As(err, &denied) || denied.Code != "42501"):
				t.Errorf("%s at the database %s: %v, want permission denied", role, database, err)
			case role != database:
				refused++
			}
		}
	}
	t.Logf("%d roles, %d connections to another's database refused", len(names), refused)
}

func pgQuoted(name string) string { return `"` + name + `"` }
