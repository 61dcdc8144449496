// Package alerts embeds the Prometheus rules: recordings, alerts that name the slow
// hop, SLO burn rates, errors and traffic, Kafka and the telemetry pipeline.
// Prometheus under Compose mounts the files; the embedded one evaluates FS.
package alerts

//go:generate go test -count=1 -run TestStorefrontRules ../slo -update
//go:generate go test -count=1 -run "TestCoarseRules|TestTable|TestGrafanaRules" . -update

import "embed"

// FS holds the rule files.
//
//go:embed *.yaml
var FS embed.FS
