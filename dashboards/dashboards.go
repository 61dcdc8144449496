// Package dashboards embeds the dashboards that Grafana provisions and the
// console renders. They are generated from package define.
package dashboards

import "embed"

//go:generate go test -count=1 -run TestFilesAreGenerated . -update

// FS holds one JSON file per dashboard, named by its uid without the prefix.
//
//go:embed *.json
var FS embed.FS
