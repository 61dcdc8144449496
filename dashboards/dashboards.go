// Package dashboards embeds the dashboards that Grafana provisions and the
// console renders. They are generated from package define.
package dashboards

import "embed"

//go:generate go run ./gen -out .

// FS holds one JSON file per dashboard, named by its uid without the prefix.
//
//go:embed *.json
var FS embed.FS
