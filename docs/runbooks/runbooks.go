// Package runbooks embeds the runbooks of the alerts. It names those of a diagnosis.
package runbooks

import (
	"embed"
	"slices"

	"github.com/tenhop/tenhop/diagnose/result"
)

// FS holds one Markdown file per runbook, named as in the alerts' runbook_url.
//
//go:embed *.md
var FS embed.FS

// URL returns the address of a runbook.
func URL(name string) string {
	return "https://github.com/tenhop/tenhop/blob/main/docs/runbooks/" + name + ".md"
}

// ofCause holds the runbook of a cause, where it is another one than that of the kind.
var ofCause = map[string]string{
	result.CauseThrottled: "hop-stalls", result.CauseFrozen: "hop-stalls", result.CauseRestart: "hop-restarts",
	result.CausePool: "slow-dependency", result.CauseDBLock: "slow-dependency", result.CauseSlowQuery: "slow-dependency",
	result.CauseRetries: "hop-errors",
}

// ofKind holds the runbook of a kind of finding.
var ofKind = map[string]string{
	result.KindSelf: "slow-hop", result.KindDependency: "slow-dependency", result.KindLink: "slow-link",
	result.KindErrors: "hop-errors", result.KindQueue: "kafka-lag",
	result.KindCalls: "slow-hop", result.KindFlow: "slow-hop", result.KindConcurrency: "slow-hop",
}

// Of returns the names of the runbooks of a finding: that of its cause, then that of its kind.
func Of(f result.Finding) []string {
	var out []string
	if f.Cause != nil {
		out = append(out, ofCause[f.Cause.Kind])
	}
	out = append(out, ofKind[f.Kind])
	return slices.Compact(slices.DeleteFunc(out, func(name string) bool { return name == "" }))
}
