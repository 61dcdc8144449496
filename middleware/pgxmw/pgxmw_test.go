package pgxmw_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/mwtest"
	"github.com/tenhop/tenhop/middleware/pgxmw"
)

var (
	_ pgx.QueryTracer       = (*pgxmw.QueryTracer)(nil)
	_ pgx.BatchTracer       = (*pgxmw.QueryTracer)(nil)
	_ pgx.CopyFromTracer    = (*pgxmw.QueryTracer)(nil)
	_ pgx.PrepareTracer     = (*pgxmw.QueryTracer)(nil)
	_ pgx.ConnectTracer     = (*pgxmw.QueryTracer)(nil)
	_ pgxpool.AcquireTracer = (*pgxmw.QueryTracer)(nil)
)

// A pool that is exhausted for 500 ms and a statement of 20 ms are both wait,
// each under its kind; what the hop does itself is not.
func TestPoolAndStatementAreWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		tel, err := hop.New(hop.WithServiceName("order"), hop.WithRegistry(reg), hop.WithZerolog(zerolog.New(io.Discard)))
		if err != nil {
			t.Fatal(err)
		}
		tr := pgxmw.Tracer("orders-db", pgxmw.WithTelemetry(tel))
		ctx, h := tel.Core().Begin(context.Background(), adapter.Incoming{Protocol: "grpc", Operation: "tenhop.v1.Order/Place"})
		acquire := tr.TraceAcquireStart(ctx, nil, pgxpool.TraceAcquireStartData{})
		time.Sleep(500 * time.Millisecond)
		tr.TraceAcquireEnd(acquire, nil, pgxpool.TraceAcquireEndData{})
		query := tr.TraceQueryStart(ctx, nil, pgx.TraceQueryStartData{SQL: "insert into o values ('4111')"})
		time.Sleep(20 * time.Millisecond)
		tr.TraceQueryEnd(query, nil, pgx.TraceQueryEndData{Err: fmt.Errorf("place: %w", &pgconn.PgError{Code: "23505", Message: "4111"})})
		time.Sleep(3 * time.Millisecond)
		got := h.End(adapter.Outcome{Quiet: true})
		if got.Self != 3*time.Millisecond || got.Duration != 523*time.Millisecond {
			t.Errorf("self %v of %v", got.Self, got.Duration)
		}
		mfs, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var all strings.Builder
		for _, mf := range mfs {
			for _, m := range mf.GetMetric() {
				fmt.Fprintln(&all, mf.GetName(), m.GetLabel(), m.GetHistogram().GetSampleSum())
			}
		}
		for _, want := range []string{`value:"pool"`, `value:"database"`, `value:"INSERT"`, `value:"23505"`} {
			if !strings.Contains(strings.ReplaceAll(all.String(), "  ", " "), want) {
				t.Errorf("no %s in\n%s", want, all.String())
			}
		}
		if strings.Contains(all.String(), "4111") {
			t.Error("a value of the statement is in the metrics")
		}
	})
}

func TestNoRowIsAnAnswer(t *testing.T) {
	reg := prometheus.NewRegistry()
	tel, err := hop.New(hop.WithServiceName("order"), hop.WithRegistry(reg), hop.WithZerolog(zerolog.New(io.Discard)))
	if err != nil {
		t.Fatal(err)
	}
	tr := pgxmw.Tracer("orders-db", pgxmw.WithTelemetry(tel))
	for _, err := range []error{pgx.ErrNoRows, nil, errors.New("x")} {
		tr.TraceQueryEnd(tr.TraceQueryStart(t.Context(), nil, pgx.TraceQueryStartData{SQL: "SELECT 1"}), nil, pgx.TraceQueryEndData{Err: err})
	}
	mfs, _ := reg.Gather()
	for _, mf := range mfs {
		if mf.GetName() == "db_client_operation_duration_seconds" && len(mf.GetMetric()) != 2 {
			t.Errorf("%d series, want one without an error and one with", len(mf.GetMetric()))
		}
	}
}

// Statements say where the connections of their tracer lead, unless they lead to several
// databases.
func TestLocationOfTheDatabase(t *testing.T) {
	rec := mwtest.New(t)
	tr := pgxmw.Tracer("orders-db", pgxmw.WithTelemetry(rec.Telemetry))
	connect := func(dsn string) {
		t.Helper()
		cfg, err := pgx.ParseConfig(dsn)
		if err != nil {
			t.Fatal(err)
		}
		tr.TraceConnectEnd(tr.TraceConnectStart(t.Context(), pgx.TraceConnectStartData{ConnConfig: cfg}), pgx.TraceConnectEndData{})
	}
	connect("postgres://me:secret@pg:5433/orders") // with a fallback to the same server without TLS
	tr.TraceQueryEnd(tr.TraceQueryStart(t.Context(), nil, pgx.TraceQueryStartData{SQL: "SELECT 1"}), nil, pgx.TraceQueryEndData{})
	tr.TraceBatchEnd(tr.TraceBatchStart(t.Context(), nil, pgx.TraceBatchStartData{}), nil, pgx.TraceBatchEndData{})
	connect("postgres://me:secret@pg:5433/orders")
	connect("postgres://me:secret@pg:5433/others")
	tr.TraceQueryEnd(tr.TraceQueryStart(t.Context(), nil, pgx.TraceQueryStartData{SQL: "UPDATE a"}), nil, pgx.TraceQueryEndData{})
	several := pgxmw.Tracer("orders-db", pgxmw.WithTelemetry(rec.Telemetry))
	cfg, err := pgx.ParseConfig("postgres://me:secret@one,two/orders")
	if err != nil {
		t.Fatal(err)
	}
	several.TraceConnectStart(t.Context(), pgx.TraceConnectStartData{ConnConfig: cfg})
	several.TraceQueryEnd(several.TraceQueryStart(t.Context(), nil, pgx.TraceQueryStartData{SQL: "DELETE"}), nil, pgx.TraceQueryEndData{})
	got := map[string]string{}
	for _, s := range rec.Spans() {
		got[s.Name] = s.Attributes["db.namespace"] + " " + s.Attributes["server.address"] + " " + s.Attributes["server.port"]
	}
	for name, want := range map[string]string{"SELECT": "orders pg 5433", "BATCH": "orders pg 5433", "UPDATE": "  ", "DELETE": "orders  "} {
		if got[name] != want {
			t.Errorf("%s has %q, want %q", name, got[name], want)
		}
	}
}
