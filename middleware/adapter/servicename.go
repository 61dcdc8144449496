package adapter

import "strings"

// ServiceOfHost returns the name of the service behind a host, as far as the host tells:
//
//	payment                         payment         one label: a cluster's or compose file's name
//	payment.shop.svc                payment         Kubernetes: <service>.<namespace>.svc
//	payment.shop.svc.cluster.local  payment         … with the cluster's domain
//	db-0.db.shop.svc.cluster.local  db              … of a pod of a headless service
//	payment.shop                    payment.shop    it could be a public name
//	api.example.com                 api.example.com a public name
//	10.0.0.7, ::1                   as it is        an address has no name
//
// Adapters use it for calls whose dependency has no name. It does not allocate.
func ServiceOfHost(host string) string {
	host = strings.TrimSuffix(host, ".")
	for from := 0; ; {
		i := strings.Index(host[from:], ".svc")
		if i < 0 {
			return host
		}
		at := from + i
		from = at + len(".svc")
		if from < len(host) && host[from] != '.' {
			continue // a label that begins with svc
		}
		name, namespace := host[:at], ""
		if dot := strings.LastIndexByte(name, '.'); dot > 0 {
			name, namespace = name[:dot], name[dot+1:]
		}
		service := name[strings.LastIndexByte(name, '.')+1:]
		if namespace == "" || service == "" {
			return host
		}
		return service
	}
}
