// Package console is the page of tenhop: a live map of the hops, the diagnosis,
// traces with self time told apart from waiting, the dashboards, and drills.
//
// It reads Prometheus's, Jaeger's and Loki's HTTP APIs, of the embedded stack or
// of real ones, and holds nothing itself but the drills that were run from it.
// The browser speaks to this handler only:
//
//	GET  /                         the page; also /diagnose, /search, /trace/{id}, /compare, /dashboards, /d/{uid}, /drills
//	GET  /assets/{file}            its script and style, compressed beforehand
//	GET  /api/config               what is connected
//	GET  /api/live                 server-sent events: now (every 2 s), drill (on change)
//	GET  /api/traces               search; /api/services and /api/services/{name}/operations fill its form
//	GET  /api/traces/{id}          one trace, analysed; /logs its log lines
//	GET  /api/compare              two traces, or one against others of its operation, by time per hop
//	GET  /api/diagnose             what `tenhop diagnose --json` prints
//	GET  /api/dashboards[/{uid}]   Grafana JSON as it is
//	GET  /api/prometheus/…         reading endpoints of Prometheus's API, passed on
//	GET  /api/loki/query_range     passed on
//	POST /api/faults, DELETE …     faults by hand; token
//	POST /api/drill, …/answer      a blind drill; token
//
// What acts on the storefront needs the token in an Authorization header. A
// request whose Host is neither an IP address, nor localhost, nor a configured
// name is refused, so that a page elsewhere cannot rebind its name to this one.
package console

//go:generate npm --prefix web run build
