package discovery_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"

	"github.com/tenhop/tenhop/services/runtime/discovery"
	"github.com/tenhop/tenhop/services/runtime/discovery/discoverytest"
)

// followed is a followed service with its metrics and log.
type followed struct {
	*discovery.Instances
	metrics *prometheus.Registry
}

func follow(t *testing.T, watch discovery.Watch, log io.Writer) followed {
	t.Helper()
	registry := prometheus.NewRegistry()
	z := zerolog.New(log)
	f := followed{discovery.Follow("payment", watch, discovery.NewMetrics(registry), &z), registry}
	t.Cleanup(func() { f.Close() })
	return f
}

func (f followed) until(t *testing.T, why string, want ...string) {
	t.Helper()
	slices.Sort(want)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		got, _, _ := f.Addresses()
		if slices.Equal(got, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v, want %v", why, got, want)
		}
	}
}

// untilFailing waits for the value of hop_discovery_failing.
func (f followed) untilFailing(t *testing.T, want string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		err := testutil.GatherAndCompare(f.metrics, strings.NewReader(`# HELP hop_discovery_failing 1 while the instances of a dependency are the last known ones, because its registry does not answer or knows none; else 0.
# TYPE hop_discovery_failing gauge
hop_discovery_failing{dependency="payment"} `+want+"\n"), "hop_discovery_failing")
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// instance is a server whose readiness the test sets.
type instance struct {
	registration discovery.Registration
	address      string
	ready        atomic.Bool
}

func newInstance(t *testing.T, id string) *instance {
	t.Helper()
	i := new(instance)
	i.ready.Store(true)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !i.ready.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(s.Close)
	i.address = s.Listener.Addr().String()
	host, port, _ := net.SplitHostPort(i.address)
	n, _ := strconv.Atoi(port)
	i.registration = discovery.Registration{ID: id, Service: "payment", Address: host, Port: n, Ready: s.URL}
	return i
}

func TestConsul(t *testing.T) {
	discoverytest.EachConsul(t, func(t *testing.T, agent *discoverytest.Agent) {
		consul, log := agent.Client(t), zerolog.Nop()
		if err := consul.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		f := follow(t, consul.Watch, io.Discard)
		first, second := newInstance(t, "payment-1"), newInstance(t, "payment-2")
		for _, i := range []*instance{first, second} {
			go consul.Keep(t.Context(), i.registration, &log)
		}
		f.until(t, "registered", first.address, second.address)
		f.untilFailing(t, "0")
		second.ready.Store(false)
		f.until(t, "one is not ready", first.address)
		second.ready.Store(true)
		f.until(t, "it is ready again", first.address, second.address)

		agent.Stop()
		f.untilFailing(t, "1")
		f.until(t, "the agent is away", first.address, second.address)
		agent.Restart() // without its data
		f.untilFailing(t, "0")
		f.until(t, "registered again", first.address, second.address)
	})
}

func TestConsulDeregister(t *testing.T) {
	discoverytest.EachConsul(t, func(t *testing.T, agent *discoverytest.Agent) {
		consul := agent.Client(t)
		f := follow(t, consul.Watch, io.Discard)
		first, second := newInstance(t, "payment-1"), newInstance(t, "payment 2/x")
		for _, i := range []*instance{first, second} {
			if err := consul.Register(t.Context(), i.registration); err != nil {
				t.Fatal(err)
			}
		}
		f.until(t, "registered", first.address, second.address)
		for range 2 { // the second time it is unknown
			if err := consul.Deregister(t.Context(), second.registration.ID); err != nil {
				t.Error(err)
			}
		}
		f.until(t, "deregistered", first.address)
		if err := consul.Deregister(t.Context(), first.registration.ID); err != nil {
			t.Error(err)
		}
		f.untilFailing(t, "1")
		f.until(t, "the last one is kept", first.address)
	})
}

func TestDNS(t *testing.T) {
	d := discoverytest.StartDNS(t)
	d.Set("payment.shop.svc", "127.0.0.2", "127.0.0.1")
	f := follow(t, discovery.DNS(d.Resolver(), ".shop.svc", 8080, 20*time.Millisecond), io.Discard)
	f.until(t, "two addresses", "127.0.0.1:8080", "127.0.0.2:8080")
	d.Set("payment.shop.svc", "127.0.0.2", "127.0.0.3")
	f.until(t, "one went, one came", "127.0.0.2:8080", "127.0.0.3:8080")
	d.Set("payment.shop.svc")
	f.untilFailing(t, "1")
	f.until(t, "none is ready", "127.0.0.2:8080", "127.0.0.3:8080")
	d.Set("payment.shop.svc", "127.0.0.4")
	f.until(t, "one is ready", "127.0.0.4:8080")
	f.untilFailing(t, "0")
	d.Break(true)
	f.untilFailing(t, "1")
	f.until(t, "the server fails", "127.0.0.4:8080")
}

func TestKubernetes(t *testing.T) {
	d, k := discoverytest.StartDNS(t), discoverytest.StartKubernetes(t)
	d.Set("payment.shop.svc", "127.0.0.9")
	client, err := discovery.NewKubernetes(k.URL, k.Account, "main", discovery.DNS(d.Resolver(), ".shop.svc", 8080, time.Second))
	if err != nil {
		t.Fatal(err)
	}
	at := func(addresses ...string) (out []discoverytest.Endpoint) {
		for _, a := range addresses {
			out = append(out, discoverytest.Endpoint{Address: a})
		}
		return out
	}
	no := false
	k.Set("payment", "payment-a", at("10.0.0.1:8080", "10.0.0.2:8080")...)
	k.Set("fraud", "fraud-a", at("10.0.1.1:8080")...)
	f := follow(t, client.Watch, io.Discard)
	f.until(t, "the list", "10.0.0.1:8080", "10.0.0.2:8080")
	k.Set("payment", "payment-b", at("10.0.0.3:8081", "10.0.0.2:8081")...)
	f.until(t, "a second slice with another port", "10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8081", "10.0.0.2:8081")
	k.Set("payment", "payment-b")
	f.until(t, "it is deleted", "10.0.0.1:8080", "10.0.0.2:8080")
	k.Set("payment", "payment-a", discoverytest.Endpoint{Address: "10.0.0.1:8080"}, discoverytest.Endpoint{Address: "10.0.0.2:8080", Ready: &no, Terminating: true})
	f.until(t, "one terminates", "10.0.0.1:8080")
	k.Bookmark()
	k.Rotate(t, "second")
	lists := k.Lists()
	k.Expire()
	k.Set("payment", "payment-a", at("10.0.0.4:8080")...)
	f.until(t, "the versions are too old", "10.0.0.4:8080")
	if k.Lists() <= lists {
		t.Error("an expired watch did not lead to a list")
	}
	k.Forbid(true)
	k.Expire()
	f.until(t, "RBAC forbids it", "127.0.0.9:8080")
	f.untilFailing(t, "0")
}

func TestKubernetesOutsideOfAPod(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	if _, err := discovery.KubernetesFromPod("main", nil); err == nil || !strings.Contains(err.Error(), "not a pod") {
		t.Errorf("%v", err)
	}
}

func TestConsulFromEnv(t *testing.T) {
	for _, c := range []struct{ address, ssl, host, says string }{
		{"", "", "127.0.0.1:8500", ""},
		{"consul.internal:8501", "true", "consul.internal:8501", ""},
		{"https://consul.internal", "", "consul.internal:443", ""},
		{"unix:///run/consul.sock", "", "", "must be the URL"},
	} {
		t.Setenv("CONSUL_HTTP_ADDR", c.address)
		t.Setenv("CONSUL_HTTP_SSL", c.ssl)
		consul, err := discovery.ConsulFromEnv("")
		switch {
		case c.says != "":
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v", c.address, err)
			}
		case err != nil || consul.Host() != c.host:
			t.Errorf("%s: %v %v", c.address, consul, err)
		}
	}
}

// TestBackOff counts what a registry gets to do, and what the service says, while the registry
// is away for ten minutes.
func TestBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		tries, began := 0, time.Now()
		f := follow(t, func(_ context.Context, _ string, report func([]string)) error {
			tries++
			if tries == 1 || time.Since(began) > 10*time.Minute {
				report([]string{"10.0.0.1:1"})
			}
			return errors.New("connection refused")
		}, &log)
		time.Sleep(10 * time.Minute)
		if tries < 55 || tries > 75 {
			t.Errorf("%d attempts in ten minutes", tries)
		}
		if got, _, err := f.Addresses(); len(got) != 1 || err != nil {
			t.Errorf("%v %v", got, err)
		}
		if n := strings.Count(log.String(), "\n"); n != 1 {
			t.Errorf("%d lines:\n%s", n, log.String())
		}
	})
}

// TestNothingKnown: calls say why no instance is known.
func TestNothingKnown(t *testing.T) {
	f := follow(t, func(context.Context, string, func([]string)) error { return errors.New("connection refused") }, io.Discard)
	f.untilFailing(t, "1")
	client := &http.Client{Transport: f.Transport(http.DefaultTransport)}
	resp, err := client.Post("http://payment/charge", "text/plain", strings.NewReader("x"))
	if err == nil {
		resp.Body.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "no instance of payment is known: connection refused") {
		t.Error(err)
	}
}

// TestTransport: a request whose instance refuses the connection goes to another with its body,
// and the instance is avoided for a while.
func TestTransport(t *testing.T) {
	var got atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if b, _ := io.ReadAll(r.Body); string(b) == "an order" {
			got.Add(1)
		}
	}))
	defer s.Close()
	dials := map[string]int{}
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		dials[address]++
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	alive := s.Listener.Addr().String()
	f := follow(t, func(ctx context.Context, _ string, report func([]string)) error {
		report([]string{"127.0.0.1:1", "127.0.0.1:2", alive})
		<-ctx.Done()
		return ctx.Err()
	}, io.Discard)
	f.until(t, "three", "127.0.0.1:1", "127.0.0.1:2", alive)
	client := &http.Client{Transport: f.Transport(base)}
	for range 12 {
		resp, err := client.Post("http://"+f.Next()+"/", "text/plain", strings.NewReader("an order"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	if got.Load() != 12 || dials["127.0.0.1:1"] > 2 || dials["127.0.0.1:2"] > 2 {
		t.Errorf("%d requests arrived; dials %v", got.Load(), dials)
	}
	// A body that cannot be sent again.
	var err error
	for range 3 {
		var resp *http.Response
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:1/", io.MultiReader(strings.NewReader("x")))
		if resp, err = client.Do(req); err == nil {
			resp.Body.Close()
			break
		}
	}
	if err == nil {
		t.Error("a body was sent twice")
	}
}
