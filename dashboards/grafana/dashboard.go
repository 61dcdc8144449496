// Package grafana defines Go types for the subset of Grafana's dashboard JSON
// (schema 39) that the dashboards use.
package grafana

// Dashboard is one importable dashboard.
type Dashboard struct {
	UID           string     `json:"uid"`
	Title         string     `json:"title"`
	Description   string     `json:"description"`
	Tags          []string   `json:"tags"`
	SchemaVersion int        `json:"schemaVersion"`
	Version       int        `json:"version"`
	Editable      bool       `json:"editable"`
	GraphTooltip  int        `json:"graphTooltip"` // 1: shared crosshair
	Refresh       string     `json:"refresh"`
	Time          TimeRange  `json:"time"`
	Timezone      string     `json:"timezone"`
	Templating    Templating `json:"templating"`
	Links         []Link     `json:"links"`
	Panels        []Panel    `json:"panels"`
}

// TimeRange is relative, such as now-30m to now.
type TimeRange struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Templating holds the variables.
type Templating struct {
	List []Variable `json:"list"`
}

// Variable is a template variable of type datasource, query or custom.
type Variable struct {
	Name       string      `json:"name"`
	Label      string      `json:"label"`
	Type       string      `json:"type"`
	Query      any         `json:"query"`
	Datasource *Datasource `json:"datasource,omitempty"`
	Definition string      `json:"definition,omitempty"`
	Refresh    int         `json:"refresh,omitempty"` // 2: when the range changes
	Sort       int         `json:"sort,omitempty"`    // 1: alphabetical
	Multi      bool        `json:"multi"`
	IncludeAll bool        `json:"includeAll"`
	AllValue   string      `json:"allValue,omitempty"`
	Current    Current     `json:"current"`
	Options    []Current   `json:"options,omitempty"`
	Hide       int         `json:"hide"`
}

// Current is a variable's chosen value, or one of its options.
type Current struct {
	Text  string `json:"text"`
	Value string `json:"value"`
}

// VariableQuery asks Prometheus for a variable's values.
type VariableQuery struct {
	Query string `json:"query"`
	RefID string `json:"refId"`
}

// Datasource names a data source by type and uid; the uid may be a variable.
type Datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

// Link is a link of a dashboard, a data point or a table cell.
type Link struct {
	Title       string   `json:"title"`
	Type        string   `json:"type,omitempty"` // dashboards or link; empty for data links
	URL         string   `json:"url,omitempty"`
	Tags        []string `json:"tags,omitempty"`
	AsDropdown  bool     `json:"asDropdown,omitempty"`
	IncludeVars bool     `json:"includeVars,omitempty"`
	KeepTime    bool     `json:"keepTime,omitempty"`
	TargetBlank bool     `json:"targetBlank,omitempty"`
}
