package eval

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/tenhop/tenhop/diagnose/compare"
	"github.com/tenhop/tenhop/diagnose/corpus"
)

// Lower bounds of the noise of a node's metric.
const (
	latencyResolution = .0003 // seconds
	failureResolution = .005  // ratio of requests
)

// nodes is the input of the rankers of nodes.
type nodes struct {
	graph        compare.CallGraph
	base, around map[string]compare.Node
	alarm        int
	seed         uint64
}

var nodeRankers = []struct {
	name string
	rank func(nodes) []string
}{{tenhop, tenhopNodes}, {"largest change", byChange}, {"max |z|", byNodeZ}, {"random", randomNodes}}

func tenhopNodes(n nodes) []string {
	return services(compare.Nodes(n.graph, n.base, n.around, n.alarm))
}

// RunPetShop evaluates all rankers of nodes on all incidents of a corpus and adds the rows
// and misses to the report. An error names the incident.
func (rep *Report) RunPetShop(p *corpus.PetShop, opt Options) error {
	var t table
	baselines := map[string]corpus.Metrics{}
	for i, c := range p.Cases {
		base, ok := baselines[c.Scenario]
		if !ok {
			var err error
			if base, err = p.Metrics(corpus.Baseline(c.Scenario)); err != nil {
				return fmt.Errorf("incident %s: %w", c.ID, err)
			}
			baselines[c.Scenario] = base
		}
		around, err := p.Metrics(c.Metrics)
		if err != nil {
			return fmt.Errorf("incident %s: %w", c.ID, err)
		}
		calls, err := p.Graph(c.Scenario)
		if err != nil {
			return fmt.Errorf("incident %s: %w", c.ID, err)
		}
		n := nodes{base: base.Nodes(c.Target.Metric), around: around.Nodes(c.Target.Metric), seed: opt.Seed + uint64(i),
			graph: compare.CallGraph{Target: c.Target.Node, Calls: calls, Resolution: latencyResolution,
				Step: around.Step(), Quantile: around.Quantile(c.Target.Metric)}}
		if c.Target.Metric == corpus.Availability {
			n.graph.Resolution = failureResolution
		}
		for n.alarm < len(around.Times) && around.Times[n.alarm] < c.Target.Timestamp {
			n.alarm++
		}
		label := c.RootCause
		if opt.Anonymise {
			n.anonymise()
			label = hash(label)
		}
		for _, r := range nodeRankers {
			ranked := r.rank(n)
			at := slices.Index(ranked, label)
			t.add("petshop", []string{c.Target.Metric}, r.name, at)
			if r.name == tenhop && at != 0 {
				rep.Misses = append(rep.Misses, Miss{ID: c.ID, Label: label, Times: 1,
					Ranked: append([]string{}, ranked[:min(len(ranked), 5)]...)})
			}
		}
	}
	rep.Rows = append(rep.Rows, t.rows(1)...)
	return nil
}

// anonymise replaces the names of nodes by hashes.
func (n *nodes) anonymise() {
	for _, m := range []*map[string]compare.Node{&n.base, &n.around} {
		hidden := map[string]compare.Node{}
		for name, v := range *m {
			hidden[hash(name)] = v
		}
		*m = hidden
	}
	n.graph.Target = hash(n.graph.Target)
	n.graph.Calls = slices.Clone(n.graph.Calls)
	for i, c := range n.graph.Calls {
		n.graph.Calls[i] = [2]string{hash(c[0]), hash(c[1])}
	}
}

// change returns the growth of a node's mean since the alarm, and the absolute z-score of
// its mean since the alarm in the ordinary window.
func (n nodes) change(name string) (change, z float64) {
	if n.alarm == 0 || n.alarm >= len(n.around[name].Level) {
		return math.Inf(-1), 0
	}
	before, _ := moments(present(n.around[name].Level[:n.alarm]))
	now, _ := moments(present(n.around[name].Level[n.alarm:]))
	mean, sd := moments(present(n.base[name].Level))
	return now - before, math.Abs(now-mean) / (sd + 1e-9)
}

// present returns v without missing values.
func present(v []float64) []float64 { return slices.DeleteFunc(slices.Clone(v), math.IsNaN) }

func byChange(n nodes) []string {
	score := map[string]float64{}
	for name := range n.around {
		score[name], _ = n.change(name)
	}
	return ranked(score)
}

func byNodeZ(n nodes) []string {
	score := map[string]float64{}
	for name := range n.around {
		_, score[name] = n.change(name)
	}
	return ranked(score)
}

func randomNodes(n nodes) []string {
	names := slices.Sorted(maps.Keys(n.around))
	rand.New(rand.NewPCG(n.seed, 3)).Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	return names
}
