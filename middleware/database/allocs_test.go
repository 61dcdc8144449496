package database_test

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/database"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// statement returns a function that measures one statement of a hop, without spans.
func statement(tb testing.TB) func() {
	t, err := hop.New(hop.WithServiceName("bench"), hop.WithRegistry(prometheus.NewRegistry()),
		hop.WithZerolog(zerolog.New(io.Discard)), hop.WithTracerProvider(noop.NewTracerProvider()))
	if err != nil {
		tb.Fatal(err)
	}
	client, err := database.NewClient(t.Core(), "mystore", adapter.Dependency{Name: "ledger", Kind: adapter.KindDatabase})
	if err != nil {
		tb.Fatal(err)
	}
	client.Locate(database.Location{Address: "db.example", Port: 5432, Namespace: "ledger"})
	ctx, _ := t.Core().Begin(context.Background(), adapter.Incoming{Protocol: "http", Operation: "POST /pay"})
	return func() {
		_, s := client.Begin(ctx, "SELECT")
		s.End("")
	}
}

// maxStatementAllocs is the number of allocations of a measured statement without a span:
// the context with its span.
const maxStatementAllocs = 1

// The attributes of a statement are made once for each operation.
func TestStatementAllocations(t *testing.T) {
	n := testing.AllocsPerRun(1000, statement(t))
	t.Logf("%v allocations", n)
	if n > maxStatementAllocs {
		t.Errorf("%v allocations, at most %d", n, maxStatementAllocs)
	}
}

func BenchmarkStatement(b *testing.B) {
	f := statement(b)
	b.ReportAllocs()
	for b.Loop() {
		f()
	}
}

// Each operation has its own attributes and series, however many there are, and those of
// the location that was set last.
func TestOperations(t *testing.T) {
	rec := mwtest.New(t)
	client, err := database.NewClient(rec.Core(), "mystore", adapter.Dependency{Name: "ledger", Kind: adapter.KindDatabase})
	if err != nil {
		t.Fatal(err)
	}
	const operations = 300
	for _, address := range []string{"", "db.example"} {
		if address != "" {
			client.Locate(database.Location{Address: address})
		}
		for n := range operations {
			_, s := client.Begin(t.Context(), fmt.Sprint("OP", n))
			s.End("")
		}
	}
	for n, s := range rec.Spans() {
		want, address := fmt.Sprint("OP", n%operations), ""
		if n >= operations {
			address = "db.example"
		}
		if s.Attributes["db.operation.name"] != want || s.Name != want || s.Attributes["server.address"] != address {
			t.Errorf("span %d: %+v", n, s)
		}
		if n%50 > 0 {
			continue // a count reads all series
		}
		if c := rec.Count("db_client_operation_duration_seconds", "db_operation_name", want); c != 2 {
			t.Errorf("%s counts %d, want 2", want, c)
		}
	}
}
