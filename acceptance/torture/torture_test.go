//go:build linux

package torture

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/internal/uptest"
	"github.com/tenhop/tenhop/services/inventory"
	"github.com/tenhop/tenhop/stack/broker"
	"github.com/tenhop/tenhop/supervisor"
)

// settle is the time in which every saga ends after the last fault.
const settle = 3 * time.Minute

// length returns the time of the faults.
func length(t *testing.T) time.Duration {
	t.Helper()
	switch v := os.Getenv("TENHOP_TORTURE"); v {
	case "":
		t.Skip("SKIPPED: no order was under fire; set TENHOP_TORTURE to short or to a number of minutes, or run `make torture`")
	case "short":
		return time.Minute
	default:
		minutes, err := strconv.ParseFloat(v, 64)
		if err != nil || minutes <= 0 {
			t.Fatalf("TENHOP_TORTURE=%q must be short or a number of minutes", v)
		}
		return time.Duration(minutes * float64(time.Minute))
	}
	return 0
}

// shop is the storefront of a run.
type shop struct {
	dir      string
	up       *supervisor.Supervisor
	state    supervisor.Dir
	links    *links
	disk     *fullDisk
	postgres string // URL of the server, "" for SQLite
	kafka    string // host:port, "" for the embedded broker
}

// TestOrdersUnderFire runs the storefront under faults and counts the orders afterwards.
func TestOrdersUnderFire(t *testing.T) {
	lasting, seed := length(t), uptest.Seed(t, uint64(time.Now().Unix()))
	s := start(t, seed)
	c := newCrowd(s.up.Endpoints()["gateway"], seed)
	log, err := os.Create(filepath.Join(s.dir, "faults.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	k := &killer{state: s.state, links: s.links, disk: s.disk, postgres: s.postgres != "", kafka: s.kafka != "", count: map[kind]int{}, busy: map[string]bool{}, ended: make(chan struct{}),
		log: func(format string, args ...any) {
			fmt.Fprintf(log, "%8.3f "+format+"\n", append([]any{time.Since(c.began).Seconds()}, args...)...)
		}}
	ctx, cancel := context.WithTimeout(t.Context(), lasting)
	defer cancel()
	go k.run(ctx, plan(seed, lasting))
	c.shop(ctx)
	k.wait()

	quiet, cancel := context.WithTimeout(t.Context(), settle)
	defer cancel()
	unknown := c.lastWord(quiet)
	left := s.untilSettled(quiet)
	end := int64(time.Since(c.began))
	took := time.Since(c.began) - lasting
	s.stop(t)

	l, err := ReadLedger(t.Context(), s.open)
	if err != nil {
		t.Fatal(err)
	}
	if l.Records, err = s.records(t.Context()); err != nil {
		t.Fatal(err)
	}
	violations := Check(l, c.known, inventory.Restock)
	history := append(c.observations(), StoredObservations(l, c.tried(), end)...)
	violations = append(violations, CheckHistories(history)...)
	report(t, s, c, k, l, violations)
	t.Logf("settled in %.0f s; %d checkouts unknown, %d things unsettled", took.Seconds(), unknown, left)
	if unknown > 0 || left > 0 {
		t.Errorf("after %s %d checkouts have no outcome and %d sagas, events, shipments or messages are not finished", settle, unknown, left)
	}
	if len(c.known.Acknowledged) == 0 {
		t.Error("no order was acknowledged, so nothing was tested")
	}
}

// start builds and starts the storefront.
func start(t *testing.T, seed uint64) *shop {
	t.Helper()
	dir, err := os.MkdirTemp("", "tenhop-torture-")
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{dir: dir, links: newLinks()}
	t.Cleanup(func() {
		if s.disk != nil {
			if t.Failed() {
				if out, err := exec.Command("cp", "-r", s.disk.dir, filepath.Join(dir, "data")).CombinedOutput(); err != nil {
					t.Logf("keep the stores: %v %s", err, out)
				}
			}
			if err := s.disk.unmount(); err != nil {
				t.Errorf("unmount %s: %v", s.disk.dir, err)
			}
		}
		if t.Failed() {
			t.Logf("FAILED with TENHOP_SEED=%d; the run is in %s", seed, dir)
			return
		}
		_ = os.RemoveAll(dir)
	})
	program := filepath.Join(dir, "tenhop")
	if out, err := exec.Command("go", "build", "-o", program, "github.com/tenhop/tenhop/cmd/tenhop").CombinedOutput(); err != nil {
		t.Fatalf("build tenhop: %v\n%s", err, out)
	}
	if s.state, err = supervisor.In(dir); err != nil {
		t.Fatal(err)
	}
	if s.disk, err = mountDisk(s.state.Path("data")); err != nil {
		t.Logf("SKIPPED: NO DISK WAS FULL FOR ALL PROCESSES: mount a small file system: %v; run it as root. Single processes still cannot write.", err)
	}
	out, err := os.Create(filepath.Join(dir, "up.log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	cfg := supervisor.Config{WorkDir: dir, Program: program, FreePorts: true, Seed: seed, Out: out, Link: s.links.link}
	s.real(t, &cfg)
	if s.up, err = supervisor.Up(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.stop(t) })
	t.Logf("TENHOP_SEED=%d, in %s", seed, dir)
	return s
}

// stop stops the storefront, once.
func (s *shop) stop(t *testing.T) {
	if s.up == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
	defer cancel()
	if err := s.up.Close(ctx); err != nil {
		t.Logf("stop: %v", err)
	}
	s.up = nil
	s.links.stop()
}

// open opens the store of a service. It is a Stores.
func (s *shop) open(service string) (*sql.DB, error) {
	if s.postgres == "" {
		return sql.Open("sqlite", "file:"+s.state.Path("data", service+".db")+"?_pragma=busy_timeout(5000)")
	}
	u, err := url.Parse(s.postgres)
	if err != nil {
		return nil, err
	}
	return sql.Open("pgx", u.JoinPath(service).String())
}

// untilSettled waits until everything is finished, and returns what is not.
func (s *shop) untilSettled(ctx context.Context) int {
	for {
		l, err := ReadLedger(ctx, s.open)
		left := Unsettled(l)
		if err == nil && left == 0 {
			return 0
		}
		if !uptest.Sleep(ctx, 2*time.Second) {
			return max(left, 1)
		}
	}
}

// records reads the topics of the stopped storefront.
func (s *shop) records(ctx context.Context) (map[string]map[string]int, error) {
	if s.kafka != "" {
		return ReadTopics(ctx, s.kafka)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b, err := broker.Open(ctx, l, s.state.Path("data", "kafka"))
	if err != nil {
		return nil, err
	}
	defer b.Close()
	return ReadTopics(ctx, l.Addr().String())
}

// report logs the table and fails the test if an invariant is broken.
func report(t *testing.T, s *shop, c *crowd, k *killer, l Ledger, violations []Violation) {
	t.Helper()
	byInvariant := map[string][]string{}
	for _, v := range violations {
		byInvariant[v.Invariant] = append(byInvariant[v.Invariant], v.Detail)
	}
	var b strings.Builder
	row := func(name string, n int) { fmt.Fprintf(&b, "| %-54s | %6d |\n", name, n) }
	store, events := "SQLite", "embedded broker"
	if s.postgres != "" {
		store = "PostgreSQL"
	}
	if s.kafka != "" {
		events = "Apache Kafka"
	}
	fmt.Fprintf(&b, "\n| %-54s | %6s |\n|%s|%s|\n", store+", "+events, "number", strings.Repeat("-", 56), strings.Repeat("-", 8))
	row("operations", c.requests)
	row("checkouts", len(c.methods))
	row("acknowledged", len(c.known.Acknowledged))
	placedOrders, records := 0, 0
	for _, o := range l.Orders {
		if o.State == placed {
			placedOrders++
		}
	}
	for _, n := range l.Records[orderTopic] {
		records += n
	}
	row("orders in the store", placedOrders)
	row("records of them", records)
	for _, kind := range kinds {
		row(string(kind), k.count[kind])
	}
	for _, name := range append(Invariants(), Linearizable) {
		row("broken: "+name, len(byInvariant[name]))
	}
	t.Log(b.String())
	for name, details := range byInvariant {
		t.Errorf("%s: %s", name, strings.Join(details[:min(len(details), 5)], "\n"))
	}
	for _, odd := range c.odd[:min(len(c.odd), 5)] {
		t.Errorf("an answer that no customer should see: %s", odd)
	}
	if k.invalid() {
		t.Error("a store was damaged while its process ran, so the run proves nothing; see faults.log")
	}
}
