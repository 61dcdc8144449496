package eval_test

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/tenhop/tenhop/diagnose/corpus"
	"github.com/tenhop/tenhop/diagnose/eval"
)

// The figures reached on the recorded incidents: they may rise, not fall.
var reached = map[[2]string]float64{
	{"onlineboutique", "latency"}: 1,
	{"trainticket", "latency"}:    1,
	{"onlineboutique", "all"}:     .96,
	{"trainticket", "all"}:        .92,
	{"petshop", "latency"}:        .94,
	{"petshop", "availability"}:   1,
}

func corpora(t *testing.T) string {
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

func TestRecordedIncidents(t *testing.T) {
	dir := corpora(t)
	run := func(opt eval.Options) eval.Report {
		n, err := corpus.OpenNezha(filepath.Join(dir, "nezha"))
		if err != nil {
			t.Fatal(err)
		}
		rep, err := eval.Run(n, opt, nil)
		if err != nil {
			t.Fatal(err)
		}
		p, err := corpus.OpenPetShop(filepath.Join(dir, "petshop"))
		if err != nil {
			t.Fatal(err)
		}
		if err := rep.RunPetShop(p, opt); err != nil {
			t.Fatal(err)
		}
		return rep
	}
	plain := run(eval.Options{})
	for _, r := range plain.Rows {
		if want, ok := reached[[2]string{r.System, r.Group}]; ok && r.Ranker == "tenhop" {
			t.Logf("%s %s: top-1 %.3f, top-3 %.3f, top-5 %.3f of %d", r.System, r.Group, r.Top1, r.Top3, r.Top5, r.N)
			if r.Top1 < want {
				t.Errorf("%s %s: top-1 fell to %.3f from %.3f", r.System, r.Group, r.Top1, want)
			}
		}
	}
	hidden := run(eval.Options{Anonymise: true})
	for i, r := range hidden.Rows {
		if r.Ranker == "tenhop" && !reflect.DeepEqual(r, plain.Rows[i]) {
			t.Errorf("names matter: %+v became %+v", plain.Rows[i], r)
		}
	}
}
