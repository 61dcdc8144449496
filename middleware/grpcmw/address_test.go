package grpcmw

import (
	"fmt"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// server.address is the name that was dialled.
func TestAddress(t *testing.T) {
	for target, want := range map[string]string{
		"payment:8080":                  "payment",
		"dns:///payment.shop.svc:8080":  "payment.shop.svc",
		"dns:payment:8080":              "payment",
		"dns://10.0.0.1/payment:8080":   "payment",
		"passthrough:payment":           "payment",
		"passthrough:///127.0.0.1:8080": "127.0.0.1",
		"[::1]:8080":                    "::1",
		"dns:///[2001:db8::1]:8080":     "2001:db8::1",
		"unix:///run/payment.sock":      "payment.sock",
	} {
		cc, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		c := &client{}
		for range 2 { // the second is remembered
			if got := c.address(cc); len(got) != 1 || got[0].Key != "server.address" || got[0].Value.AsString() != want {
				t.Errorf("%s: %v, want %s", target, got, want)
			}
		}
		if err := cc.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Without a name the dependency is what the target of each connection tells. The names are
// bounded.
func TestDependencyOfTheTarget(t *testing.T) {
	made := 0
	b := &byTarget{clients: map[string]*client{}, named: func(dependency string) *client {
		made++
		return &client{dependency: adapter.Dependency{Name: dependency}}
	}}
	name := func(target string) string {
		cc, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		defer cc.Close()
		return b.of(cc).dependency.Name
	}
	for range 2 {
		for target, want := range map[string]string{
			"dns:///payment.shop.svc.cluster.local:50051": "payment",
			"payment:50051":                 "payment",
			"passthrough:///127.0.0.1:8080": "127.0.0.1",
			"api.example.com:443":           "api.example.com",
			"unix:///run/payment.sock":      "payment.sock",
		} {
			if got := name(target); got != want {
				t.Errorf("%s is %q, want %q", target, got, want)
			}
		}
	}
	if made != 4 {
		t.Errorf("%d clients for 4 names", made)
	}
	if got := b.of(nil).dependency.Name; got != "unknown" {
		t.Errorf("no target is %q", got)
	}
	for i := range maxNames {
		name(fmt.Sprintf("passthrough:///10.0.%d.%d:1", i/256, i%256))
	}
	if got := name("passthrough:///192.0.2.1:1"); got != adapter.Overflow || made > maxNames+1 {
		t.Errorf("beyond the bound the name is %q; %d clients", got, made)
	}
}
