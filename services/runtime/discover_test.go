package runtime

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/middleware/mwtest"
	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
	"github.com/tenhop/tenhop/services/runtime/discovery"
	"github.com/tenhop/tenhop/services/runtime/discovery/discoverytest"
)

// registry is a registry under test.
type registry struct {
	watch  discovery.Watch
	consul *discovery.Consul                         // the services register themselves
	set    func(service string, addresses ...string) // otherwise the test does
}

// replica is a running instance of a service.
type replica struct {
	address string
	served  atomic.Int64
	stop    context.CancelFunc
	ended   chan error
}

// fleet runs instances of the services payment, over gRPC, and fraud, over HTTP.
type fleet struct {
	t    *testing.T
	on   registry
	port int // of all instances, each with its own IP address; 0 for different ports
	ip   int
	runs map[string][]*replica
}

type charger struct {
	pb.UnimplementedPaymentServer
	served *atomic.Int64
}

func (c charger) Charge(context.Context, *pb.ChargeRequest) (*pb.ChargeResponse, error) {
	c.served.Add(1)
	time.Sleep(2 * time.Millisecond)
	return &pb.ChargeResponse{}, nil
}

// add starts an instance and waits until it gets requests.
func (f *fleet) add(service string) {
	f.t.Helper()
	address := "127.0.0.1:0"
	if f.port > 0 {
		f.ip++
		address = fmt.Sprintf("127.0.1.%d:%d", f.ip, f.port)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		f.t.Fatal(err)
	}
	admin := listen(f.t)
	ctx, stop := context.WithCancel(context.Background())
	r := &replica{address: l.Addr().String(), stop: stop, ended: make(chan error, 1)}
	d := Definition{Name: service, Build: func(context.Context, *Env) (Service, error) {
		if service == "payment" {
			return Service{GRPC: func(s grpc.ServiceRegistrar) { pb.RegisterPaymentServer(s, charger{served: &r.served}) }}, nil
		}
		return Service{HTTP: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			_, _ = io.Copy(io.Discard, req.Body)
			r.served.Add(1)
			time.Sleep(2 * time.Millisecond)
			_, _ = io.WriteString(w, "checked")
		})}, nil
	}}
	go func() {
		r.ended <- Run(ctx, d, Config{Listener: l, Admin: admin, LogWriter: io.Discard, Consul: f.on.consul})
	}()
	f.runs[service] = append(f.runs[service], r)
	f.announce(service)
	until(f.t, func() bool { return r.served.Load() > 5 })
}

// remove drains the oldest instance of a service.
func (f *fleet) remove(service string) {
	f.t.Helper()
	r := f.runs[service][0]
	f.runs[service] = f.runs[service][1:]
	f.announce(service)
	if f.on.set != nil { // a preStop hook in Kubernetes, which has time until all callers know
		for served := int64(-1); served != r.served.Load(); time.Sleep(time.Second) {
			served = r.served.Load()
		}
	}
	r.stop()
	if err := <-r.ended; err != nil {
		f.t.Error(err)
	}
}

func (f *fleet) announce(service string) {
	if f.on.set == nil {
		return
	}
	var addresses []string
	for _, r := range f.runs[service] {
		addresses = append(addresses, r.address)
	}
	f.on.set(service, addresses...)
}

// freePort returns a port that is free on all addresses of the loopback.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// TestInstancesComeAndGo: callers at a steady load over gRPC and HTTP lose no request while
// instances are added, drained and removed, and the added ones get requests. None of the calls
// is repeated: they are not idempotent.
func TestInstancesComeAndGo(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	discoverytest.EachConsul(t, func(t *testing.T, agent *discoverytest.Agent) {
		c := agent.Client(t)
		comeAndGo(t, &fleet{on: registry{watch: c.Watch, consul: c}})
	})
	t.Run("DNS", func(t *testing.T) {
		d, port := discoverytest.StartDNS(t), freePort(t)
		set := func(service string, addresses ...string) {
			var hosts []string
			for _, a := range addresses {
				host, _, _ := net.SplitHostPort(a)
				hosts = append(hosts, host)
			}
			d.Set(service+".shop.svc", hosts...)
		}
		watch := discovery.DNS(d.Resolver(), ".shop.svc", uint16(port), 100*time.Millisecond)
		comeAndGo(t, &fleet{port: port, on: registry{watch: watch, set: set}})
	})
	t.Run("Kubernetes", func(t *testing.T) {
		k := discoverytest.StartKubernetes(t)
		set := func(service string, addresses ...string) {
			for i, a := range addresses { // a slice may hold endpoints of one port only
				k.Set(service, fmt.Sprintf("%s-%d", service, i), discoverytest.Endpoint{Address: a})
			}
			k.Set(service, fmt.Sprintf("%s-%d", service, len(addresses)))
		}
		client, err := discovery.NewKubernetes(k.URL, k.Account, mainPortName, nil)
		if err != nil {
			t.Fatal(err)
		}
		comeAndGo(t, &fleet{on: registry{watch: client.Watch, set: set}})
	})
}

func comeAndGo(t *testing.T, f *fleet) {
	f.t, f.runs = t, map[string][]*replica{}
	e := &Env{Name: "order", Telemetry: mwtest.New(t).Telemetry, Chaos: chaos.New(), Config: Config{Resolver: Resolver{}.Following(f.on.watch)}}
	defer e.Close()
	conn, err := e.Dial("payment")
	if err != nil {
		t.Fatal(err)
	}
	base, client, grpcClient := e.BaseURL("fraud"), e.HTTPClient("fraud"), pb.NewPaymentClient(conn)
	calls := map[string]func(ctx context.Context) error{
		"payment": func(ctx context.Context) error {
			_, err := grpcClient.Charge(ctx, &pb.ChargeRequest{})
			return err
		},
		"fraud": func(ctx context.Context) error {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, base()+"/check", strings.NewReader("{}"))
			if err != nil {
				return err
			}
			resp, err := client.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			_, err = io.Copy(io.Discard, resp.Body)
			if err == nil && resp.StatusCode != http.StatusOK {
				err = fmt.Errorf("status %s", resp.Status)
			}
			return err
		},
	}
	var made, failed atomic.Int64
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	load := func(service string) {
		succeeded := new(atomic.Int64)
		for range 4 {
			running.Go(func() {
				for tick := time.NewTicker(4 * time.Millisecond); ctx.Err() == nil; <-tick.C {
					err := calls[service](context.Background())
					if err == nil {
						succeeded.Add(1)
					}
					if succeeded.Load() < 10 { // until there is an instance, and the breaker has closed again
						continue
					}
					made.Add(1)
					if err != nil {
						failed.Add(1)
						t.Errorf("%s: %v", service, err)
					}
				}
			})
		}
	}
	defer func() {
		stop()
		running.Wait()
		for _, runs := range f.runs {
			for _, r := range runs {
				r.stop()
				<-r.ended
			}
		}
	}()
	for service := range calls {
		load(service)
		f.add(service)
	}
	for _, step := range []func(string){f.add, f.add, f.remove, f.add, f.remove, f.remove} {
		for service := range calls {
			step(service)
		}
	}
	stop()
	running.Wait()
	t.Logf("%d calls, of which %d failed, over 5 instances of each of two services, 3 of which left", made.Load(), failed.Load())
	if made.Load() < 100 {
		t.Error("that is no load")
	}
}
