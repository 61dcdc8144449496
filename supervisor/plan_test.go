package supervisor

import (
	"errors"
	"maps"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/stack/endpoint"
)

// Whatever listens can be found in up.json.
func TestEverySocketIsAnnounced(t *testing.T) {
	d := testDir(t)
	p, err := newPlan(Config{FreePorts: true, Replicas: map[string]int{"payment": 3}}, d, "token")
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	announced := map[string]bool{}
	for _, value := range slices.Concat(slices.Collect(maps.Values(p.endpoints)), slices.Collect(maps.Values(p.admin)), slices.Collect(maps.Values(p.addresses))) {
		if u, err := url.Parse(value); err == nil && u.Host != "" {
			value = u.Host
		}
		if _, _, err := net.SplitHostPort(value); err != nil {
			t.Errorf("announced address: %v", err)
		}
		announced[value] = true
	}
	for _, s := range p.open {
		if !announced[s.address()] {
			t.Errorf("socket %s, %s, is not in up.json", s.Name, s.address())
		}
	}
	for _, e := range endpoint.All() {
		if p.endpoints[e.Name] == "" {
			t.Errorf("endpoint %s is not in up.json", e.Name)
		}
	}
	if len(p.endpoints) != len(endpoint.All()) {
		t.Errorf("up.json has %d endpoints, the table %d", len(p.endpoints), len(endpoint.All()))
	}
}

// The heap of the telemetry process doubles before it is collected, within a limit.
func TestCollectionOfTheStack(t *testing.T) {
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} { // they take precedence
		if value, ok := os.LookupEnv(name); ok {
			t.Setenv(name, value) // restored at the end
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	p, err := newPlan(Config{FreePorts: true}, testDir(t), "token")
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	want := map[string]string{"broker": "GOGC=50", telemetryProcess: "GOGC=100"}
	for _, process := range p.processes {
		if setting := want[process.Name]; setting != "" && (!slices.Contains(process.Env, setting) || !slices.Contains(process.Env, "GOMEMLIMIT=335544320")) {
			t.Errorf("%s runs with %v, want %s and a limit of 320 MiB", process.Name, process.Env, setting)
		}
	}
}

// An error message shows what is wrong, but no password.
func TestConfigErrorHasNoPassword(t *testing.T) {
	for _, c := range []Config{{Prometheus: "me:secret@prometheus"}, {Jaeger: "ftp://me:secret@jaeger"}, {Postgres: "postgres://me:secret@db/name"}, {Search: "me:secret@engine"}} {
		if err := c.Check(); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v", err)
		}
	}
	if err := (Config{Jaeger: "jaeger"}).Check(); err == nil || err.Error() != `invalid Jaeger "jaeger": must be a URL such as http://localhost:16686` {
		t.Errorf("%v", err)
	}
}

// A part that another system replaces has the other system's addresses.
func TestReplacedParts(t *testing.T) {
	p := &plan{cfg: Config{Jaeger: "https://jaeger:16686", Kafka: "kafka:9092"}}
	for part, want := range map[string]map[string]string{
		"jaeger":     {"jaeger": "https://jaeger:16686", "jaeger_thrift": "https://jaeger:14268/api/traces"},
		"otlp":       {"otlp_grpc": "https://jaeger:4317", "otlp_http": "https://jaeger:4318"},
		"kafka":      {"kafka": "kafka:9092"},
		"prometheus": nil,
	} {
		if got := p.replaced(part); !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", part, got, want)
		}
	}
}

// The search engine's URL reaches catalog, and nobody else.
func TestSearchEngine(t *testing.T) {
	const engine = "https://user:secret@engine:9200"
	p, err := newPlan(Config{FreePorts: true, Search: engine}, testDir(t), "token")
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	for _, process := range p.processes {
		if has := slices.Contains(process.Env, "TENHOP_SEARCH="+engine); has != (process.Name == "catalog") {
			t.Errorf("%s: has the engine's URL: %v", process.Name, has)
		}
	}
}

// With RabbitMQ no Kafka is embedded, and only the services with events know its password.
func TestRabbitMQCarriesTheEvents(t *testing.T) {
	const url = "amqp://me:secret@rabbit:5672/shop"
	p, err := newPlan(Config{FreePorts: true, RabbitMQ: url}, testDir(t), "token")
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if p.endpoints["kafka"] != "" || p.endpoints["rabbitmq"] != "amqp://rabbit:5672/shop" {
		t.Errorf("endpoints %v", p.endpoints)
	}
	for _, process := range p.processes {
		if process.Name == "broker" && slices.Contains(process.Args, "kafka") {
			t.Errorf("a Kafka is embedded: %v", process.Args)
		}
		with := slices.Contains([]string{"order", "shipping", "notification"}, process.Name)
		if got := slices.Contains(process.Env, "TENHOP_AMQP="+url); got != with {
			t.Errorf("%s has the URL of RabbitMQ: %v", process.Name, got)
		}
	}
	for _, c := range []Config{
		{RabbitMQ: "me:secret@rabbit:5672"},
		{RabbitMQ: "http://me:secret@rabbit:5672"},
		{RabbitMQ: url, Kafka: "kafka:9092"},
		{RabbitMQ: url, Telemetry: TelemetryComposed},
		{RabbitMQ: url, Telemetry: TelemetryNone},
	} {
		var invalid *ConfigError
		if err := c.Check(); !errors.As(err, &invalid) || invalid.Field != "RabbitMQ" || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// A link stands between a service and each process that it reaches, so each direction
// has its own.
func TestLinks(t *testing.T) {
	link := func(caller, callee, _ string) (string, error) { return caller + "-" + callee + ":1", nil }
	p, err := newPlan(Config{FreePorts: true, Replicas: map[string]int{"payment": 2}, Link: link}, testDir(t), "token")
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	found := 0
	for _, process := range p.processes {
		if process.Stage != StageService {
			continue
		}
		found++
		service := process.Args[1]
		for _, want := range []string{"TENHOP_REDIS=" + service + "-redis:1", "payment=" + service + "-payment-1:1," + service + "-payment-2:1"} {
			if !slices.ContainsFunc(process.Env, func(kv string) bool { return strings.Contains(kv, want) }) {
				t.Errorf("%s does not reach %s", process.Name, want)
			}
		}
	}
	if found != 14 {
		t.Errorf("%d services", found)
	}
	_, err = newPlan(Config{FreePorts: true, Link: func(string, string, string) (string, error) { return "", net.ErrClosed }}, testDir(t), "token")
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("a link that fails: %v", err)
	}
}

// TestConsulReplacesAddresses: services that find each other by Consul know no address, and an
// agent that does not answer is said before anything starts.
func TestConsulReplacesAddresses(t *testing.T) {
	p, err := newPlan(Config{FreePorts: true, Consul: "http://127.0.0.1:8500"}, testDir(t), "token")
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	for _, process := range p.processes {
		if process.Stage != StageService {
			continue
		}
		for _, kv := range []string{"TENHOP_DISCOVERY=consul", "CONSUL_HTTP_ADDR=http://127.0.0.1:8500", "TENHOP_RESOLVE="} {
			if !slices.Contains(process.Env, kv) {
				t.Errorf("%s lacks %s", process.Name, kv)
			}
		}
	}
	var config *ConfigError
	if _, err := Up(t.Context(), Config{WorkDir: t.TempDir(), Consul: "http://127.0.0.1:1"}); !errors.As(err, &config) || config.Field != "Consul" {
		t.Errorf("%v", err)
	}
	link := func(_, _, address string) (string, error) { return address, nil }
	if err := (Config{Consul: "http://127.0.0.1:8500", Link: link}).Check(); !errors.As(err, &config) {
		t.Errorf("%v", err)
	}
}
