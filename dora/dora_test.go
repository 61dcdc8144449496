package dora_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tenhop/tenhop/dora"
)

var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// sightings reads "1", "1+2": the versions that were seen, a minute apart.
func sightings(text string) []dora.Sighting {
	var out []dora.Sighting
	for n, s := range strings.Fields(text) {
		if s != "-" {
			out = append(out, dora.Sighting{At: start.Add(time.Duration(n) * time.Minute), Versions: strings.Split(s, "+")})
		}
	}
	return out
}

func TestDeployments(t *testing.T) {
	for _, c := range []struct{ why, seen, want string }{
		{"nothing shows when the first version began", "1 1 1", ""},
		{"a new version", "1 1 2 2", "2@2"},
		{"a rollout beside the old version", "1 1+2 1+2 2", "2@1"},
		{"an instance is not scraped once", "1+2 1 1+2 2 1+2 2", ""},
		{"the same in a rollout", "1 1+2 1 1+2 2 2", "2@1"},
		{"a restart", "1 - - 1", ""},
		{"a rollback", "1 2 2 1 1", "2@1 1@3!"},
		{"a rollback beside the failed version", "1 2 2 1+2 1+2 1", "2@1 1@3!"},
		{"an old instance shows up for a while", "1 1+2 2 1+2 2 2", "2@1"},
		{"a version that returns after a rollback is no rollback", "1 2 1 2", "2@1 1@2! 2@3"},
		{"a canary that was withdrawn, and the next version", "1 1+2 1 1 1 1 1 1 3 3", "2@1 3@8"},
		{"several deployments", "1 2 3 4", "2@1 3@2 4@3"},
		{"versions that both ran from the beginning", "1+2 2 2 1+2 2", ""},
	} {
		t.Run(c.why, func(t *testing.T) {
			r := dora.Compute(dora.Input{From: start, To: start.Add(time.Hour), Versions: dora.Versions{Seen: map[string][]dora.Sighting{"s": sightings(c.seen)}}})
			var got []string
			for _, d := range r.Deployments {
				text := d.Version + "@" + strings.TrimSuffix(strings.TrimSuffix(d.Seen.Sub(start).String(), "0s"), "m")
				if d.Rollback {
					text += "!"
				}
				got = append(got, text)
			}
			if text := strings.Join(got, " "); text != c.want {
				t.Errorf("%s: %q, want %q", c.seen, text, c.want)
			}
		})
	}
}

func after(d time.Duration) *time.Time { t := start.Add(d); return &t }

// fleet has four deployments in two days: two of a, one of which fails, and two of b, the
// second of which is a rollback.
func fleet() dora.Input {
	day := 24 * time.Hour
	return dora.Input{From: start.Add(-day), To: start.Add(day),
		Versions: dora.Versions{Source: "prometheus", Covered: 2 * day, Resolution: 5 * time.Second, Seen: map[string][]dora.Sighting{
			"a": {{At: start.Add(-day), Versions: []string{"1"}}, {At: start, Versions: []string{"2"}}, {At: start.Add(5 * time.Hour), Versions: []string{"3"}}},
			"b": {{At: start.Add(-day), Versions: []string{"7"}}, {At: start.Add(time.Hour), Versions: []string{"8"}}, {At: start.Add(2 * time.Hour), Versions: []string{"7"}}},
		}},
		Incidents: []dora.Incident{
			{ID: "x", Began: start.Add(10 * time.Minute), Recovered: after(30 * time.Minute), Services: []string{"a"}},
			{ID: "before", Began: start.Add(-time.Hour), Recovered: after(-50 * time.Minute), Services: []string{"a"}},
			{ID: "another service", Began: start.Add(5*time.Hour + time.Minute), Recovered: after(5*time.Hour + 3*time.Minute), Services: []string{"c"}},
			{ID: "out of the window", Began: start.Add(-48 * time.Hour), Recovered: after(-47 * time.Hour), Services: []string{"a"}},
		},
		Commit: func(service, version, _ string) (dora.Commit, string) {
			switch service + version {
			case "a2":
				return dora.Commit{Hash: "c2", At: start.Add(-3 * time.Hour)}, ""
			case "b8":
				return dora.Commit{Hash: "c8", At: start.Add(-4 * time.Hour)}, ""
			}
			return dora.Commit{}, "no such tag"
		},
	}
}

func TestFigures(t *testing.T) {
	r := dora.Compute(fleet())
	f := func(v float64) *float64 { return &v }
	type figures struct {
		Frequency dora.Frequency
		Lead      dora.Lead
		Failures  dora.Failures
		Recovery  dora.Times
		Restore   dora.Times
	}
	want := figures{
		dora.Frequency{Deployments: 4, Rollbacks: 1, PerDay: f(2)},
		dora.Lead{Times: dora.Times{Known: 2, MeanS: f(4 * 3600), MedianS: f(4 * 3600), P90S: f(5 * 3600)}, Unknown: 1},
		dora.Failures{Failed: 2, Deployments: 4, Ratio: f(.5)},
		dora.Times{Known: 1, MeanS: f(1200), MedianS: f(1200), P90S: f(1200)},
		dora.Times{Known: 3, MeanS: f((1200 + 600 + 120) / 3.), MedianS: f(600), P90S: f(1200)},
	}
	if d := cmp.Diff(want, figures{r.Frequency, r.Lead, r.Failures, r.Recovery, r.Restore}); d != "" {
		t.Error(d)
	}
	if d := r.Deployments[0]; d.Service != "a" || d.Incident != "x" || *d.RecoveryS != 1200 || d.Before != "1" {
		t.Errorf("the failed deployment: %+v", d)
	}
	if d := r.Deployments[1]; !d.RolledBack || !d.Failed || d.Incident != "" {
		t.Errorf("the deployment that was rolled back: %+v", d)
	}
	for _, i := range r.Incidents {
		if (i.ID == "x") != (i.Deploy == "a 2") || (i.Deploy == "") != (i.NoDeploy != "") {
			t.Errorf("incident %+v", i)
		}
	}
}

// TestUnknown checks that no figure is made from evidence that is not there.
func TestUnknown(t *testing.T) {
	none := dora.Compute(dora.Input{From: start, To: start.Add(time.Hour)})
	if none.Failures.Ratio != nil || none.Frequency.PerDay != nil || none.Lead.MedianS != nil || none.Recovery.MedianS != nil || none.Restore.MeanS != nil || len(none.Missing) != 3 {
		t.Errorf("without evidence: %+v", none)
	}
	in := fleet()
	in.Incidents, in.Commit, in.Versions.Covered = nil, nil, 23*time.Hour
	r := dora.Compute(in)
	if r.Failures.Ratio != nil || r.Failures.Failed != 1 || r.Frequency.PerDay != nil || r.Lead.Unknown != 3 {
		t.Errorf("without incidents, git and a day: %+v %+v %+v", r.Failures, r.Frequency, r.Lead)
	}
	in.Incidents = []dora.Incident{}
	if r = dora.Compute(in); r.Failures.Ratio == nil || *r.Failures.Ratio != .25 {
		t.Errorf("with a history without incidents: %+v", r.Failures)
	}
	in = fleet()
	in.Incidents[0].Recovered = nil
	if r = dora.Compute(in); r.Recovery.Known != 0 || r.Recovery.Open != 1 || r.Restore.Open != 1 || r.Failures.Failed != 2 {
		t.Errorf("with an open incident: %+v %+v", r.Recovery, r.Restore)
	}
	in = fleet()
	in.Commit = func(string, string, string) (dora.Commit, string) {
		return dora.Commit{Hash: "c", At: start.Add(48 * time.Hour)}, ""
	}
	if r = dora.Compute(in); r.Lead.Known != 0 || r.Lead.Unknown != 3 {
		t.Errorf("with commits younger than the deployments: %+v", r.Lead)
	}
}

func TestText(t *testing.T) {
	in := fleet()
	in.Incidents[0].Recovered = nil
	var b strings.Builder
	if err := dora.Text(&b, dora.Compute(in)); err != nil {
		t.Fatal(err)
	}
	const want = `deployment frequency             2 per day   (4 in 2d), 1 of them rollbacks
lead time for changes            4h median, 4h mean   (2 deployments)
change failure rate              50 %   (2 of 4 deployments)
failed deployment recovery       unknown   (1 still open)
time to restore, all incidents   6m median, 6m mean   (2 incidents, 1 still open)

SEEN                  SERVICE   VERSION   BEFORE   LEAD TIME   OUTCOME
2026-03-02 09:00:00   a         2         1        3h          failed, not recovered yet
2026-03-02 10:00:00   b         8         7        5h          rolled back
2026-03-02 11:00:00   b         7         8        -           rollback
2026-03-02 14:00:00   a         3         2        -           ok

lead time of 1 of 4 deployments is unknown: no such tag
`
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
}

func TestDuration(t *testing.T) {
	for seconds, want := range map[float64]string{0: "0s", 59.6: "1m", 95: "1m35s", 3600: "1h", 3661: "1h1m", 90000: "1d1h", 30 * 86400: "30d", 86460: "1d"} {
		if got := dora.Duration(seconds); got != want {
			t.Errorf("%v: %s, want %s", seconds, got, want)
		}
	}
}
