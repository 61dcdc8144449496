package sqlmw_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	_ "modernc.org/sqlite"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/sqlmw"
)

func TestWaitForAnExhaustedPoolIsTheDependencysNotSelf(t *testing.T) {
	reg := prometheus.NewRegistry()
	tel, err := hop.New(hop.WithServiceName("orders"), hop.WithRegistry(reg), hop.WithZerolog(zerolog.New(io.Discard)))
	if err != nil {
		t.Fatal(err)
	}
	db, err := sqlmw.Open("sqlite", "file:"+t.TempDir()+"/t.db", "orders-db", sqlmw.WithTelemetry(tel))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	held, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	const hold = 150 * time.Millisecond
	ctx, h := tel.Core().Begin(context.Background(), adapter.Incoming{Protocol: "http", Operation: "GET /x"})
	go func() {
		// The query below can only go on once the connection is back.
		for db.Stats().WaitCount == 0 {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(hold)
		held.Close()
	}()
	var one int
	if err := db.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
		t.Fatal(err)
	}
	got := h.End(adapter.Outcome{Quiet: true})
	if got.Duration < hold || got.Self > got.Duration-hold {
		t.Errorf("self %v of %v: the %v in the pool's queue must not be self time", got.Self, got.Duration, hold)
	}
	mfs, _ := reg.Gather()
	waits := map[string]float64{}
	for _, mf := range mfs {
		if mf.GetName() != "hop_wait_duration_seconds" {
			continue
		}
		for _, m := range mf.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "dependency_kind" {
					waits[l.GetValue()] += m.GetHistogram().GetSampleSum()
				}
			}
		}
	}
	if waits["pool"] < hold.Seconds() || waits["database"] <= 0 {
		t.Errorf("waits by kind: %v", waits)
	}
}
