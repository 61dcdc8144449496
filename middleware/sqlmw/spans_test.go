package sqlmw_test

import (
	"io"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/tenhop/tenhop/middleware/database"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/mwtest"
	"github.com/tenhop/tenhop/middleware/sqlmw"
)

func TestValuesOfAStatementAreNowhere(t *testing.T) {
	spans, reg := tracetest.NewSpanRecorder(), prometheus.NewRegistry()
	tel, err := hop.New(hop.WithServiceName("orders"), hop.WithRegistry(reg), hop.WithZerolog(zerolog.New(io.Discard)),
		hop.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))))
	if err != nil {
		t.Fatal(err)
	}
	db, err := sqlmw.Open("sqlite", "file:"+t.TempDir()+"/t.db", "orders-db", sqlmw.WithTelemetry(tel), sqlmw.WithSystem("sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE o (card TEXT)"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "INSERT INTO o VALUES ('4111-secret')"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "INSERT INTO nothere VALUES ('4111-secret')"); err == nil {
		t.Fatal("no error")
	}
	names := map[string]int{}
	failed := 0
	for _, s := range spans.Ended() {
		names[s.Name()]++
		if s.Status().Code == codes.Error {
			failed++
		}
		for _, a := range s.Attributes() {
			if strings.Contains(a.Value.String(), "secret") {
				t.Errorf("span %s: %s = %s", s.Name(), a.Key, a.Value.String())
			}
		}
		if len(s.Events()) != 0 || strings.Contains(s.Status().Description, "nothere") {
			t.Errorf("span %s: events %v, status %v", s.Name(), s.Events(), s.Status())
		}
	}
	if names["CREATE"] != 1 || names["INSERT"] != 2 || failed != 1 {
		t.Errorf("spans %v, %d failed", names, failed)
	}
}

func TestWrongUseIsAnErrorAtOpen(t *testing.T) {
	if _, err := sqlmw.Open("sqlite", "file:x.db", ""); err == nil {
		t.Error("an empty dependency was accepted")
	}
	if _, err := sqlmw.Open("nosuchdriver", "x", "orders-db"); err == nil {
		t.Error("an unknown driver was accepted")
	}
}

// The spans say where a database is, as far as its DSN does.
func TestLocationOfTheDatabase(t *testing.T) {
	registerLegacy()
	for _, c := range []struct {
		why, dsn string
		opts     []sqlmw.Option
		want     string
	}{
		{"a DSN", "postgres://me:secret@pg:5433/orders", nil, "orders pg 5433"},
		{"a DSN that says nothing", "secret", nil, "  "},
		{"an option", "secret", []sqlmw.Option{sqlmw.WithLocation(database.Location{Namespace: "a", Address: "b", Port: 1})}, "a b 1"},
		{"no location", "postgres://me:secret@pg:5433/orders", []sqlmw.Option{sqlmw.WithLocation(database.Location{})}, "  "},
	} {
		rec := mwtest.New(t)
		db, err := sqlmw.Open("legacy", c.dsn, "orders-db", append(c.opts, sqlmw.WithTelemetry(rec.Telemetry))...)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.ExecContext(t.Context(), "DELETE"); err != nil {
			t.Fatal(err)
		}
		db.Close()
		for _, s := range rec.Spans() {
			for key, v := range s.Attributes {
				if strings.Contains(v, "secret") {
					t.Errorf("%s: %s = %s", c.why, key, v)
				}
			}
			if got := s.Attributes["db.namespace"] + " " + s.Attributes["server.address"] + " " + s.Attributes["server.port"]; got != c.want {
				t.Errorf("%s: %s has %q, want %q", c.why, s.Name, got, c.want)
			}
		}
	}
}
