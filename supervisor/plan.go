package supervisor

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/tenhop/tenhop/services"
	"github.com/tenhop/tenhop/stack/endpoint"
)

// plan lists the processes to start. The supervisor opens all sockets itself, so every
// address is known before the first process starts.
type plan struct {
	cfg       Config
	dir       Dir
	token     string
	endpoints map[string]string
	admin     map[string]string
	addresses map[string]string
	instances map[string][]string
	processes []Process
	targets   []target
	notices   []string
	open      []Socket
	disk      diskShares
	tls       map[string][]string // environment of a service's TLS; empty without
}

// target is a target group of targets.json, in Prometheus's file_sd format.
type target struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// newPlan opens the sockets and writes targets.json. The caller closes the plan.
func newPlan(cfg Config, dir Dir, token string) (*plan, error) {
	p := &plan{cfg: cfg, dir: dir, token: token,
		endpoints: map[string]string{}, admin: map[string]string{}, addresses: map[string]string{}, instances: map[string][]string{}}
	processes := len(embedded) + 1 // and the shoppers
	for _, name := range services.Names() {
		processes += max(cfg.Replicas[name], 1)
	}
	var err error
	if p.disk, err = cfg.Limits.shares(processes); err != nil {
		return nil, err
	}
	for _, step := range []func() error{p.stack, p.certificates, p.services, p.load, p.writeTargets} {
		if err := step(); err != nil {
			p.close()
			return nil, err
		}
	}
	return p, nil
}

func (p *plan) close() {
	for _, s := range p.open {
		_ = s.Conn.Close()
	}
}

// socket opens a socket for e and passes it on under name.
func (p *plan) socket(name string, e endpoint.Endpoint) (Socket, error) {
	c, taken, err := listen(e, p.cfg.FreePorts)
	if err != nil {
		return Socket{}, err
	}
	s := Socket{Name: name, Conn: c}
	if taken {
		p.notices = append(p.notices, fmt.Sprintf("port %d is in use: %s listens on %s instead", e.Port, e.Name, s.address()))
	}
	p.open = append(p.open, s)
	return s, nil
}

// Sockets that a child inherits in addition to those of its endpoints.
const (
	mainSocket  = "main"
	adminSocket = "admin"
)

// private returns a socket on a free port that the table of endpoints does not list.
func (p *plan) private(name string) (Socket, error) {
	return p.socket(name, endpoint.Endpoint{Name: name, Network: "tcp"})
}

const telemetryProcess = "telemetry"

// embedded lists the processes of the stack and their parts. The telemetry process
// allocates more than all others together, so its heap may grow further, within the limit
// of Limits.heap, before it is collected.
var embedded = []struct {
	process string
	parts   []string
	gogc    int
}{
	{"broker", []string{"kafka", "redis"}, 50},
	{telemetryProcess, []string{"otlp", "jaeger", "prometheus", "loki", "console"}, 100},
}

// replaced returns the endpoints of the systems that replace a part, or nil if
// the part is embedded.
func (p *plan) replaced(part string) map[string]string {
	c := p.cfg
	switch {
	case part == "kafka" && c.RabbitMQ != "":
		return map[string]string{endpoint.RabbitMQ: endpoint.Redacted(c.RabbitMQ)}
	case part == "kafka" && c.Kafka != "":
		return map[string]string{endpoint.Kafka: c.Kafka}
	case part == "redis" && c.Redis != "":
		return map[string]string{endpoint.Redis: c.Redis}
	case part == "prometheus" && c.Prometheus != "":
		return map[string]string{endpoint.Prometheus: c.Prometheus}
	case part == "jaeger" && c.Jaeger != "":
		return map[string]string{endpoint.Jaeger: c.Jaeger, endpoint.JaegerThrift: onHostOf(c.Jaeger, endpoint.JaegerThrift)}
	case part == "otlp" && (c.OTLP != "" || c.Jaeger != ""):
		return map[string]string{endpoint.OTLPGRPC: cmp.Or(c.OTLP, onHostOf(c.Jaeger, endpoint.OTLPGRPC)),
			endpoint.OTLPHTTP: onHostOf(cmp.Or(c.OTLP, c.Jaeger), endpoint.OTLPHTTP)}
	}
	return nil
}

// onHostOf returns the URL of an endpoint on its default port, with the host and
// the scheme of another URL.
func onHostOf(base, name string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base // Check has rejected it
	}
	e, _ := endpoint.Named(name)
	announced := e.Announced(net.JoinHostPort(u.Hostname(), strconv.Itoa(e.Port)))
	return u.Scheme + strings.TrimPrefix(announced, "http")
}

func (p *plan) stack() error {
	for _, e := range embedded {
		if e.process == telemetryProcess && p.cfg.Telemetry == TelemetryNone {
			continue
		}
		var parts []string
		var sockets []Socket
		for _, part := range e.parts {
			if real := p.replaced(part); real != nil {
				maps.Copy(p.endpoints, real)
				continue
			}
			parts = append(parts, part)
			for _, of := range endpoint.OfPart(part) {
				s, err := p.socket(of.Name, of)
				if err != nil {
					return err
				}
				sockets = append(sockets, s)
				p.endpoints[of.Name] = of.Announced(s.address())
			}
		}
		if len(parts) == 0 {
			continue
		}
		admin, err := p.private(adminSocket)
		if err != nil {
			return err
		}
		p.admin[e.process] = "http://" + admin.address()
		p.processes = append(p.processes, Process{
			Name: e.process, Stage: StageStack, Sockets: append(sockets, admin),
			Args:  append(append([]string{"stack"}, parts...), p.stackFlags()...),
			Env:   append(unset("GOGC="+strconv.Itoa(e.gogc), "GOMEMLIMIT="+strconv.FormatInt(p.cfg.Limits.heap(), 10)), "TENHOP_CHAOS_TOKEN="+p.token),
			Ready: p.admin[e.process] + "/readyz",
		})
	}
	return nil
}

// stackFlags returns the command line of a process of the stack.
func (p *plan) stackFlags() []string {
	flags := []string{"--data", p.dir.Path("data"), "--logs", p.dir.Path("logs"), "--targets", p.dir.Path("targets.json"), "--dir", filepath.Dir(p.dir.path)}
	for flag, bytes := range map[string]int64{"--trace-memory": p.cfg.Limits.TraceMemory, "--trace-disk": p.disk.traces,
		"--metric-disk": p.disk.metrics, "--log-disk": p.disk.logs, "--broker-disk": p.disk.broker, "--log-memory": p.cfg.Limits.LogMemory} {
		if bytes > 0 {
			flags = append(flags, flag, strconv.FormatInt(bytes, 10))
		}
	}
	if p.cfg.Webhook != "" {
		flags = append(flags, "--webhook", p.cfg.Webhook)
	}
	if p.cfg.ConfigFile != "" {
		flags = append(flags, "--config", p.cfg.ConfigFile)
	}
	for _, name := range []string{endpoint.Jaeger, endpoint.Prometheus} {
		if real := p.replaced(name); real != nil {
			flags = append(flags, "--"+name, real[name])
		}
	}
	return flags
}

func (p *plan) services() error {
	sockets := map[string][]Socket{}
	for _, name := range services.Names() {
		n := max(p.cfg.Replicas[name], 1)
		for i := range n {
			process := name
			if n > 1 {
				process = instance(name, i)
			}
			of := endpoint.Endpoint{Name: mainSocket, Network: "tcp"}
			if name == endpoint.Gateway {
				of, _ = endpoint.Named(endpoint.Gateway)
			}
			main, err := p.socket(mainSocket, of)
			if err != nil {
				return err
			}
			admin, err := p.private(adminSocket)
			if err != nil {
				return err
			}
			sockets[process] = []Socket{main, admin}
			p.addresses[process] = main.address()
			p.instances[name] = append(p.instances[name], process)
			p.admin[process] = "http://" + admin.address()
			p.targets = append(p.targets, target{Targets: []string{admin.address()},
				Labels: map[string]string{"job": name, "instance": instance(name, i)}})
		}
	}
	storefront, _ := endpoint.Named(endpoint.Gateway)
	p.endpoints[endpoint.Gateway] = storefront.Announced(p.addresses[endpoint.Gateway])
	for _, name := range services.Names() {
		shared, err := p.serviceEnv(name)
		if err != nil {
			return err
		}
		for i, process := range p.instances[name] {
			p.processes = append(p.processes, Process{
				Name: process, Stage: StageService, Sockets: sockets[process],
				Args:  []string{"service", name},
				Env:   slices.Concat(shared, []string{"TENHOP_INSTANCE=" + instance(name, i), "TENHOP_STORE=" + p.store(name)}),
				Ready: p.admin[process] + "/readyz",
			})
		}
	}
	return nil
}

func instance(name string, i int) string { return name + "-" + strconv.Itoa(i+1) }

// store returns the URL of a service's store.
func (p *plan) store(name string) string {
	if p.cfg.Postgres != "" {
		u, err := url.Parse(p.cfg.Postgres)
		if err == nil {
			return u.JoinPath(name).String()
		}
	}
	return (&url.URL{Scheme: "sqlite", Path: filepath.ToSlash(p.dir.Path("data", name+".db"))}).String()
}

// link returns the address at which a service reaches another process.
func (p *plan) link(caller, callee, address string) (string, error) {
	if p.cfg.Link == nil {
		return address, nil
	}
	through, err := p.cfg.Link(caller, callee, address)
	if err != nil {
		return "", fmt.Errorf("link from %s to %s: %w", caller, callee, err)
	}
	return through, nil
}

// resolve returns the addresses of all services as one service reaches them.
func (p *plan) resolve(caller string) (string, error) {
	var entries []string
	for _, name := range services.Names() {
		var addresses []string
		for _, process := range p.instances[name] {
			address, err := p.link(caller, process, p.addresses[process])
			if err != nil {
				return "", err
			}
			addresses = append(addresses, address)
		}
		entries = append(entries, name+"="+strings.Join(addresses, ","))
	}
	return strings.Join(entries, ";"), nil
}

// discovery returns the environment by which a service finds the others.
func (p *plan) discovery(service string) ([]string, error) {
	if p.cfg.Consul != "" {
		return []string{"TENHOP_DISCOVERY=consul", "CONSUL_HTTP_ADDR=" + p.cfg.Consul, "TENHOP_RESOLVE="}, nil
	}
	resolve, err := p.resolve(service)
	return []string{"TENHOP_DISCOVERY=", "TENHOP_RESOLVE=" + resolve}, err
}

// serviceEnv returns the environment of a service's processes.
func (p *plan) serviceEnv(service string) ([]string, error) {
	found, err := p.discovery(service)
	if err != nil {
		return nil, err
	}
	redis, err := p.link(service, endpoint.Redis, p.endpoints[endpoint.Redis])
	if err != nil {
		return nil, err
	}
	rabbitmq := p.cfg.RabbitMQ
	if !services.Events(service) { // it does not need RabbitMQ's password
		rabbitmq = ""
	}
	env := append(unset("GOGC=50"), found...)
	env = append(env,
		"TENHOP_REDIS="+redis,
		"TENHOP_KAFKA="+p.endpoints[endpoint.Kafka],
		"TENHOP_AMQP="+rabbitmq,
		"TENHOP_CHAOS_TOKEN="+p.token,
		"TENHOP_VERSION="+p.cfg.Version,
		"OTEL_EXPORTER_OTLP_ENDPOINT="+p.endpoints[endpoint.OTLPGRPC],
		"OTEL_BSP_SCHEDULE_DELAY=500",
		"JAEGER_ENDPOINT="+p.endpoints[endpoint.JaegerThrift],
	)
	if service == "catalog" { // nobody else needs the engine's password
		env = append(env, "TENHOP_SEARCH="+p.cfg.Search)
	}
	switch p.cfg.Telemetry {
	case TelemetryMetrics:
		env = append(env, "OTEL_TRACES_EXPORTER=none", "JAEGER_ENDPOINT=")
	case TelemetryComposed:
		env = append(env, "TENHOP_INSTRUMENTS=composed")
	case TelemetryNone:
		env = append(env, "TENHOP_INSTRUMENTS=none", "OTEL_SDK_DISABLED=true")
	}
	env = append(env, p.tls[service]...)
	if p.cfg.Sampling > 0 && p.cfg.Sampling < 1 {
		env = append(env, "OTEL_TRACES_SAMPLER=parentbased_traceidratio",
			"OTEL_TRACES_SAMPLER_ARG="+strconv.FormatFloat(p.cfg.Sampling, 'g', -1, 64))
	}
	return env, nil
}

// unset returns the settings (KEY=value) whose variable the environment does not set.
func unset(settings ...string) []string {
	return slices.DeleteFunc(settings, func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		_, set := os.LookupEnv(name)
		return set
	})
}

// Load is the name of the process of the shoppers.
const Load = "load"

func (p *plan) load() error {
	if p.cfg.RPS > 0 {
		admin, err := p.private(adminSocket)
		if err != nil {
			return err
		}
		p.admin[Load] = "http://" + admin.address()
		p.processes = append(p.processes, Process{Name: Load, Stage: StageLoad, Sockets: []Socket{admin},
			Env: append(unset("GOGC=50"), "TENHOP_CHAOS_TOKEN="+p.token),
			Args: []string{"load", "--gateway", p.endpoints[endpoint.Gateway], "--json",
				"--rps", strconv.FormatFloat(p.cfg.RPS, 'g', -1, 64), "--seed", strconv.FormatUint(p.cfg.Seed, 10)}})
	}
	return nil
}

func (p *plan) writeTargets() error {
	b, err := json.MarshalIndent(p.targets, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(p.dir.Path("targets.json"), append(b, '\n'))
}
