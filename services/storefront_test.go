package services_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/tenhop/tenhop/services"
	"github.com/tenhop/tenhop/services/contracts"
	"github.com/tenhop/tenhop/services/identity"
	"github.com/tenhop/tenhop/services/runtime"
	"github.com/tenhop/tenhop/services/runtime/storetest"
)

const token = "the-token-of-this-test"

// storefront is all thirteen services in this process, over real sockets.
type storefront struct {
	gateway   string
	admin     map[string]string
	addresses map[string]string // of the services
	systems   systems
	spans     *collector
	logs      *lockedBuffer

	configs map[string]runtime.Config
	running map[string]func() // stops a service that runs
}

// lockedBuffer receives the log lines of all services.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// lines returns the log lines that have a field with a value.
func (l *lockedBuffer) lines(key, value string) []map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []map[string]any
	for _, raw := range strings.Split(l.b.String(), "\n") {
		var line map[string]any
		if json.Unmarshal([]byte(raw), &line) == nil && line[key] == value {
			out = append(out, line)
		}
	}
	return out
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// systems holds the addresses of the stores and the broker.
type systems struct {
	kafka []string
	amqp  string // of RabbitMQ, which replaces kafka
	redis string
	store map[string]string // by service
}

// standIns returns the embedded systems: kfake, miniredis, SQLite.
func standIns(t *testing.T) systems {
	t.Helper()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1),
		kfake.SeedTopics(2, contracts.TopicOrdersPlaced, contracts.TopicShipmentsCreated))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	s := systems{kafka: broker.ListenAddrs(), redis: miniredis.RunT(t).Addr(), store: map[string]string{}}
	dir := t.TempDir()
	for _, name := range services.Names() {
		s.store[name] = "sqlite://" + filepath.Join(dir, name+".db")
	}
	return s
}

// realServers returns the systems that deploy/real/run has started.
func realServers(t *testing.T) systems {
	t.Helper()
	s := systems{kafka: storetest.Kafka(t), redis: storetest.Redis(t), store: map[string]string{}}
	for _, name := range services.Names() {
		s.store[name] = storetest.Postgres(t)
	}
	return s
}

// onRabbitMQ returns the embedded systems with the real RabbitMQ as the broker.
func onRabbitMQ(t *testing.T) systems {
	t.Helper()
	url := storetest.RabbitMQ(t)
	s := standIns(t)
	s.kafka, s.amqp = nil, url
	return s
}

// onKafka returns the embedded systems with the real Kafka as the broker.
func onKafka(t *testing.T) systems {
	t.Helper()
	seeds := storetest.Kafka(t)
	s := standIns(t)
	s.kafka = seeds
	return s
}

// start boots the storefront and waits until every service is ready. Each of change may
// alter the configuration of a service.
func start(t *testing.T, on systems, change ...func(name string, c *runtime.Config)) *storefront {
	t.Helper()
	s := &storefront{admin: map[string]string{}, addresses: map[string]string{}, systems: on, spans: newCollector(t), logs: &lockedBuffer{}}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+s.spans.otlp)
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "100")

	configs := map[string]runtime.Config{}
	var list []string
	for _, name := range services.Names() {
		c := runtime.Config{Listener: listen(t), Admin: listen(t), Redis: on.redis, Kafka: on.kafka, AMQP: on.amqp,
			Store: on.store[name], ChaosToken: token, JaegerURL: s.spans.jaeger,
			Instance: name + "-1", LogWriter: s.logs}
		for _, f := range change {
			f(name, &c)
		}
		configs[name] = c
		s.addresses[name] = c.Listener.Addr().String()
		list = append(list, name+"="+c.Listener.Addr().String())
		s.admin[name] = "http://" + c.Admin.Addr().String()
	}
	resolver, err := runtime.ParseResolver(strings.Join(list, ";"), "")
	if err != nil {
		t.Fatal(err)
	}
	s.gateway = "http://" + configs["gateway"].Listener.Addr().String()
	s.configs, s.running = configs, map[string]func(){}
	for name, c := range configs {
		c.Resolver = resolver
		configs[name] = c
		s.run(t, name)
	}
	t.Cleanup(func() {
		var stopping sync.WaitGroup
		for _, stop := range s.running {
			stopping.Go(stop)
		}
		stopping.Wait()
	})
	for name, url := range s.admin {
		until(t, name+" is ready", func() error { return expect(http.Get(url + "/readyz")) })
	}
	return s
}

// run runs a service until halt.
func (s *storefront) run(t *testing.T, name string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := services.Run(ctx, name, s.configs[name]); err != nil {
			t.Errorf("%s ended: %v", name, err)
		}
	}()
	s.running[name] = func() { stop(); <-ended }
}

// halt stops a service. The returned function starts it again, at the same addresses.
func (s *storefront) halt(t *testing.T, name string) (restart func()) {
	t.Helper()
	s.running[name]()
	delete(s.running, name)
	return func() {
		t.Helper()
		c := s.configs[name]
		for _, l := range []*net.Listener{&c.Listener, &c.Admin} {
			_ = (*l).Close() // a service that only consumes does not serve on its listener
			again, err := net.Listen("tcp", (*l).Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			*l = again
		}
		s.configs[name] = c
		s.run(t, name)
		until(t, name+" is ready again", func() error { return expect(http.Get(s.admin[name] + "/readyz")) })
	}
}

func expect(resp *http.Response, err error) error {
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("%s: %s", resp.Status, body)
	}
	return nil
}

// until waits for a condition and fails with its last error.
func until(t *testing.T, what string, ok func() error) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// answer is a response of the gateway.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request as the nth user.
func (s *storefront) ask(t *testing.T, n int, method, path, body string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequest(method, s.gateway+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if n >= 0 {
		req.Header.Set("X-API-Key", identity.APIKey(n))
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: string(data)}
}

// must is ask for a request that has to succeed.
func (s *storefront) must(t *testing.T, n int, method, path, body string, header ...string) answer {
	t.Helper()
	a := s.ask(t, n, method, path, body, header...)
	if a.status/100 != 2 {
		t.Fatalf("%s %s: %d %s", method, path, a.status, a.body)
	}
	return a
}

// inject injects a fault into a service. The returned function lifts it.
func (s *storefront) inject(t *testing.T, service, fault string) (lift func()) {
	t.Helper()
	call := func(method, body string) {
		req, err := http.NewRequest(method, s.admin[service]+"/chaos", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode/100 != 2 {
			t.Fatalf("%s /chaos on %s: %s", method, service, resp.Status)
		}
	}
	call(http.MethodPost, fault)
	return func() { call(http.MethodDelete, "") }
}
