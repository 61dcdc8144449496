// Package dashboards holds the Grafana dashboards that Grafana provisions and
// the console renders. They are generated from package define.
package dashboards

import "embed"

//go:generate go run ./gen -out .

// FS is every dashboard, one JSON file each, named like the end of its uid.
//
//go:embed *.json
var FS embed.FS
