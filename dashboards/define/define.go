// Package define defines the dashboards, one file each. All have the variables
// datasource, service, operation and env, and units in seconds and ratios. The
// description of each panel says what to do next.
package define

import (
	"strings"

	"github.com/tenhop/tenhop/dashboards/grafana"
)

const (
	uidPrefix = "tenhop-"
	jaegerURL = "http://127.0.0.1:16686"

	consoleURL = "http://127.0.0.1:8000"
)

// All returns the dashboards in the order in which a person on call needs them.
func All() []grafana.Dashboard {
	return []grafana.Dashboard{
		overview(), service(), where(), kafka(), runtime(), objectives(), telemetry(), drills(), incidents(), delivery(),
	}
}

// FileName returns the name of a dashboard's file in package dashboards.
func FileName(d grafana.Dashboard) string { return strings.TrimPrefix(d.UID, uidPrefix) + ".json" }

var (
	prometheus = &grafana.Datasource{Type: "prometheus", UID: "${datasource}"}
	loki       = &grafana.Datasource{Type: "loki", UID: "${logs}"}
)

func dashboard(name, title, description string, panels ...grafana.Panel) grafana.Dashboard {
	return grafana.Dashboard{
		UID: uidPrefix + name, Title: title, Description: description,
		Tags: []string{"tenhop"}, SchemaVersion: 39, Version: 1, Editable: true, GraphTooltip: 1,
		Refresh: "5s", Time: grafana.TimeRange{From: "now-15m", To: "now"}, Timezone: "browser",
		Templating: grafana.Templating{List: variables()},
		Links: []grafana.Link{{
			Title: "tenhop", Type: "dashboards", Tags: []string{"tenhop"},
			AsDropdown: true, IncludeVars: true, KeepTime: true,
		}},
		Panels: place(panels),
	}
}

// diagnoseLink leads from a panel to the diagnosis of the chosen entry at the console, at the
// end of the panel's time range.
var diagnoseLink = grafana.Link{Title: "Diagnose this", URL: "${console}/diagnose?entry=${entry:percentencode}&from=${__from}&to=${__to}", TargetBlank: true}

// place numbers the panels, fills the 24 columns from left to right, and links each panel
// to its diagnosis.
func place(panels []grafana.Panel) []grafana.Panel {
	x, y, row := 0, 0, 0
	for i := range panels {
		p := &panels[i]
		if x+p.GridPos.W > 24 {
			x, y, row = 0, y+row, 0
		}
		p.ID = i + 1
		p.GridPos.X, p.GridPos.Y = x, y
		p.Links = append(p.Links, diagnoseLink)
		x += p.GridPos.W
		row = max(row, p.GridPos.H)
	}
	return panels
}

func variables() []grafana.Variable {
	return []grafana.Variable{
		{Name: "datasource", Label: "Metrics", Type: "datasource", Query: "prometheus", Current: grafana.Current{Text: "Prometheus", Value: "prometheus"}},
		{Name: "logs", Label: "Logs", Type: "datasource", Query: "loki", Current: grafana.Current{Text: "Loki", Value: "loki"}},
		// Prometheus adds the label env to its targets. The embedded stack has one
		// environment and no such label; All matches that too.
		query("env", "Environment", `label_values(up, env)`),
		query("service", "Service", `label_values(hop_duration_seconds_count{env=~"$env"}, service_name)`),
		query("operation", "Operation", `label_values(hop_duration_seconds_count{env=~"$env",service_name=~"$service"}, operation)`),
		// jaeger is the base URL of links to traces; the console sets its own.
		{Name: "jaeger", Label: "Jaeger", Type: "custom", Query: jaegerURL, Current: grafana.Current{Text: jaegerURL, Value: jaegerURL},
			Options: []grafana.Current{{Text: jaegerURL, Value: jaegerURL}}},
		// console is the base URL of links to the diagnosis.
		{Name: "console", Label: "Console", Type: "custom", Query: consoleURL, Current: grafana.Current{Text: consoleURL, Value: consoleURL},
			Options: []grafana.Current{{Text: consoleURL, Value: consoleURL}}},
		query("entry", "Entry", `label_values(hop_duration_seconds_count{env=~"$env"}, entry)`),
	}
}

func query(name, label, q string) grafana.Variable {
	return grafana.Variable{
		Name: name, Label: label, Type: "query", Datasource: prometheus, Definition: q,
		Query: grafana.VariableQuery{Query: q, RefID: "variable-" + name}, Refresh: 2, Sort: 1,
		Multi: true, IncludeAll: true, AllValue: ".*", Current: grafana.Current{Text: "All", Value: "$__all"},
	}
}
