package proxy_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/drill"
	"github.com/tenhop/tenhop/drill/proxy"
	"github.com/tenhop/tenhop/middleware/chaos"
)

const token = "secret"

func start(t *testing.T) (*proxy.Proxy, drill.Faults) {
	t.Helper()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 4000)) }))
	t.Cleanup(service.Close)
	p, err := proxy.Start(proxy.Config{Listen: "127.0.0.1:0", Upstream: strings.TrimPrefix(service.URL, "http://"), Token: token})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p, drill.Faults{Services: map[string][]string{"stock": {"stock-proxy"}}, Admin: map[string]string{"stock-proxy": "http://" + p.Admin()}, Token: token,
		Leases: &drill.Leases{}}
}

// call calls the service through the proxy, on a connection of its own.
func call(p *proxy.Proxy) (time.Duration, error) {
	began := time.Now()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	resp, err := client.Get("http://" + p.Address())
	if err == nil {
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
	}
	return time.Since(began), err
}

func minute(f chaos.Fault) chaos.Fault {
	f.For = chaos.Duration(time.Minute)
	return f
}

func TestFaults(t *testing.T) {
	p, faults := start(t)
	if _, err := call(p); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		fault chaos.Fault
		felt  func(took time.Duration, err error) bool
	}{
		{chaos.Fault{Kind: "latency", Latency: chaos.Duration(700 * time.Millisecond)}, func(took time.Duration, err error) bool { return err == nil && took > 600*time.Millisecond }},
		{chaos.Fault{Kind: "bandwidth", Bytes: 4000}, func(took time.Duration, err error) bool { return err == nil && took > 600*time.Millisecond }},
		{chaos.Fault{Kind: "reset"}, func(_ time.Duration, err error) bool { return err != nil }},
	} {
		done, err := faults.Inject(t.Context(), "stock", minute(c.fault))
		if err != nil {
			t.Fatal(err)
		}
		soon(t, c.fault.Kind+" is not felt", func() bool { return c.felt(call(p)) })
		if err := faults.Remove(t.Context(), done); err != nil {
			t.Fatal(err)
		}
		soon(t, c.fault.Kind+" is not lifted", func() bool { _, err := call(p); return err == nil && !c.felt(call(p)) })
	}
}

func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

// A held fault ends with the connection of the injector.
func TestHeld(t *testing.T) {
	p, faults := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	began := make(chan struct{})
	go func() {
		over <- faults.Hold(ctx, "stock", minute(chaos.Fault{Kind: "reset"}), func([]drill.Injected) { close(began) })
	}()
	<-began
	soon(t, "it is not felt", func() bool { _, err := call(p); return err != nil })
	cancel()
	<-over
	soon(t, "it is not lifted", func() bool { _, err := call(p); return err == nil })
	if list, _, err := faults.List(t.Context()); err != nil || len(list) > 0 {
		t.Errorf("%v %+v", err, list)
	}
}

// The proxy has the kinds that it offers, and none that would harm itself.
func TestKinds(t *testing.T) {
	_, faults := start(t)
	kinds, err := faults.Kinds(t.Context(), "stock")
	if err != nil || len(kinds) != 3 {
		t.Errorf("%v: %+v", err, kinds)
	}
	for _, f := range []chaos.Fault{{Kind: "exit"}, {Kind: "leak", Bytes: 1 << 20}, {Kind: "latency"}, {Kind: "bandwidth", Bytes: 5}, {Kind: "latency", Latency: chaos.Duration(time.Hour)}} {
		if _, err := faults.Inject(t.Context(), "stock", minute(f)); !drill.Refused(err) {
			t.Errorf("%+v: %v", f, err)
		}
	}
}

func TestRefused(t *testing.T) {
	for what, c := range map[string]proxy.Config{
		"no token":          {Listen: "127.0.0.1:0", Upstream: "127.0.0.1:1"},
		"no upstream":       {Listen: "127.0.0.1:0", Token: token},
		"open to the world": {Listen: "127.0.0.1:0", Upstream: "127.0.0.1:1", Admin: "0.0.0.0:0", Token: token},
	} {
		if p, err := proxy.Start(c); err == nil {
			_ = p.Close()
			t.Errorf("%s: no error", what)
		}
	}
}
