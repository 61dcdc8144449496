package define

import (
	"fmt"

	"github.com/tenhop/tenhop/dashboards/grafana"
)

// Units, by Grafana's names.
const (
	seconds = "s"
	ratio   = "percentunit"
	perSec  = "reqps"
	bytes   = "bytes"
	count   = "short"
	noUnit  = "none"
)

// q is a range query with a legend.
func q(legend, expr string) grafana.Target {
	return grafana.Target{Expr: expr, LegendFormat: legend, Range: true}
}

// withExemplars adds the exemplars of the query's histograms.
func withExemplars(t grafana.Target) grafana.Target {
	t.Exemplar = true
	return t
}

func refs(targets []grafana.Target) []grafana.Target {
	for i := range targets {
		if targets[i].RefID == "" {
			targets[i].RefID = string(rune('A' + i))
		}
		if targets[i].Datasource == nil {
			targets[i].Datasource = prometheus
		}
	}
	return targets
}

func panel(kind, title, next, unit string, w, h int, targets []grafana.Target) grafana.Panel {
	return grafana.Panel{
		Type: kind, Title: title, Description: next, Datasource: prometheus,
		GridPos: grafana.GridPos{W: w, H: h}, Targets: refs(targets),
		FieldConfig: grafana.FieldConfig{
			Defaults:  grafana.FieldDefaults{Unit: unit, Color: &grafana.Color{Mode: "palette-classic"}},
			Overrides: []grafana.Override{},
		},
		Options: map[string]any{},
	}
}

// traceLink leads from an exemplar or a row to its trace.
var traceLink = grafana.Link{Title: "Open trace", URL: "${jaeger}/trace/${__data.fields.trace_id}", TargetBlank: true}

// lines draws a time series.
func lines(title, next, unit string, w int, targets ...grafana.Target) grafana.Panel {
	p := panel("timeseries", title, next, unit, w, 8, targets)
	p.FieldConfig.Defaults.Custom = map[string]any{"drawStyle": "line", "lineWidth": 1, "fillOpacity": 8, "showPoints": "never", "spanNulls": 15000}
	p.Options = map[string]any{
		"legend":  map[string]any{"displayMode": "list", "placement": "bottom", "showLegend": true},
		"tooltip": map[string]any{"mode": "multi", "sort": "desc"},
	}
	for _, t := range targets {
		if t.Exemplar {
			p.FieldConfig.Defaults.Links = []grafana.Link{traceLink}
		}
	}
	return p
}

// stacked stacks the series of p, for values whose sum has a meaning.
func stacked(p grafana.Panel) grafana.Panel {
	p.FieldConfig.Defaults.Custom["stacking"] = map[string]any{"mode": "normal", "group": "A"}
	p.FieldConfig.Defaults.Custom["fillOpacity"] = 40
	return p
}

// stat shows the last value of each series, coloured from the thresholds on.
func stat(title, next, unit string, w int, steps []grafana.Step, targets ...grafana.Target) grafana.Panel {
	p := panel("stat", title, next, unit, w, 4, targets)
	colour(&p, steps)
	p.Options = map[string]any{
		"colorMode": "value", "graphMode": "area", "textMode": "auto",
		"reduceOptions": map[string]any{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
	}
	return p
}

// gauge shows a ratio between 0 and 1.
func gauge(title, next string, w int, steps []grafana.Step, targets ...grafana.Target) grafana.Panel {
	p := panel("gauge", title, next, ratio, w, 7, targets)
	colour(&p, steps)
	zero, one := 0.0, 1.0
	p.FieldConfig.Defaults.Min, p.FieldConfig.Defaults.Max = &zero, &one
	p.Options = map[string]any{"reduceOptions": map[string]any{"calcs": []string{"lastNotNull"}, "fields": "", "values": false}}
	return p
}

func colour(p *grafana.Panel, steps []grafana.Step) {
	p.FieldConfig.Defaults.Color = &grafana.Color{Mode: "thresholds"}
	p.FieldConfig.Defaults.Thresholds = &grafana.Thresholds{Mode: "absolute", Steps: steps}
}

// above is green, then orange and red from the given values on.
func above(warn, bad float64) []grafana.Step {
	return []grafana.Step{{Color: "green"}, {Color: "orange", Value: &warn}, {Color: "red", Value: &bad}}
}

// below is red, then orange and green from the given values on.
func below(bad, warn float64) []grafana.Step {
	return []grafana.Step{{Color: "red"}, {Color: "orange", Value: &bad}, {Color: "green", Value: &warn}}
}

// heat draws histogram buckets over time.
func heat(title, next string, w int, expr string) grafana.Panel {
	t := grafana.Target{Expr: expr, LegendFormat: "{{le}}", Format: "heatmap", Range: true, Exemplar: true}
	p := panel("heatmap", title, next, seconds, w, 9, []grafana.Target{t})
	p.FieldConfig.Defaults.Links = []grafana.Link{traceLink}
	p.Options = map[string]any{
		"calculate": false, "yAxis": map[string]any{"unit": seconds}, "rowsFrame": map[string]any{"layout": "auto"},
		"color": map[string]any{"mode": "scheme", "scheme": "Oranges", "steps": 64}, "exemplars": map[string]any{"color": "rgba(255,0,255,0.7)"},
		"cellGap": 1, "filterValues": map[string]any{"le": 1e-9}, "tooltip": map[string]any{"mode": "single", "yHistogram": true},
	}
	return p
}

// column is one value column of a table: its heading, unit and query.
type column struct {
	title, unit, expr string
}

// table joins instant queries by their labels into one row per label set, with
// the links on every cell. The first column sorts, largest first.
func table(title, next string, w int, hidden []string, links []grafana.Link, columns ...column) grafana.Panel {
	var targets []grafana.Target
	exclude := map[string]any{"Time": true}
	for _, l := range hidden {
		exclude[l] = true
	}
	rename := map[string]any{}
	var overrides []grafana.Override
	for i, c := range columns {
		ref := string(rune('A' + i))
		targets = append(targets, grafana.Target{RefID: ref, Expr: c.expr, Format: "table", Instant: true})
		field := "Value #" + ref
		if len(columns) == 1 {
			field = "Value"
		}
		rename[field] = c.title
		overrides = append(overrides, grafana.Override{
			Matcher:    grafana.Matcher{ID: "byName", Options: c.title},
			Properties: []grafana.Property{{ID: "unit", Value: c.unit}, {ID: "decimals", Value: 3}},
		})
	}
	p := panel("table", title, next, "", w, 10, targets)
	p.FieldConfig.Overrides = overrides
	p.FieldConfig.Defaults.Links = links
	p.Transformations = []grafana.Transformation{
		{ID: "merge", Options: map[string]any{}},
		{ID: "organize", Options: map[string]any{"excludeByName": exclude, "renameByName": rename, "indexByName": map[string]any{}}},
	}
	p.Options = map[string]any{
		"showHeader": true, "cellHeight": "sm",
		"sortBy": []any{map[string]any{"displayName": columns[0].title, "desc": true}},
	}
	return p
}

// jaegerSearch is a pre-filled search for the service and operation of a row.
var jaegerSearch = grafana.Link{
	Title: "Search traces", TargetBlank: true,
	URL: "${jaeger}/search?service=${__data.fields.service_name}&operation=${__data.fields.operation:percentencode}&lookback=15m&limit=20",
}

var openService = grafana.Link{Title: "Open service", URL: "/d/tenhop-service?var-service=${__data.fields.service_name}"}

// quantile is a quantile of classic buckets over the panel's rate interval.
func quantile(phi float64, by, family, selector string) string {
	return fmt.Sprintf("histogram_quantile(%g, sum by (le%s) (rate(%s_bucket{%s}[$__rate_interval])))", phi, by, family, selector)
}

// scope holds the label matchers of every hop query.
const scope = `env=~"$env",service_name=~"$service",operation=~"$operation",entry=~"$entry"`
