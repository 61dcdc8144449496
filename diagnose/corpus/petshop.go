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

	"github.com/tenhop/tenhop/diagnose/compare"
)

// PetShop is a folder of incidents with metrics and a call graph, in the form
// of the PetShop dataset.
type PetShop struct {
	dir   string
	Cases []Issue
}

// Issue is one incident: what was noticed where and when, and the node at fault.
type Issue struct {
	ID, Scenario, RootCause, Fault, Metrics string
	Target                                  struct {
		Node, Metric string
		Timestamp    int64
	}
}

// OpenPetShop reads the list of incidents of a folder with cases.json.
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

// Metrics are the series of a file by node, metric and statistic, and the times
// of their values.
type Metrics struct {
	Times  []int64 // seconds
	Series map[[3]string][]float64
}

// Graph reads the calls of a scenario.
func (p *PetShop) Graph(scenario string) ([][2]string, error) {
	var g struct{ Calls [][2]string }
	err := readJSON(filepath.Join(p.dir, scenario, "graph.json"), &g)
	return g.Calls, err
}

// Metrics reads a file of the corpus.
func (p *PetShop) Metrics(name string) (m Metrics, err error) {
	err = readGzip(filepath.Join(p.dir, filepath.FromSlash(name)), func(r io.Reader) (err error) {
		m, err = ReadMetrics(r)
		return err
	})
	return m, err
}

// Baseline names the file of a scenario's ordinary time.
func Baseline(scenario string) string { return path.Join(scenario, "noissue.csv.gz") }

// ReadMetrics reads CSV with the columns unix_s and node|metric|statistic; an
// empty field is no value. An error names the line.
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

// Nodes returns latency in seconds, or the share of requests that failed when
// availability is asked for, of every node.
func (m Metrics) Nodes(metric string) map[string]compare.Node {
	out := map[string]compare.Node{}
	for k, v := range m.Series {
		if k[1] != metric || k[2] != "Average" {
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

// Availability is the metric of a target that counts failures; latency, in
// seconds, is the other.
const Availability = "availability"
