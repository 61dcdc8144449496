package eval

import "github.com/tenhop/tenhop/diagnose/compare"

// Ranking is the answer of a simple method: names in the order of suspicion.
type Ranking struct {
	Method string
	Names  []string
}

// Simple ranks nodes by the simple methods that the diagnosis is compared with. quantiles
// holds a high quantile of each node's duration, means its mean duration. The values from
// index alarm on are those of the trouble.
func Simple(quantiles, means map[string]compare.Node, alarm int, seed uint64) []Ranking {
	ordinary := map[string]compare.Node{}
	for name, n := range means {
		ordinary[name] = compare.Node{Level: n.Level[:min(alarm, len(n.Level))]}
	}
	of := nodes{base: ordinary, around: means, alarm: alarm, seed: seed}
	return []Ranking{
		{"largest p90 change", byChange(nodes{around: quantiles, alarm: alarm})},
		{"largest mean change", byChange(of)},
		{"max |z|", byNodeZ(of)},
		{"random", randomNodes(of)},
	}
}
