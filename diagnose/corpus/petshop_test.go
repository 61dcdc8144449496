package corpus_test

import (
	"math"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/diagnose/corpus"
)

const metrics = "unix_s,pay|latency|Average,pay|requests|Sum,pay|availability|Average\n10,0.5,7,99\n20,,0,\n"

func TestReadMetrics(t *testing.T) {
	m, err := corpus.ReadMetrics(strings.NewReader(metrics))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Times) != 2 || m.Times[1] != 20 {
		t.Errorf("times %v", m.Times)
	}
	n := m.Nodes("latency")["pay"]
	if n.Level[0] != .5 || !math.IsNaN(n.Level[1]) || n.Requests[0] != 7 {
		t.Errorf("latency %+v", n)
	}
	if failed := m.Nodes(corpus.Availability)["pay"].Level[0]; math.Abs(failed-.01) > 1e-9 {
		t.Errorf("failed %v of requests, want 0.01", failed)
	}
}

func TestBadMetrics(t *testing.T) {
	for in, want := range map[string]string{
		"":                                      "line 1",
		"time,a|latency|Average\n":              "line 1: column 1",
		"unix_s,latency\n":                      "line 1: column 2",
		"unix_s,a|latency|Average\nnow,1\n":     "line 2: unix_s",
		"unix_s,a|latency|Average\n1,1\n2,so\n": "line 3: a|latency|Average",
		"unix_s,a|latency|Average\n1,1,1\n":     "line 2",
	} {
		if _, err := corpus.ReadMetrics(strings.NewReader(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want it to say %q", in, err, want)
		}
	}
}

func FuzzReadMetrics(f *testing.F) {
	f.Add(metrics)
	f.Fuzz(func(t *testing.T, in string) {
		m, err := corpus.ReadMetrics(strings.NewReader(in))
		if err != nil {
			return
		}
		for k, v := range m.Series {
			if len(v)%max(len(m.Times), 1) != 0 { // a column may come twice
				t.Errorf("%v: %d values at %d times", k, len(v), len(m.Times))
			}
		}
	})
}
