// Package console serves the web console of tenhop: the service map, the diagnosis,
// traces, dashboards and drills.
//
// It reads the HTTP APIs of Prometheus, Jaeger and Loki, of the embedded stack or of
// any other. It stores only the drills that were started from it. The browser sends
// requests to this handler only:
//
//	GET  /                         the page, also at /incidents, /diagnose, /search, /trace/{id}, /compare, /dashboards, /d/{uid}, /drills
//	GET  /assets/{file}            its script and style, compressed at build time
//	GET  /api/config               the connected sources
//	GET  /api/live                 server-sent events: now (the service map, every 2 s), drill (on change)
//	GET  /api/traces               trace search; /api/services and /api/services/{name}/operations fill its form
//	GET  /api/traces/{id}          one analysed trace; /logs: its log lines
//	GET  /api/compare              two traces, or one and the mean of others of its operation, by time per hop
//	GET  /api/incidents[/{id}]     what `tenhop watch` has posted
//	GET  /api/diagnose             the result of `tenhop diagnose --json`, with empty lists instead of null
//	GET  /api/dashboards[/{uid}]   dashboards in Grafana's JSON
//	GET  /api/prometheus/…         the read endpoints of Prometheus's API, passed on
//	GET  /api/loki/query_range     passed on
//	POST /api/faults, DELETE …     faults injected by hand; requires the token
//	POST /api/drill, …/answer      a blind drill; requires the token
//
// The page's TypeScript types are generated from the request and response types of the
// endpoints.
//
// Actions require the token in an Authorization header. Against DNS rebinding, a
// request is refused unless its Host is an IP address, localhost or a configured
// name.
package console

//go:generate go test -run TestTypes -update .
//go:generate npm --prefix web run build
