package adapter_test

import (
	"testing"

	"github.com/tenhop/tenhop/middleware/adapter"
)

func TestServiceOfHost(t *testing.T) {
	for host, want := range map[string]string{
		"":                                "",
		".":                               "",
		"payment":                         "payment",
		"payment.shop.svc":                "payment",
		"payment.shop.svc.":               "payment",
		"payment.shop.svc.cluster.local":  "payment",
		"payment.shop.svc.cluster.local.": "payment",
		"payment.shop.svc.prod.example":   "payment",
		"db-0.db.shop.svc.cluster.local":  "db",
		"_grpc._tcp.payment.shop.svc":     "payment",
		"a.svc-b.svc.cluster.local":       "a",
		"payment.shop":                    "payment.shop",
		"payment.svc":                     "payment.svc",
		".svc":                            ".svc",
		"..svc":                           "..svc",
		"svc":                             "svc",
		"svc.shop.svc":                    "svc",
		"api.example.com":                 "api.example.com",
		"a.b.svcs.example.com":            "a.b.svcs.example.com",
		"10.0.0.7":                        "10.0.0.7",
		"::1":                             "::1",
	} {
		if got := adapter.ServiceOfHost(host); got != want {
			t.Errorf("%q is of service %q, want %q", host, got, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { adapter.ServiceOfHost("payment.shop.svc.cluster.local") }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
