package database

import (
	"net"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// Location identifies a database. Empty fields are not known.
type Location struct {
	// Namespace is db.namespace: the database's name at its server. For a named instance of
	// SQL Server it is instance|database.
	Namespace string

	Address string // server.address: the server's host, or the path of its socket
	Port    int    // server.port; 0 for the default
}

// Attributes returns the attributes of the semantic conventions for what is known.
func (l Location) Attributes() []attribute.KeyValue {
	var a []attribute.KeyValue
	if l.Namespace != "" {
		a = append(a, adapter.AttrDBNamespace.String(l.Namespace))
	}
	if l.Address == "" {
		return a
	}
	a = append(a, adapter.AttrServerAddress.String(l.Address))
	if l.Port > 0 {
		a = append(a, adapter.AttrServerPort.Int(l.Port))
	}
	return a
}

// LocationOf returns what a DSN for database/sql says about its database. It reads URLs, the
// form of libpq (host=… dbname=…) and that of Go's MySQL driver (user@tcp(host:port)/name).
// Any other form gives an empty Location, and so does a list of several servers or a file: a
// file has no server. User and password are in no field: a name that may hold more than the
// name of a host, a socket or a database gives an empty Location, too.
func LocationOf(dsn string) Location {
	l, ok := ofURL(dsn)
	if !ok {
		if l, ok = ofMySQL(dsn); !ok {
			l = ofKeywords(dsn)
		}
	}
	if !printable(l.Address) || strings.ContainsFunc(l.Address, func(r rune) bool { return !ofHost(r) }) ||
		!printable(l.Namespace) || strings.ContainsAny(l.Namespace, separators) {
		return Location{}
	}
	return l
}

// maxName is the maximum length of a name in bytes.
const maxName = 256

// separators are characters that divide a DSN of some form: what they are in may be the rest
// of the DSN, with its password.
const separators = ",;=@&?'\""

// printable reports whether a name is text without spaces and not too long.
func printable(name string) bool {
	return len(name) <= maxName && utf8.ValidString(name) && !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) })
}

// ofHost reports whether a character may be in the name or the address of a host, or in the
// path of a socket.
func ofHost(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsNumber(r) || strings.ContainsRune("-._:%/~+[]", r)
}

// ofURL reads scheme://user:password@host:port/name. A parameter overrides what is in front
// of it, as for the drivers of PostgreSQL and SQL Server.
func ofURL(dsn string) (Location, bool) {
	scheme, _, ok := strings.Cut(dsn, "://")
	if !ok || strings.ContainsAny(scheme, " :=@/?'") {
		return Location{}, false
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return Location{}, true
	}
	q := u.Query()
	l := Location{Namespace: strings.Trim(u.Path, "/"), Address: u.Hostname()}
	l.Port, _ = strconv.Atoi(u.Port())
	for _, key := range []string{"dbname", "database"} {
		if v := q.Get(key); v != "" {
			l.Namespace = v
		}
	}
	if u.Scheme == "sqlserver" {
		l.Namespace = ofSQLServer(strings.Trim(u.Path, "/"), q.Get("database"))
	}
	if v := q.Get("host"); v != "" {
		l.Address = v
	}
	if v, err := strconv.Atoi(q.Get("port")); err == nil {
		l.Port = v
	}
	if l.Address == "" { // a file, or a default of the driver
		return Location{}, true
	}
	return l, true
}

// ofSQLServer returns the namespace of a database of SQL Server. It is not known without the
// database: an instance may have several.
func ofSQLServer(instance, database string) string {
	if instance == "" || database == "" {
		return database
	}
	return instance + "|" + database
}

// ofMySQL reads user:password@protocol(address)/name?parameters.
func ofMySQL(dsn string) (Location, bool) {
	front, name, ok := cutLast(dsn, "/")
	if !ok || !strings.HasSuffix(front, ")") {
		return Location{}, false
	}
	protocol, address, ok := strings.Cut(strings.TrimSuffix(front[strings.LastIndex(front, "@")+1:], ")"), "(")
	if !ok || strings.ContainsAny(protocol, " :=/?") {
		return Location{}, false
	}
	name, _, _ = strings.Cut(name, "?")
	l := Location{Namespace: name, Address: address}
	if host, port, err := net.SplitHostPort(address); err == nil && protocol != "unix" {
		l.Address = host
		l.Port, _ = strconv.Atoi(port)
	}
	return l, true
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// ofKeywords reads host=… port=… dbname=…, with values that may be quoted.
func ofKeywords(dsn string) (l Location) {
	for dsn = strings.TrimSpace(dsn); dsn != ""; dsn = strings.TrimSpace(dsn) {
		key, rest, ok := strings.Cut(dsn, "=")
		key = strings.TrimSpace(key)
		if !ok || key == "" || strings.ContainsAny(key, " \t\n;:/?@'\\") {
			return Location{}
		}
		var value string
		if value, dsn, ok = valueOf(strings.TrimLeft(rest, " \t\n")); !ok {
			return Location{}
		}
		switch key {
		case "host":
			l.Address = value
		case "port":
			l.Port, _ = strconv.Atoi(value)
		case "dbname", "database":
			l.Namespace = value
		}
	}
	if l.Address == "" {
		return Location{}
	}
	return l
}

// valueOf returns the value at the start of s, and what follows it. A backslash escapes.
func valueOf(s string) (value, rest string, ok bool) {
	quoted := strings.HasPrefix(s, "'")
	var b strings.Builder
	for i := len(s) - len(strings.TrimPrefix(s, "'")); i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case quoted && c == '\'':
			return b.String(), s[i+1:], true
		case !quoted && (c == ' ' || c == '\t' || c == '\n'):
			return b.String(), s[i:], true
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), "", !quoted
}
