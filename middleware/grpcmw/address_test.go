package grpcmw

import (
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
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
