package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tenhop/tenhop/drill"
)

// tally counts right answers.
type tally struct{ Right, All int }

func (t *tally) add(right bool) {
	t.All++
	if right {
		t.Right++
	}
}

// optional counts a mark that not every round has.
func (t *tally) optional(right *bool) {
	if right != nil {
		t.add(*right)
	}
}

// String returns "3 of 4", or "-" without answers.
func (t tally) String() string {
	if t.All == 0 {
		return "-"
	}
	return fmt.Sprintf("%d of %d", t.Right, t.All)
}

// Ratio returns the ratio of right answers, 0 without any.
func (t tally) Ratio() float64 {
	if t.All == 0 {
		return 0
	}
	return float64(t.Right) / float64(t.All)
}

// group sums up rounds with something in common. Void rounds are only counted.
type group struct {
	Name                                            string
	Rounds, Void                                    int
	All, Hop, Operation, Instance, Cause, Attribute tally
	answered, recovered                             []float64
}

func (g *group) add(r drill.Round) {
	g.Rounds++
	if r.Void != "" {
		g.Void++
		return
	}
	g.All.add(r.Right())
	g.Hop.add(r.RightHop)
	if r.Fault.Operation != "" {
		g.Operation.add(r.RightOperation)
	}
	g.Instance.optional(r.RightInstance)
	g.Cause.optional(r.RightCause)
	g.Attribute.optional(r.RightAttribute)
	if s := r.Seconds; s.Answered != nil {
		a := *s.Answered
		if s.Penalty != nil {
			a += *s.Penalty
		}
		g.answered = append(g.answered, a)
		if s.Lifted != nil && s.Recovered != nil {
			g.recovered = append(g.recovered, *s.Lifted+*s.Recovered)
		}
	}
}

// Answered returns the median time to an answer, with the price of hints.
func (g group) Answered() string { return seconds(quantile(g.answered, 0.5)) }

// Answered90 returns the 90th percentile of the time to an answer.
func (g group) Answered90() string { return seconds(quantile(g.answered, 0.9)) }

// Recovered returns the median time from the injection to the recovery.
func (g group) Recovered() string { return seconds(quantile(g.recovered, 0.5)) }

// groups returns the rounds by a key, in the order of the keys.
func groups(rounds []drill.Round, key func(drill.Round) string) []group {
	at := map[string]int{}
	var out []group
	for _, r := range rounds {
		k := key(r)
		i, ok := at[k]
		if !ok {
			i = len(out)
			at[k] = i
			out = append(out, group{Name: k})
		}
		out[i].add(r)
	}
	slices.SortFunc(out, func(a, b group) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func byKind(r drill.Round) string { return r.Fault.Kind }

func byHop(r drill.Round) string {
	if len(r.Fault.Expect) > 1 {
		var hops []string
		for _, e := range r.Fault.Expect {
			hops = append(hops, e.Hop)
		}
		slices.Sort(hops)
		return strings.Join(hops, " + ")
	}
	return cmp.Or(r.Fault.Hop, "nothing")
}

func byDay(r drill.Round) string {
	if r.At.IsZero() {
		return "unknown"
	}
	return r.At.UTC().Format("2006-01-02")
}

func byWhom(r drill.Round) string {
	if r.By == drill.ByPerson {
		return "person, unaided"
	}
	return "diagnosis, aided"
}

// whole returns the sum of all rounds.
func whole(rounds []drill.Round) group {
	g := group{Name: "all"}
	for _, r := range rounds {
		g.add(r)
	}
	return g
}

// phase holds the times between two events, in seconds.
type phase struct {
	Name, Means string
	values      []float64
}

// Median returns the median in seconds, NaN without values.
func (p phase) Median() float64 { return quantile(p.values, 0.5) }

// P90 returns the 90th percentile in seconds, NaN without values.
func (p phase) P90() float64 { return quantile(p.values, 0.9) }

// N returns the number of values.
func (p phase) N() int { return len(p.values) }

// phases returns the times of the rounds that count.
func phases(rounds []drill.Round) []phase {
	out := []phase{
		{Name: "injected → felt", Means: "customers are slower or see failures"},
		{Name: "injected → paged", Means: "an alert fires"},
		{Name: "injected → answered", Means: "a hop is named, right or wrong"},
		{Name: "injected → lifted", Means: "the fault is taken back"},
		{Name: "lifted → recovered", Means: "customers are as well off as before"},
		{Name: "injected → recovered", Means: "all of it"},
	}
	add := func(i int, s *float64) {
		if s != nil {
			out[i].values = append(out[i].values, *s)
		}
	}
	for _, r := range rounds {
		if r.Void != "" || r.Fault.Kind == drill.Control {
			continue
		}
		s := r.Seconds
		for i, v := range []*float64{s.Moved, s.Alerted, s.Answered, s.Lifted, s.Recovered} {
			add(i, v)
		}
		if s.Lifted != nil && s.Recovered != nil {
			all := *s.Lifted + *s.Recovered
			add(5, &all)
		}
	}
	return out
}

// quantile returns a quantile of values, NaN without any. Between two values it is
// interpolated.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(values))
	below, part := math.Modf(q * float64(len(s)-1))
	i := int(below)
	return s[i] + part*(s[min(i+1, len(s)-1)]-s[i])
}

func seconds(s float64) string {
	if math.IsNaN(s) {
		return "-"
	}
	return fmt.Sprintf("%.1f s", s)
}

// words returns the findings in a few words, at most two if there were several faults.
func words(s drill.Answer, faults int) string {
	if !s.Found() {
		return cmp.Or(s.Verdict, "no answer")
	}
	var all []string
	for _, f := range s.Findings[:min(len(s.Findings), max(faults, 1))] {
		all = append(all, strings.Join(strings.Fields(strings.Join([]string{f.Hop, f.Operation, f.Kind, f.Target, f.Instance, f.Cause.Kind}, " ")), " "))
	}
	return strings.Join(all, "; ")
}

// causeOf returns the cause that was injected, as far as it can be known: the kinds that are
// right, or the kind of fault.
func causeOf(r drill.Round) string {
	if len(r.Fault.Expect) == 1 && len(r.Fault.Expect[0].Causes) > 0 {
		return strings.Join(r.Fault.Expect[0].Causes, " or ")
	}
	return "(" + r.Fault.Kind + ")"
}

// causeSaid returns the cause that was answered.
func causeSaid(r drill.Round) string {
	s := r.Said()
	if !s.Found() {
		return "nothing"
	}
	return cmp.Or(s.Findings[0].Cause.Kind, "no cause")
}

// confusion counts answered causes by injected cause.
type confusion struct {
	Columns []string // answered
	Rows    []confusionRow
}

type confusionRow struct {
	Injected string
	Cells    []confusionCell // one for each column
}

type confusionCell struct {
	N     int
	Right bool // the answer is among those that are right
	Ratio float64
}

// confused returns the confusion table of the rounds that count.
func confused(rounds []drill.Round) confusion {
	n := map[string]map[string]int{}
	columns := map[string]bool{}
	total := map[string]int{}
	for _, r := range rounds {
		if r.Void != "" || len(r.Fault.Expect) > 1 {
			continue
		}
		in, out := causeOf(r), causeSaid(r)
		if n[in] == nil {
			n[in] = map[string]int{}
		}
		n[in][out]++
		total[in]++
		columns[out] = true
	}
	var c confusion
	for k := range columns {
		c.Columns = append(c.Columns, k)
	}
	slices.Sort(c.Columns)
	for in := range n {
		row := confusionRow{Injected: in}
		for _, out := range c.Columns {
			right := slices.Contains(strings.Split(in, " or "), out) || in == "("+drill.Control+")" && out == "nothing"
			row.Cells = append(row.Cells, confusionCell{N: n[in][out], Right: right, Ratio: float64(n[in][out]) / float64(total[in])})
		}
		c.Rows = append(c.Rows, row)
	}
	slices.SortFunc(c.Rows, func(a, b confusionRow) int { return strings.Compare(a.Injected, b.Injected) })
	return c
}

// ranker counts the right hops of a method.
type ranker struct {
	Method string
	Hop    tally
}

// rankers returns the right hops of the diagnosis and of the simple methods, on the rounds
// with a fault that all of them answered.
func rankers(rounds []drill.Round) []ranker {
	out := []ranker{{Method: "tenhop"}}
	for _, r := range rounds {
		if r.Void != "" || r.By == drill.ByPerson || len(r.Rankers) == 0 {
			continue
		}
		out[0].Hop.add(r.RightHop)
		for _, s := range r.Rankers {
			i := slices.IndexFunc(out, func(o ranker) bool { return o.Method == s.Method })
			if i < 0 {
				i = len(out)
				out = append(out, ranker{Method: s.Method})
			}
			out[i].Hop.add(s.RightHop)
		}
	}
	return out
}

// Wrong returns the number of rounds with a wrong answer. Void rounds do not count.
func Wrong(rounds []drill.Round) int {
	g := whole(rounds)
	return g.All.All - g.All.Right
}

// Counted returns the number of rounds that are not void.
func Counted(rounds []drill.Round) int { return whole(rounds).All.All }
