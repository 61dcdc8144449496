package grafana

import "strings"

// Importable is a dashboard in the form of Grafana's export for sharing: importing it by
// hand asks for the data sources.
type Importable struct {
	Inputs   []Input       `json:"__inputs"`
	Requires []Requirement `json:"__requires"`
	Dashboard
}

// Input is a data source that is asked for.
type Input struct {
	Name        string `json:"name"`
	Label       string `json:"label"`
	Description string `json:"description"`
	Type        string `json:"type"`
	PluginID    string `json:"pluginId"`
	PluginName  string `json:"pluginName"`
}

// Requirement is a program or plugin that the dashboard needs.
type Requirement struct {
	Type    string `json:"type"`
	ID      string `json:"id"`
	Name    string `json:"name"`
	Version string `json:"version"`
}

// NewImportable returns a dashboard whose variables of data sources have the answers as
// their values. Variables of data sources that nothing refers to are left out: Grafana
// requires an answer for each input.
func NewImportable(d Dashboard) Importable {
	out := Importable{Dashboard: d, Requires: []Requirement{{"grafana", "grafana", "Grafana", "11.0.0"}}}
	out.Templating.List = nil
	used := d.datasources()
	for _, v := range d.Templating.List {
		if v.Type == "datasource" {
			if !used["${"+v.Name+"}"] {
				continue
			}
			plugin, _ := v.Query.(string)
			name := "DS_" + strings.ToUpper(v.Name)
			out.Inputs = append(out.Inputs, Input{Name: name, Label: v.Label, Type: "datasource", PluginID: plugin, PluginName: v.Current.Text})
			out.Requires = append(out.Requires, Requirement{"datasource", plugin, v.Current.Text, "1.0.0"})
			v.Current = Current{Text: "${" + name + "}", Value: "${" + name + "}"}
		}
		out.Templating.List = append(out.Templating.List, v)
	}
	return out
}

// datasources returns the UIDs of the data sources that panels, queries and variables of the
// dashboard refer to.
func (d Dashboard) datasources() map[string]bool {
	used := map[string]bool{}
	add := func(s *Datasource) {
		if s != nil {
			used[s.UID] = true
		}
	}
	for _, v := range d.Templating.List {
		add(v.Datasource)
	}
	for _, p := range d.Panels {
		add(p.Datasource)
		for _, t := range p.Targets {
			add(t.Datasource)
		}
	}
	return used
}
