package supervisor

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/tenhop/tenhop/services"
)

const gateway = "gateway"

// plan is what is to be started, with every address known beforehand: the
// supervisor opens all sockets itself.
type plan struct {
	cfg       Config
	dir       Dir
	token     string
	endpoints map[string]string
	admin     map[string]string
	instances map[string][]string
	processes []Process
	targets   []target
	notices   []string
	open      []Socket
}

// target is an entry of the scrape targets in Prometheus's file_sd format.
type target struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// newPlan opens the sockets and lays out the processes; close releases them.
func newPlan(cfg Config, dir Dir, token string) (*plan, error) {
	p := &plan{cfg: cfg, dir: dir, token: token,
		endpoints: map[string]string{}, admin: map[string]string{}, instances: map[string][]string{}}
	for _, step := range []func() error{p.stack, p.services, p.load, p.writeTargets} {
		if err := step(); err != nil {
			p.close()
			return nil, err
		}
	}
	return p, nil
}

func (p *plan) close() {
	for _, s := range p.open {
		s.Listener.Close()
	}
}

// socket opens a listening socket; well-known names get their known port.
func (p *plan) socket(name, endpoint string) (Socket, error) {
	l, taken, err := listen(endpoint, p.cfg.FreePorts)
	if err != nil {
		return Socket{}, err
	}
	if taken {
		p.notices = append(p.notices, fmt.Sprintf("port %d is taken: %s gets %s instead", knownPorts[endpoint], endpoint, l.Addr()))
	}
	s := Socket{Name: name, Listener: l}
	p.open = append(p.open, s)
	return s, nil
}

// embedded is a process of the stack: its parts and the endpoints of each.
var embedded = []struct {
	process string
	parts   []part
}{
	{"broker", []part{{"kafka", []string{"kafka"}}, {"redis", []string{"redis"}}}},
	{"telemetry", []part{
		{"otlp", []string{"otlp_grpc", "otlp_http"}},
		{"jaeger", []string{"jaeger", "jaeger_thrift"}},
		{"prometheus", []string{"prometheus"}},
		{"loki", []string{"loki"}},
		{"console", []string{"console"}},
	}},
}

type part struct {
	name      string
	endpoints []string
}

// replaced returns the endpoints of the real systems that replace a part.
func (p *plan) replaced(part string) map[string]string {
	c := p.cfg
	switch {
	case part == "kafka" && c.Kafka != "":
		return map[string]string{"kafka": c.Kafka}
	case part == "redis" && c.Redis != "":
		return map[string]string{"redis": c.Redis}
	case part == "prometheus" && c.Prometheus != "":
		return map[string]string{"prometheus": c.Prometheus}
	case part == "jaeger" && c.Jaeger != "":
		return map[string]string{"jaeger": c.Jaeger, "jaeger_thrift": onPort(c.Jaeger, "14268") + "/api/traces"}
	case part == "otlp" && (c.OTLP != "" || c.Jaeger != ""):
		return map[string]string{"otlp_grpc": cmp.Or(c.OTLP, onPort(c.Jaeger, "4317")), "otlp_http": onPort(cmp.Or(c.OTLP, c.Jaeger), "4318")}
	}
	return nil
}

// onPort is the same host on another port.
func onPort(base, port string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base // Check has refused it already
	}
	return u.Scheme + "://" + net.JoinHostPort(u.Hostname(), port)
}

func (p *plan) stack() error {
	for _, e := range embedded {
		var parts []string
		var sockets []Socket
		for _, part := range e.parts {
			if real := p.replaced(part.name); real != nil {
				maps.Copy(p.endpoints, real)
				continue
			}
			parts = append(parts, part.name)
			for _, name := range part.endpoints {
				s, err := p.socket(name, name)
				if err != nil {
					return err
				}
				sockets = append(sockets, s)
				p.endpoints[name] = endpointURL(name, s.Listener.Addr().String())
			}
		}
		if len(parts) == 0 {
			continue
		}
		admin, err := p.socket("admin", "")
		if err != nil {
			return err
		}
		p.admin[e.process] = "http://" + admin.Listener.Addr().String()
		p.processes = append(p.processes, Process{
			Name: e.process, Stage: StageStack, Sockets: append(sockets, admin),
			Args:  append(append([]string{"stack"}, parts...), p.stackFlags()...),
			Env:   append(p.heap("GOGC=50", "GOMEMLIMIT="+strconv.FormatInt(p.cfg.Limits.heap(), 10)), "TENHOP_CHAOS_TOKEN="+p.token),
			Ready: p.admin[e.process] + "/readyz",
		})
	}
	return nil
}

func endpointURL(name, address string) string {
	switch name {
	case "kafka", "redis":
		return address
	case "jaeger_thrift":
		return "http://" + address + "/api/traces"
	}
	return "http://" + address
}

func (p *plan) stackFlags() []string {
	flags := []string{"--data", p.dir.Path("data"), "--logs", p.dir.Path("logs"), "--targets", p.dir.Path("targets.json"), "--dir", filepath.Dir(p.dir.path)}
	for flag, bytes := range map[string]int64{"--trace-memory": p.cfg.Limits.TraceMemory, "--trace-disk": p.cfg.Limits.TraceDisk,
		"--metric-disk": p.cfg.Limits.MetricDisk, "--log-memory": p.cfg.Limits.LogMemory} {
		if bytes > 0 {
			flags = append(flags, flag, strconv.FormatInt(bytes, 10))
		}
	}
	if p.cfg.Webhook != "" {
		flags = append(flags, "--webhook", p.cfg.Webhook)
	}
	for _, name := range []string{"jaeger", "prometheus"} {
		if real := p.replaced(name); real != nil {
			flags = append(flags, "--"+name, real[name])
		}
	}
	return flags
}

func (p *plan) services() error {
	sockets := map[string][]Socket{}
	var resolve []string
	for _, name := range services.Names() {
		n := max(p.cfg.Replicas[name], 1)
		var addresses []string
		for i := range n {
			process := name
			if n > 1 {
				process = instance(name, i)
			}
			endpoint := ""
			if name == gateway {
				endpoint = gateway
			}
			main, err := p.socket("main", endpoint)
			if err != nil {
				return err
			}
			admin, err := p.socket("admin", "")
			if err != nil {
				return err
			}
			sockets[process] = []Socket{main, admin}
			addresses = append(addresses, main.Listener.Addr().String())
			p.instances[name] = append(p.instances[name], process)
			p.admin[process] = "http://" + admin.Listener.Addr().String()
			p.targets = append(p.targets, target{Targets: []string{admin.Listener.Addr().String()},
				Labels: map[string]string{"job": name, "instance": instance(name, i)}})
		}
		resolve = append(resolve, name+"="+strings.Join(addresses, ","))
	}
	p.endpoints[gateway] = "http://" + sockets[gateway][0].Listener.Addr().String()
	shared := p.serviceEnv(strings.Join(resolve, ";"))
	for _, name := range services.Names() {
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

// store is where a service keeps its data.
func (p *plan) store(name string) string {
	if p.cfg.Postgres != "" {
		u, err := url.Parse(p.cfg.Postgres)
		if err == nil {
			return u.JoinPath(name).String()
		}
	}
	return (&url.URL{Scheme: "sqlite", Path: filepath.ToSlash(p.dir.Path("data", name+".db"))}).String()
}

func (p *plan) serviceEnv(resolve string) []string {
	env := append(p.heap("GOGC=50"),
		"TENHOP_RESOLVE="+resolve,
		"TENHOP_REDIS="+p.endpoints["redis"],
		"TENHOP_KAFKA="+p.endpoints["kafka"],
		"TENHOP_CHAOS_TOKEN="+p.token,
		"TENHOP_VERSION="+p.cfg.Version,
		"OTEL_EXPORTER_OTLP_ENDPOINT="+p.endpoints["otlp_grpc"],
		"OTEL_BSP_SCHEDULE_DELAY=500",
		"JAEGER_ENDPOINT="+p.endpoints["jaeger_thrift"],
	)
	if p.cfg.Sampling > 0 && p.cfg.Sampling < 1 {
		env = append(env, "OTEL_TRACES_SAMPLER=parentbased_traceidratio",
			"OTEL_TRACES_SAMPLER_ARG="+strconv.FormatFloat(p.cfg.Sampling, 'g', -1, 64))
	}
	return env
}

// heap returns the collector's settings that the user did not set.
func (p *plan) heap(settings ...string) []string {
	return slices.DeleteFunc(settings, func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return envSet(name)
	})
}

func (p *plan) load() error {
	if p.cfg.RPS > 0 {
		p.processes = append(p.processes, Process{Name: "load", Stage: StageLoad, Env: p.heap("GOGC=50"),
			Args: []string{"load", "--gateway", p.endpoints[gateway], "--json",
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
