package sqlmw_test

import (
	"context"
	"io"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/sqlmw"
)

// TestPool exports a pool while its database is open, and adds up those of one name.
func TestPool(t *testing.T) {
	reg := prometheus.NewRegistry()
	tel, err := hop.New(hop.WithServiceName("orders"), hop.WithRegistry(reg), hop.WithZerolog(zerolog.New(io.Discard)))
	if err != nil {
		t.Fatal(err)
	}
	var open []*sqlmw.DB
	for range 2 {
		db, err := sqlmw.Open("sqlite", "file:"+t.TempDir()+"/t.db", "orders-db", sqlmw.WithTelemetry(tel))
		if err != nil {
			t.Fatal(err)
		}
		db.SetMaxOpenConns(3)
		open = append(open, db)
	}
	held, err := open[0].Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{"db_client_connection_count used": 1, "db_client_connection_count idle": 0, "db_client_connection_max ": 6, "db_client_connection_wait_time_seconds ": 0}
	got := pool(t, reg)
	for name, v := range want {
		if have, ok := got[name]; !ok || have != v {
			t.Errorf("%s is %v, want %v (%v)", name, have, v, got)
		}
	}
	_ = held.Close()
	for _, db := range open {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
	if got := pool(t, reg); len(got) > 0 {
		t.Errorf("closed databases are exported: %v", got)
	}
}

// pool returns the values of the pool's families by family and state.
func pool(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			state, pool := "", false
			for _, l := range m.GetLabel() {
				switch l.GetName() {
				case "db_client_connection_state":
					state = l.GetValue()
				case "db_client_connection_pool_name":
					pool = l.GetValue() == "orders-db"
				}
			}
			if pool {
				out[f.GetName()+" "+state] = m.GetGauge().GetValue() + m.GetHistogram().GetSampleSum()
			}
		}
	}
	return out
}

// TestBusy names the store's lock in error_type.
func TestBusy(t *testing.T) {
	reg := prometheus.NewRegistry()
	tel, err := hop.New(hop.WithServiceName("orders"), hop.WithRegistry(reg), hop.WithZerolog(zerolog.New(io.Discard)))
	if err != nil {
		t.Fatal(err)
	}
	db, err := sqlmw.Open("sqlite", "file:"+t.TempDir()+"/t.db?_txlock=immediate", "orders-db", sqlmw.WithTelemetry(tel))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx := context.Background()
	if _, err := db.ExecContext(ctx, "CREATE TABLE t (n INTEGER)"); err != nil {
		t.Fatal(err)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := db.ExecContext(ctx, "INSERT INTO t VALUES (1)"); err == nil {
		t.Fatal("a second writer was let in")
	}
	families, _ := reg.Gather()
	busy := uint64(0)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "error_type" && l.GetValue() == "SQLITE_BUSY" {
					busy += m.GetHistogram().GetSampleCount()
				}
			}
		}
	}
	if busy == 0 {
		t.Error("no call has error_type SQLITE_BUSY")
	}
}
