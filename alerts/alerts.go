// Package alerts holds the Prometheus rules: recordings, the alerts that name
// the slow hop, SLO burn rates, RED anomalies, Kafka and the telemetry pipeline.
// Prometheus in compose mounts the files; the embedded one evaluates FS.
package alerts

//go:generate go test -count=1 -run TestStorefrontRules ../slo -update

import "embed"

// FS is every rule file and nothing else.
//
//go:embed *.yaml
var FS embed.FS
