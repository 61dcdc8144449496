package parts

import (
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"testing"

	"github.com/tenhop/tenhop/internal/uptest"
	"github.com/tenhop/tenhop/services"
	"github.com/tenhop/tenhop/services/runtime/discovery/discoverytest"
	"github.com/tenhop/tenhop/trace"
)

// part is an optional part of the storefront.
type part struct {
	name string
	on   func(*testing.T) switched // skips the test without the part's server
}

// switched describes a storefront with a part.
type switched struct {
	args   []string // of `tenhop up`
	visits []visit
	checks []func(*testing.T, *shop, []request)
}

// visit describes requests that reach a part.
type visit struct {
	operation string
	what      string
	is        func(trace.Span) bool // selects the spans of the part
}

func (v visit) spans(tr trace.Trace) (of []trace.Span) {
	for _, sp := range tr.Spans {
		if v.is(sp) {
			of = append(of, sp)
		}
	}
	return of
}

// has returns a selector of spans of a kind with an attribute.
func has(kind trace.Kind, key, value string) func(trace.Span) bool {
	return func(sp trace.Span) bool { return sp.Kind == kind && sp.Attributes[key] == value }
}

// server returns what a variable of deploy/real/run names.
func server(t *testing.T, name, variable string) string {
	t.Helper()
	at := os.Getenv(variable)
	if at == "" {
		t.Skipf("NOT TESTED ON %s: %s is not set; make parts starts it", name, variable)
	}
	return at
}

func searching(t *testing.T) switched {
	return switched{
		args:   []string{"--search", server(t, "OpenSearch", "TENHOP_TEST_SEARCH")},
		visits: []visit{{"GET /search", "the search engine", has(trace.Client, "db.system.name", "elasticsearch")}},
		checks: []func(*testing.T, *shop, []request){func(t *testing.T, s *shop, _ []request) {
			engine, database := s.value(t, `sum(catalog_searches_total{store="engine"})`), s.value(t, `sum(catalog_searches_total{store="database",reason!="not_ready"}) or vector(0)`)
			t.Logf("%.0f searches in the engine, %.0f in the database", engine, database)
			if database > 0 {
				t.Errorf("the engine failed %.0f times", database)
			}
		}},
	}
}

func overRabbitMQ(t *testing.T) switched {
	return switched{
		args: []string{"--rabbitmq", server(t, "RabbitMQ", "TENHOP_TEST_AMQP")},
		visits: []visit{
			{"POST /checkout", "the publishers of RabbitMQ", has(trace.Producer, "messaging.system", "rabbitmq")},
			{"POST /checkout", "the consumers of RabbitMQ", has(trace.Consumer, "messaging.system", "rabbitmq")},
		},
		checks: []func(*testing.T, *shop, []request){func(t *testing.T, s *shop, _ []request) {
			if n := s.value(t, `max(messaging_consumer_group_lag)`); n > 20 { // at most a second of the shoppers' orders
				t.Errorf("%.0f messages wait", n)
			}
		}},
	}
}

func onPostgres(t *testing.T) switched {
	return switched{
		args:   []string{"--postgres", uptest.Databases(t, server(t, "PostgreSQL", "TENHOP_TEST_POSTGRES"))},
		visits: []visit{{"POST /checkout", "PostgreSQL", has(trace.Client, "db.system.name", "postgresql")}},
	}
}

func withMutualTLS(*testing.T) switched {
	return switched{
		args:   []string{"--mtls"},
		visits: []visit{{"POST /checkout", "a hop behind TLS", has(trace.Server, "url.scheme", "https")}},
	}
}

func foundInConsul(t *testing.T) switched {
	agent := discoverytest.Start(t)
	if agent.Real {
		t.Logf("Consul itself at %s", agent.URL)
	} else {
		t.Log("NOT TESTED ON Consul: TENHOP_CONSUL_BIN is not set, so this runs on the stand-in of its API")
	}
	return switched{
		args: []string{"--consul", agent.URL},
		visits: []visit{{"POST /checkout", "a hop that was found in Consul", func(sp trace.Span) bool {
			return sp.Kind == trace.Server && sp.Service != "gateway"
		}}},
		checks: []func(*testing.T, *shop, []request){func(t *testing.T, s *shop, _ []request) {
			for _, name := range services.Names() {
				if n := passing(t, agent.URL, name); n != 1 {
					t.Errorf("Consul knows %d instances of %s that pass their check", n, name)
				}
			}
			if n := s.value(t, `sum(hop_discovery_failing)`); n > 0 {
				t.Errorf("%.0f services are followed by their last known instances", n)
			}
			t.Logf("Consul passes one instance of each of %d services; callers follow %.0f of them", len(services.Names()),
				s.value(t, `count(group by (dependency) (hop_discovery_instances == 1))`))
		}},
	}
}

// passing returns the number of a service's instances whose checks pass.
func passing(t *testing.T, agent, service string) int {
	t.Helper()
	resp, err := http.Get(agent + "/v1/health/service/" + service + "?passing=1")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var entries []any
	if err := json.NewDecoder(resp.Body).Decode(&entries); err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func withAll(t *testing.T) switched {
	var all switched
	for _, on := range []func(*testing.T) switched{searching, overRabbitMQ, onPostgres, withMutualTLS, foundInConsul} {
		p := on(t)
		all.args, all.visits, all.checks = slices.Concat(all.args, p.args), slices.Concat(all.visits, p.visits), slices.Concat(all.checks, p.checks)
	}
	return all
}
