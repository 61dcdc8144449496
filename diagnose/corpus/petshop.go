package corpus

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tenhop/tenhop/diagnose/compare"
)

// PetShop is a corpus of incidents with metrics and call graphs, converted from the
// PetShop dataset (Hardt et al. 2024).
type PetShop struct {
	dir   string
	Cases []Issue
}

// Issue is one incident. RootCause is the node at fault and Metrics the name of the file
// with its series. Target is the node and the metric (latency or Availability) that
// raised the alarm, and its Unix time in seconds.
type Issue struct {
	ID, Scenario, RootCause, Fault, Metrics string
	Target                                  struct {
		Node, Metric string
		Timestamp    int64
	}
}

// OpenPetShop opens a corpus: a directory with a cases.json, which lists the incidents.
func OpenPetShop(dir string) (*PetShop, error) {
	var list struct {
		Cases []struct {
			Issue
			RootCause string `json:"root_cause"`
		} `json:"cases"`
	}
	if err := readJSON(filepath.Join(dir, "cases.json"), &list); err != nil {
		return nil, err
	}
	p := &PetShop{dir: dir}
	for _, x := range list.Cases {
		x.Issue.RootCause = x.RootCause
		p.Cases = append(p.Cases, x.Issue)
	}
	return p, nil
}

// Metrics holds the series of a file by node, metric and statistic. A series has one
// value per time; NaN stands for a missing value.
type Metrics struct {
	Times  []int64 // Unix time in seconds
	Series map[[3]string][]float64
}

// Graph reads the call graph of a scenario as pairs of caller and callee.
func (p *PetShop) Graph(scenario string) ([][2]string, error) {
	var g struct{ Calls [][2]string }
	err := readJSON(filepath.Join(p.dir, scenario, "graph.json"), &g)
	return g.Calls, err
}

// Metrics reads a file of the corpus, such as Issue.Metrics or Baseline.
func (p *PetShop) Metrics(name string) (m Metrics, err error) {
	err = readGzip(filepath.Join(p.dir, filepath.FromSlash(name)), func(r io.Reader) (err error) {
		m, err = ReadMetrics(r)
		return err
	})
	return m, err
}

// Baseline returns the name of the file with the ordinary window of a scenario.
func Baseline(scenario string) string { return path.Join(scenario, "noissue.csv.gz") }

// ReadMetrics reads CSV with the column unix_s and one column per series, named
// node|metric|statistic. An empty field is a missing value. An error names the line.
func ReadMetrics(r io.Reader) (Metrics, error) {
	in := csv.NewReader(r)
	in.ReuseRecord = true
	head, err := in.Read()
	if err != nil {
		return Metrics{}, fmt.Errorf("line 1: %w", err)
	}
	head = slices.Clone(head)
	if head[0] != "unix_s" {
		return Metrics{}, fmt.Errorf("line 1: column 1 is %q, want \"unix_s\"", head[0])
	}
	names := make([][3]string, len(head))
	for i, h := range head[1:] {
		parts := strings.Split(h, "|")
		if len(parts) != 3 {
			return Metrics{}, fmt.Errorf("line 1: column %d is %q, want node|metric|statistic", i+2, h)
		}
		names[i+1] = [3]string(parts)
	}
	m := Metrics{Series: map[[3]string][]float64{}}
	for {
		rec, err := in.Read()
		if errors.Is(err, io.EOF) {
			return m, nil
		}
		if err != nil {
			return Metrics{}, err // csv's errors name the line
		}
		line, _ := in.FieldPos(0)
		at, err := strconv.ParseInt(rec[0], 10, 64)
		if err != nil {
			return Metrics{}, fmt.Errorf("line %d: unix_s %q is not a number", line, rec[0])
		}
		m.Times = append(m.Times, at)
		for i, field := range rec[1:] {
			v := math.NaN()
			if field != "" {
				if v, err = strconv.ParseFloat(field, 64); err != nil {
					return Metrics{}, fmt.Errorf("line %d: %s %q is not a number", line, head[i+1], field)
				}
			}
			m.Series[names[i+1]] = append(m.Series[names[i+1]], v)
		}
	}
}

// Step returns the median time between two rows, or 0 for fewer than two.
func (m Metrics) Step() time.Duration {
	var between []int64
	for i := 1; i < len(m.Times); i++ {
		between = append(between, m.Times[i]-m.Times[i-1])
	}
	if len(between) == 0 {
		return 0
	}
	slices.Sort(between)
	return time.Duration(between[len(between)/2]) * time.Second
}

const average = "Average"

// quantiles lists the statistics that stand in for a missing average.
var quantiles = []string{"p90", "p95", "p99", "p50"}

// statistic returns the statistic of a metric that Nodes reads: the average, or the
// first quantile that there is.
func (m Metrics) statistic(metric string) string {
	has := map[string]bool{}
	for k := range m.Series {
		has[k[2]] = has[k[2]] || k[1] == metric
	}
	for _, q := range quantiles {
		if !has[average] && has[q] {
			return q
		}
	}
	return average
}

// Quantile reports whether the levels that Nodes returns are quantiles.
func (m Metrics) Quantile(metric string) bool { return m.statistic(metric) != average }

// Nodes returns the levels of a metric for every node: the averages, or a quantile if
// there are none. Availability, in percent, is converted to the ratio of failed
// requests; latency is in seconds.
func (m Metrics) Nodes(metric string) map[string]compare.Node {
	out, statistic := map[string]compare.Node{}, m.statistic(metric)
	for k, v := range m.Series {
		if k[1] != metric || k[2] != statistic {
			continue
		}
		level := slices.Clone(v)
		if metric == Availability {
			for i := range level {
				level[i] = (100 - level[i]) / 100
			}
		}
		out[k[0]] = compare.Node{Level: level, Requests: m.Series[[3]string{k[0], "requests", "Sum"}]}
	}
	return out
}

// Availability is the metric of successful requests, in percent. The other metric of a
// target is latency, in seconds.
const Availability = "availability"
