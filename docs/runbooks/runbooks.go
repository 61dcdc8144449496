// Package runbooks embeds the runbooks of the alerts.
package runbooks

import "embed"

// FS holds one Markdown file per runbook, named as in the alerts' runbook_url.
//
//go:embed *.md
var FS embed.FS
