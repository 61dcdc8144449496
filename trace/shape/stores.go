package shape

import (
	"cmp"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/tenhop/tenhop/trace"
)

// SharedStore is a database that spans of several services name.
type SharedStore struct {
	System    string   `json:"system"` // such as postgresql; may be empty
	Namespace string   `json:"namespace"`
	Address   string   `json:"address"` // host:port; host if the port is not known
	Services  []string `json:"services"`
	Tables    []string `json:"tables"` // that several of the services name

	// Sure is unset if the address may mean another server for each service. Why holds
	// the reason.
	Sure bool   `json:"sure"`
	Why  string `json:"why,omitempty"`
}

// Limits of Stores.
const (
	maxStores = 10_000
	maxTables = 200 // of a service in a database
)

// Stores collects the databases that spans name. The zero value is ready for use. It is
// not safe for concurrent use.
type Stores struct {
	seen map[database]map[string]*usage // by service
}

// database identifies a database as a span names it.
type database struct {
	system, namespace, address string

	// place limits where the address is valid: the host of a loopback address, the
	// namespace of Kubernetes of a name without a dot.
	place string
	doubt string
}

// usage is what is known of the spans of one service.
type usage struct {
	tables map[string]bool
}

// Add adds the spans of a trace.
func (s *Stores) Add(tr *trace.Trace) {
	for i := range tr.Spans {
		sp := &tr.Spans[i]
		d, ok := databaseOf(sp)
		if !ok {
			continue
		}
		if s.seen == nil {
			s.seen = map[database]map[string]*usage{}
		}
		by := s.seen[d]
		if by == nil {
			if len(s.seen) >= maxStores {
				continue
			}
			by = map[string]*usage{}
			s.seen[d] = by
		}
		u := by[sp.Service]
		if u == nil {
			if len(by) >= maxStores {
				continue
			}
			u = &usage{tables: map[string]bool{}}
			by[sp.Service] = u
		}
		if t := first(sp, tableKeys); t != "" && len(u.tables) < maxTables {
			u.tables[t] = true
		}
	}
}

// Shared returns the databases that several services name, the sure ones first, then
// those of most services. It returns at most 20.
func (s *Stores) Shared() []SharedStore {
	out := []SharedStore{}
	for d, by := range s.seen {
		if len(by) < 2 {
			continue
		}
		tables := map[string]int{}
		for _, u := range by {
			for t := range u.tables {
				tables[t]++
			}
		}
		maps.DeleteFunc(tables, func(_ string, n int) bool { return n < 2 })
		out = append(out, SharedStore{System: d.system, Namespace: d.namespace, Address: d.address, Services: cut(slices.Sorted(maps.Keys(by))),
			Tables: cut(slices.Sorted(maps.Keys(tables))), Sure: d.doubt == "", Why: d.doubt})
	}
	slices.SortFunc(out, func(x, y SharedStore) int {
		if x.Sure != y.Sure {
			if x.Sure {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(len(y.Services), len(x.Services)), cmp.Compare(x.Address, y.Address), cmp.Compare(x.Namespace, y.Namespace), cmp.Compare(x.System, y.System),
			slices.Compare(x.Services, y.Services))
	})
	return out[:min(len(out), listed)]
}

func cut(names []string) []string {
	if len(names) == 0 {
		return []string{}
	}
	return names[:min(len(names), listed)]
}

func sharedStoresOf(tr *trace.Trace) []SharedStore {
	var s Stores
	s.Add(tr)
	return s.Shared()
}

// Attributes that name a database, of the present semantic conventions and of earlier
// ones.
var (
	systemKeys    = []string{"db.system.name", "db.system"}
	namespaceKeys = []string{"db.namespace", "db.name", "db.instance"}
	addressKeys   = []string{"server.address", "net.peer.name", "peer.hostname", "net.sock.peer.name", "network.peer.address", "net.sock.peer.addr", "net.peer.ip", "peer.ipv4"}
	portKeys      = []string{"server.port", "net.peer.port", "network.peer.port", "net.sock.peer.port", "peer.port"}
	tableKeys     = []string{"db.collection.name", "db.sql.table", "db.mongodb.collection", "db.cassandra.table"}
)

// defaultPorts are the ports that instrumentations leave out.
var defaultPorts = map[string]string{"postgresql": "5432", "mysql": "3306", "mariadb": "3306", "microsoft.sql_server": "1433", "mssql": "1433",
	"oracle.db": "1521", "oracle": "1521", "mongodb": "27017", "redis": "6379", "valkey": "6379", "cassandra": "9042", "elasticsearch": "9200", "clickhouse": "9000"}

// databaseOf returns the database that a span names. A name without a server does not
// count, nor a server without a name: a server may hold many databases.
func databaseOf(s *trace.Span) (database, bool) {
	d := database{system: strings.ToLower(first(s, systemKeys)), namespace: first(s, namespaceKeys)}
	host, port := first(s, addressKeys), first(s, portKeys)
	if d.namespace == "" || host == "" || s.Service == "" || s.Kind.Serves() {
		return d, false
	}
	if h, p, err := net.SplitHostPort(host); err == nil {
		host = h
		port = cmp.Or(port, p)
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	port = cmp.Or(port, defaultPorts[d.system])
	if d.address = host; port != "" {
		d.address = net.JoinHostPort(host, port)
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "":
		return d, false
	case strings.HasPrefix(host, "/") || host == "localhost" || err == nil && ip.IsLoopback():
		// Each pod and container has a loopback of its own.
		d.place = cmp.Or(s.Attribute("k8s.pod.uid"), s.Attribute("k8s.pod.name"), s.Attribute("container.id"), s.Attribute("host.id"), s.Attribute("host.name"))
		if d.place == "" {
			d.doubt = "the address is that of the service's own host, and the spans do not name the host"
		}
	case err != nil && !strings.Contains(host, "."):
		if d.place = s.Attribute("k8s.namespace.name"); d.place == "" {
			d.doubt = "the host's name has no domain and may be another server elsewhere"
		}
	}
	return d, true
}

// first returns the first attribute of a span that is set.
func first(s *trace.Span, keys []string) string {
	for _, k := range keys {
		if v := s.Attributes[k]; v != "" {
			return v
		}
	}
	return ""
}

// String returns the finding in one sentence.
func (s SharedStore) String() string {
	text := strings.Join(s.Services, ", ") + " use one database: " + strings.TrimSpace(s.System+" "+s.Namespace) + " at " + s.Address
	if len(s.Tables) > 0 {
		text += ", tables " + strings.Join(s.Tables, ", ")
	}
	if !s.Sure {
		text += "; not sure: " + s.Why
	}
	return text
}
