package database_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/middleware/database"
)

func TestLocationOf(t *testing.T) {
	type at = database.Location
	for _, c := range []struct {
		why, dsn string
		want     at
	}{
		{"a URL", "postgres://me:secret@pg.internal:5433/orders?sslmode=disable", at{"orders", "pg.internal", 5433}},
		{"the default port", "postgresql://pg/orders", at{"orders", "pg", 0}},
		{"no name", "postgres://me:secret@pg:5432", at{"", "pg", 5432}},
		{"IPv6", "postgres://[::1]:5432/orders", at{"orders", "::1", 5432}},
		{"a socket", "postgres:///orders?host=/run/postgresql", at{"orders", "/run/postgresql", 0}},
		{"parameters override", "postgres://one/a?host=two&port=6&dbname=b", at{"b", "two", 6}},
		{"SQL Server", "sqlserver://me:secret@ms:1433?database=orders", at{"orders", "ms", 1433}},
		{"an instance of SQL Server", "sqlserver://me:secret@ms/SQLEXPRESS?database=orders", at{"SQLEXPRESS|orders", "ms", 0}},
		{"an instance of SQL Server with a default database", "sqlserver://me:secret@ms/SQLEXPRESS", at{"", "ms", 0}},
		{"SQL Server with a default database", "sqlserver://me:secret@ms:1433", at{"", "ms", 1433}},
		{"an escaped password", "postgres://me:sec%2Fret@pg/orders", at{"orders", "pg", 0}},
		{"several servers", "postgres://one,two/orders", at{}},
		{"several servers with ports", "postgres://one:1,two:2/orders", at{}},
		{"a password that is not escaped", "postgres://me:12/secret@pg/orders", at{}},
		{"keywords", "host=pg port=5433 user=me password=secret dbname=orders", at{"orders", "pg", 5433}},
		{"quoted keywords", `host = 'pg' password='it\'s secret host=x' dbname='my\ orders'`, at{}}, // a space in a name
		{"a quoted password", `host=pg password='it\'s a secret host=x' dbname=orders`, at{"orders", "pg", 0}},
		{"keywords without a host", "user=me dbname=orders", at{}},
		{"several servers in keywords", "host=one,two dbname=orders", at{}},
		{"an open quote", "host=pg dbname='orders", at{}},
		{"MySQL", "me:se/c:r@et@tcp(my.internal:3307)/orders?parseTime=true", at{"orders", "my.internal", 3307}},
		{"MySQL without a port", "me@tcp(my)/orders", at{"orders", "my", 0}},
		{"MySQL with a socket", "me@unix(/run/mysqld.sock)/orders", at{"orders", "/run/mysqld.sock", 0}},
		{"MySQL without a server", "me:secret@/orders", at{}},
		{"a file", "file:/data/orders.db?_pragma=busy_timeout(5000)", at{}},
		{"the URL of a file", "file:///data/orders.db?mode=ro", at{}},
		{"a path", "/data/orders.db", at{}},
		{"memory", ":memory:", at{}},
		{"a registered configuration", "registeredConnConfig0", at{}},
		{"nothing", "", at{}},
		{"bytes that are no text", "postgres://pg/%ff", at{}},
		{"a name without end", "postgres://pg/" + strings.Repeat("x", 300), at{}},
		{"other keywords", "server=ms;user id=me;password=secret;database=orders", at{}},
		{"semicolons between keywords", "host=db;uid=me;pwd=secret", at{}},
		{"semicolons after the database", "host=db dbname=orders;pwd=secret", at{}},
		{"semicolons in a URL", "sqlserver://ms;user=me;password=secret", at{}},
		{"semicolons in the path of a URL", "postgres://pg/orders;password=secret", at{}},
		{"parameters without a question mark", "postgres://pg/orders&password=secret", at{}},
		{"an escaped question mark", "postgres://pg/orders%3Fpassword%3Dsecret", at{}},
		{"a database that is a DSN", "host=pg dbname='postgresql://pg/orders?password=secret'", at{}},
		{"braces around the host", "host={db}{secret}", at{}},
		{"a bracket in a parameter", "me:pw@tcp(my)/orders?x=(secret)/y", at{}},
		{"a zone of IPv6", "postgres://[fe80::1%25eth0]:5432/orders", at{"orders", "fe80::1%eth0", 5432}},
		{"a socket of a proxy", "me@unix(/cloudsql/project:region:my_1)/orders", at{"orders", "/cloudsql/project:region:my_1", 0}},
		{"a name in other letters", "postgres://bücher.example/bücher", at{"bücher", "bücher.example", 0}},
	} {
		got := database.LocationOf(c.dsn)
		if got != c.want {
			t.Errorf("%s: %q gives %+v, want %+v", c.why, c.dsn, got, c.want)
		}
		if strings.Contains(fmt.Sprint(got), "secret") {
			t.Errorf("%s: %+v has the password", c.why, got)
		}
	}
}

func ExampleLocationOf() {
	fmt.Printf("%+v\n", database.LocationOf("postgres://me:secret@pg.internal:5433/orders"))
	// Output: {Namespace:orders Address:pg.internal Port:5433}
}

func FuzzLocationOf(f *testing.F) {
	for _, dsn := range []string{"postgres://me:pw@pg:1/db?host=x", "me:pw@tcp(h:1)/db?a=b", `host='a' dbname=b\`, "file:x?y=z", "a=b='",
		"host=db;uid=me;pwd=x", "sqlserver://me:pw@ms;x=y/a;b=c?database=d;e", "me:pw@tcp(h)/db?x=(a)/b"} {
		f.Add(dsn)
	}
	f.Fuzz(func(t *testing.T, dsn string) {
		l := database.LocationOf(dsn)
		if strings.ContainsAny(l.Namespace+l.Address, "@;= ") || strings.ContainsAny(l.Address, "?&,()'\"") || len(l.Attributes()) > 3 {
			t.Errorf("%q gives %+v", dsn, l)
		}
	})
}
