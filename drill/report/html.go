package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"

	"github.com/tenhop/tenhop/drill"
)

//go:embed report.html
var source string

var page = template.Must(template.New("report").Parse(source))

// view holds the data of the page.
type view struct {
	Title, Summary string
	Whole          group
	Phases         []bar
	Kinds, Hops    []group
	Who            []group
	Confusion      confusion
	Rankers        []ranker
	Trend          trend
	Wrong, Void    shownTable
	All            shownTable
}

// shownTable is a table with exported fields.
type shownTable struct {
	Header []string
	Rows   [][]string
}

// bar is a phase of the chart of times. Widths are percentages.
type bar struct {
	phase
	MedianText, P90Text   string
	MedianWidth, P90Width float64
}

// trend is the chart of right answers over the days of the file. Coordinates are those of a
// drawing of 600 by 160.
type trend struct {
	Days   []trendDay
	Points string // of a polyline
}

type trendDay struct {
	group
	X, Y  float64
	Label bool
}

// Sizes of the drawing.
const (
	trendWidth, trendTop, trendHeight = 600.0, 15.0, 110.0
	trendMargin                       = 45.0
	trendLabels                       = 7
)

// WriteHTML writes rounds as a page that needs nothing else: no script, no other file. An
// error is that of w.
func WriteHTML(w io.Writer, rounds []drill.Round) error {
	wrong, void := misses(rounds)
	v := view{Title: "Drills", Summary: Summary(rounds), Whole: whole(rounds), Kinds: groups(rounds, byKind), Hops: groups(rounds, byHop),
		Who: groups(rounds, byWhom), Confusion: confused(rounds), Rankers: rankers(rounds), Phases: bars(phases(rounds)), Trend: trendOf(groups(rounds, byDay)),
		Wrong: shownTable{wrong.header, wrong.rows}, Void: shownTable{void.header, void.rows}, All: shownTable{Header: header}}
	for _, r := range rounds {
		v.All.Rows = append(v.All.Rows, cells(r))
	}
	return page.Execute(w, v)
}

// bars returns the phases with the widths of their bars.
func bars(phases []phase) []bar {
	longest := 1.0
	for _, p := range phases {
		if p.N() > 0 {
			longest = max(longest, p.P90())
		}
	}
	width := func(s float64) float64 {
		if math.IsNaN(s) {
			return 0
		}
		return math.Round(1000*s/longest) / 10
	}
	var out []bar
	for _, p := range phases {
		out = append(out, bar{p, seconds(p.Median()), seconds(p.P90()), width(p.Median()), width(p.P90())})
	}
	return out
}

func trendOf(days []group) trend {
	var t trend
	every := (len(days)-1)/trendLabels + 1
	for i, d := range days {
		x := trendWidth / 2
		if len(days) > 1 {
			x = trendMargin + (trendWidth-2*trendMargin)*float64(i)/float64(len(days)-1)
		}
		y := trendTop + trendHeight*(1-d.All.Ratio())
		t.Days = append(t.Days, trendDay{d, math.Round(x), math.Round(y), i%every == 0})
		t.Points += fmt.Sprintf("%.0f,%.0f ", x, y)
	}
	return t
}

// Percent returns the ratio in percent, or "-" without answers.
func (t tally) Percent() string {
	if t.All == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f %%", 100*t.Ratio())
}

// Width returns the ratio in percent.
func (t tally) Width() float64 { return math.Round(1000*t.Ratio()) / 10 }

// Shade returns the opacity of a cell, between 0 and 1.
func (c confusionCell) Shade() float64 { return math.Round(100*c.Ratio) / 100 }
