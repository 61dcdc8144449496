package database_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/database"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// Exec executes a statement.
type Exec func(ctx context.Context, statement string) error

// A store of one's own, without a driver.
func Example() {
	client, err := database.NewClient(hop.Default().Core(), "mystore", adapter.Dependency{Name: "ledger", Kind: adapter.KindDatabase})
	if err != nil {
		fmt.Println(err)
		return
	}
	exec := Exec(func(context.Context, string) error { return nil })
	_ = func(ctx context.Context, statement string) error {
		ctx, s := client.Begin(ctx, database.Operation(statement))
		err := exec(ctx, statement)
		s.End(adapter.ErrorType(err))
		return err
	}
}

func ExampleOperation() {
	fmt.Println(database.Operation("select * from cards"), database.Operation("4111 1111 1111 1111"))
	// Output: SELECT _OTHER
}

// The signals of a statement agree with each other.
func TestStatement(t *testing.T) {
	rec := mwtest.New(t)
	client, err := database.NewClient(rec.Core(), "mystore", adapter.Dependency{Name: "ledger", Kind: adapter.KindDatabase})
	if err != nil {
		t.Fatal(err)
	}
	ctx, h := rec.Core().Begin(t.Context(), adapter.Incoming{Protocol: "http", Operation: "POST /pay"})
	for _, err := range []error{nil, errors.New("full of values")} {
		_, s := client.Begin(ctx, database.Operation("INSERT INTO t VALUES (1)"))
		s.End(adapter.ErrorType(err))
	}
	h.End(adapter.Outcome{})
	for errorType, want := range map[string]int{"": 1, "*errors.errorString": 1} {
		if n := rec.Count("db_client_operation_duration_seconds", "db_system_name", "mystore", "db_operation_name", "INSERT",
			"dependency", "ledger", "error_type", errorType); n != want {
			t.Errorf("error_type %q counts %d, want %d", errorType, n, want)
		}
	}
	if n := rec.Count("hop_wait_duration_seconds", "dependency", "ledger", "dependency_kind", "database"); n != 1 {
		t.Errorf("%d waits", n)
	}
	failed := 0
	for _, s := range rec.Spans() {
		if s.Attributes["error.type"] == "*errors.errorString" {
			failed++
		}
	}
	if failed != 1 {
		t.Errorf("%d failed spans", failed)
	}
}

// Statements may share a slice of attributes: Begin does not write to it.
func TestSharedAttributes(t *testing.T) {
	rec := mwtest.New(t)
	client, err := database.NewClient(rec.Core(), "mystore", adapter.Dependency{Name: "ledger", Kind: adapter.KindDatabase})
	if err != nil {
		t.Fatal(err)
	}
	shared := make([]attribute.KeyValue, 1, 8)
	shared[0] = attribute.String("shard", "7")
	_, s := client.Begin(t.Context(), "SELECT", shared...)
	s.End("")
	if beyond := shared[:2][1]; beyond.Valid() {
		t.Errorf("Begin has written %v behind its argument", beyond)
	}
}

func TestOperation(t *testing.T) {
	for statement, want := range map[string]string{
		"select 1":                                         "SELECT",
		"-- name: CountUsers :one\nSELECT 1":               "SELECT",
		"/* route=/users */ UPDATE t SET a = 1":            "UPDATE",
		"/*+ hint */select/**/1":                           "SELECT",
		"/* a /* b */ c */ DELETE FROM t":                  "DELETE",
		"# mysql\n  insert into t values (1)":              "INSERT",
		"(SELECT 1) UNION (SELECT 2)":                      "SELECT",
		"\n\t-- a\r\n-- b\n/* c */\n WITH x AS (SELECT 1)": "WITH",
		"; COMMIT;":           "COMMIT",
		"SELECT--comment\n1":  "SELECT",
		"-- only a comment":   "_OTHER",
		"/* without end":      "_OTHER",
		"":                    "_OTHER",
		"/*/ SELECT":          "_OTHER",
		"4111 1111 1111 1111": "_OTHER",
		"/* SELECT */ secret": "_OTHER",
	} {
		if got := database.Operation(statement); got != want {
			t.Errorf("%q: %s, want %s", statement, got, want)
		}
	}
}

// Comments and parentheses in front of a statement keep its operation.
func TestOperationAfterComments(t *testing.T) {
	for statement, want := range map[string]string{
		"-- name: CountUsers :one\nSELECT 1":          "SELECT",
		"/* route=/users */ SELECT 1":                 "SELECT",
		"/*+ HINT */ /* two */ -- three\n update t":   "UPDATE",
		"/* outer /* inner */ still */ DELETE FROM t": "DELETE",
		"/* not /* nested */ INSERT INTO t":           "INSERT",
		"# MySQL\nSELECT 1":                           "SELECT",
		"(SELECT 1) UNION (SELECT 2)":                 "SELECT",
		"-- only a comment":                           adapter.Overflow,
		"/* open":                                     adapter.Overflow,
		"":                                            adapter.Overflow,
	} {
		if got := database.Operation(statement); got != want {
			t.Errorf("%q is %s, want %s", statement, got, want)
		}
	}
}
