package runtime

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/tenhop/tenhop/services/runtime/discovery"
)

// Ports of services in Kubernetes, see deploy/kubernetes.
const (
	mainPort     = 8080
	mainPortName = "main"
)

// lameDuck is the time for which a service still serves after it has left the registry.
// Blocking queries tell callers within milliseconds.
const lameDuck = time.Second

// discover configures how the service follows others, and whether it registers:
//
//	TENHOP_DISCOVERY=consul      registers with and follows Consul; CONSUL_HTTP_ADDR, CONSUL_HTTP_TOKEN
//	TENHOP_DISCOVERY=kubernetes  follows EndpointSlices; headless DNS while RBAC does not allow it
//	TENHOP_DISCOVERY=dns         looks DNS names up every 5 s
func (c *Config) discover() error {
	byDNS := discovery.DNS(nil, os.Getenv("TENHOP_DNS_SUFFIX"), mainPort, discovery.DNSInterval)
	switch kind := os.Getenv("TENHOP_DISCOVERY"); kind {
	case "":
	case "dns":
		c.Resolver = c.Resolver.Following(byDNS)
	case "consul":
		consul, err := discovery.ConsulFromEnv("")
		if err != nil {
			return fmt.Errorf("TENHOP_DISCOVERY=consul: %w", err)
		}
		c.Consul, c.Resolver = consul, c.Resolver.Following(consul.Watch)
	case "kubernetes":
		k, err := discovery.KubernetesFromPod(mainPortName, byDNS)
		if err != nil {
			return fmt.Errorf("TENHOP_DISCOVERY=kubernetes: %w", err)
		}
		c.Resolver = c.Resolver.Following(k.Watch)
	default:
		return fmt.Errorf("TENHOP_DISCOVERY=%q: use consul, kubernetes or dns, or leave it unset", kind)
	}
	return nil
}

// follows holds the services that this one follows.
type follows struct {
	metrics   *discovery.Metrics
	instances map[string]*discovery.Instances
	own       *membership // nil while the service is not registered
}

// membership keeps a service registered.
type membership struct {
	id   string
	stop context.CancelFunc
	done chan struct{} // closed when it is not kept any more
}

// instancesOf returns the instances of a service that are followed, or nil for one with
// fixed addresses.
func (e *Env) instancesOf(name string) *discovery.Instances {
	if _, fixed := e.Resolver.Addresses(name); fixed || e.Resolver.watch == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	f := e.followed()
	if f.metrics == nil {
		f.metrics = discovery.NewMetrics(e.Telemetry.Registerer())
	}
	if f.instances[name] == nil {
		i := discovery.Follow(name, e.Resolver.watch, f.metrics, e.Telemetry.Zerolog())
		f.instances[name] = i
		e.closer = append(e.closer, func() error {
			e.mu.Lock()
			delete(f.instances, name)
			e.mu.Unlock()
			return i.Close()
		})
	}
	return f.instances[name]
}

// followed returns the state of discovery. The caller holds the lock.
func (e *Env) followed() *follows {
	if e.follows == nil {
		e.follows = &follows{instances: map[string]*discovery.Instances{}}
	}
	return e.follows
}

// join registers the service, which is ready, until ctx ends.
func (e *Env) join(ctx context.Context) {
	if e.Consul == nil || e.Listener == nil {
		return
	}
	host, port := e.reachable(e.Listener)
	adminHost, adminPort := e.reachable(e.Admin)
	r := discovery.Registration{
		ID: fmt.Sprintf("%s-%s-%d", e.Name, host, port), Service: e.Name, Address: host, Port: port,
		Meta:  map[string]string{"instance": e.Instance, "version": e.Version, "admin": net.JoinHostPort(adminHost, strconv.Itoa(adminPort))},
		Ready: "http://" + net.JoinHostPort(adminHost, strconv.Itoa(adminPort)) + "/readyz",
	}
	ctx, stop := context.WithCancel(ctx)
	m := &membership{r.ID, stop, make(chan struct{})}
	e.mu.Lock()
	e.followed().own = m
	e.mu.Unlock()
	go func() {
		defer close(m.done)
		e.Consul.Keep(ctx, r, e.Telemetry.Zerolog())
	}()
}

// reachable returns the address of a listener as others reach it. One that listens on all
// addresses is reached on that by which this host reaches Consul.
func (e *Env) reachable(l net.Listener) (host string, port int) {
	a, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return l.Addr().String(), 0
	}
	if !a.IP.IsUnspecified() {
		return a.IP.String(), a.Port
	}
	if c, err := net.Dial("udp", e.Consul.Host()); err == nil { // sends nothing
		defer c.Close()
		return c.LocalAddr().(*net.UDPAddr).IP.String(), a.Port
	}
	return "127.0.0.1", a.Port
}

// untilLeft returns a context that ends after ctx: when the service has left the registry
// and its callers know. It ends with ctx if the service is not registered.
func (e *Env) untilLeft(ctx context.Context) (context.Context, context.CancelFunc) {
	serving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		defer cancel()
		if e.leave(serving) {
			time.Sleep(lameDuck)
		}
	})
	return serving, func() {
		if stop() { // the service failed
			e.leave(serving)
		}
		cancel()
	}
}

// leave deregisters the service. It reports whether it was registered.
func (e *Env) leave(ctx context.Context) bool {
	e.mu.Lock()
	m := e.followed().own
	e.follows.own = nil
	e.mu.Unlock()
	if m == nil {
		return false
	}
	m.stop()
	<-m.done // else it could register again
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := e.Consul.Deregister(ctx, m.id); err != nil {
		e.Telemetry.Zerolog().Warn().Err(err).Str("id", m.id).Msg("not deregistered from Consul, which removes it a minute after its check fails")
	}
	return true
}
