package eval_test

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/tenhop/tenhop/diagnose/corpus"
	"github.com/tenhop/tenhop/diagnose/eval"
)

// reached holds the minimum accuracy on the recorded incidents.
var reached = []struct {
	name string
	opt  eval.Options
	top1 map[[2]string]float64
}{
	{"all", eval.Options{}, map[[2]string]float64{
		{"onlineboutique", "latency"}: 1, {"onlineboutique", "all"}: 1,
		{"trainticket", "latency"}: 1, {"trainticket", "all"}: .92,
		{"petshop", "latency"}: .94, {"petshop", "availability"}: 1,
	}},
	{"without logs", eval.Options{NoLogs: true}, map[[2]string]float64{
		{"onlineboutique", "all"}: 1, {"trainticket", "latency"}: 1, {"trainticket", "all"}: .48,
	}},
	{"10 fault traces", eval.Options{NoLogs: true, Traces: 10, Draws: 20}, map[[2]string]float64{{"onlineboutique", "all"}: .80}},
	{"20 fault traces", eval.Options{NoLogs: true, Traces: 20, Draws: 20}, map[[2]string]float64{{"onlineboutique", "all"}: .87}},
	{"50 fault traces", eval.Options{NoLogs: true, Traces: 50, Draws: 20}, map[[2]string]float64{{"onlineboutique", "all"}: .93}},
}

const (
	spikes      = 48 // minimum, of 52 faults
	rightSpikes = 47
	alarms      = 1 // maximum, of 21 ordinary windows halved by time
	drawnAlarms = 1 // maximum, of 105 random halves
)

func folder(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("TENHOP_CORPORA")
	if dir == "" {
		dir = "../../../shared/corpora"
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("NOT RUN: no recorded incidents at %s; set TENHOP_CORPORA to their folder", dir)
	}
	return dir
}

func open(t *testing.T) *corpus.Nezha {
	t.Helper()
	n, err := corpus.OpenNezha(filepath.Join(folder(t), "nezha"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func run(t *testing.T, opt eval.Options) eval.Report {
	t.Helper()
	rep, err := eval.Run(open(t), opt, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := corpus.OpenPetShop(filepath.Join(folder(t), "petshop"))
	if err != nil {
		t.Fatal(err)
	}
	if err := rep.RunPetShop(p, opt); err != nil {
		t.Fatal(err)
	}
	return rep
}

func TestRecordedIncidents(t *testing.T) {
	for _, c := range reached {
		t.Run(c.name, func(t *testing.T) {
			met := 0
			for _, r := range run(t, c.opt).Rows {
				want, ok := c.top1[[2]string{r.System, r.Group}]
				if !ok || r.Ranker != "tenhop" {
					continue
				}
				met++
				t.Logf("%s %s: top-1 %.3f, top-3 %.3f, top-5 %.3f of %d", r.System, r.Group, r.Top1, r.Top3, r.Top5, r.N)
				if r.Top1 < want {
					t.Errorf("%s %s: top-1 fell to %.3f from %.3f", r.System, r.Group, r.Top1, want)
				}
			}
			if met != len(c.top1) {
				t.Errorf("%d of %d figures", met, len(c.top1))
			}
		})
	}
}

// The ranking does not depend on names.
func TestAnonymised(t *testing.T) {
	plain, hidden := run(t, eval.Options{}), run(t, eval.Options{Anonymise: true})
	for i, r := range hidden.Rows {
		if r.Ranker == "tenhop" && !reflect.DeepEqual(r, plain.Rows[i]) {
			t.Errorf("names matter: %+v became %+v", plain.Rows[i], r)
		}
	}
	if !reflect.DeepEqual(plain.Verdicts, hidden.Verdicts) {
		t.Errorf("names matter: %+v became %+v", plain.Verdicts, hidden.Verdicts)
	}
}

func TestVerdicts(t *testing.T) {
	spike, right := 0, 0
	for _, v := range run(t, eval.Options{}).Verdicts {
		if v.Group == "all" {
			spike, right = spike+v.Spike, right+v.Right
		}
	}
	if spike < spikes || right < rightSpikes {
		t.Errorf("%d of 52 faults are spikes, %d of them right; want %d and %d", spike, right, spikes, rightSpikes)
	}
	for random, most := range map[bool]int{false: alarms, true: drawnAlarms} {
		q, err := eval.Quiet(open(t), eval.Options{Draws: 5}, random)
		if err != nil {
			t.Fatal(err)
		}
		if q.Windows != 21 || q.Alarms > most {
			t.Errorf("%+v, want 21 windows and at most %d false alarms", q, most)
		}
	}
}
