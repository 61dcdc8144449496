package counters_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/counters"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query/prometheus"
	"github.com/tenhop/tenhop/query/prometheus/promtest"
)

var began = time.Unix(1_700_000_000, 0)

// Caller and callee are scraped at different moments, so their samples of one step stand
// for different times. A slow callee is named and not the link to it. A slow link is
// named and not the callee.
func TestScrapesOutOfPhase(t *testing.T) {
	onset := began.Add(200 * time.Second)
	for _, c := range []struct {
		slow, link float64
		hop, kind  string
	}{{slow: .3, hop: "payment", kind: result.KindSelf}, {link: .3, hop: "payment", kind: result.KindLink}} {
		for _, every := range []time.Duration{2 * time.Second, 5 * time.Second, 15 * time.Second} {
			for _, phase := range []float64{0, .1, .5, .9} {
				for _, after := range []time.Duration{30 * time.Second, 40 * time.Second, 80 * time.Second} {
					if after < 5*every {
						continue // too few scrapes
					}
					t.Run(fmt.Sprintf("%s/%s/%.1f/%s", c.kind, every, phase, after), func(t *testing.T) {
						now := onset.Add(after)
						srv := promtest.Serve(t, began, now, promtest.Shop{Began: began, Onset: onset, Slow: c.slow, Link: c.link,
							Every: every, Gateway: every / 3, Payment: time.Duration(phase * float64(every))}.Targets()...)
						client, err := prometheus.New(srv.URL, srv.Client())
						if err != nil {
							t.Fatal(err)
						}
						ev, _, err := counters.Read(t.Context(), client, now.Add(-200*time.Second), now, counters.Options{})
						if err != nil {
							t.Fatal(err)
						}
						res := diagnose.Diagnose(diagnose.Evidence{Metrics: ev}, diagnose.Options{}).Result()
						if res.Verdict != result.Spike {
							t.Fatalf("verdict %s: %s", res.Verdict, res.Why)
						}
						for _, f := range res.Findings {
							t.Logf("%d %s %s %s %.2f %v", f.Rank, f.Hop, f.Kind, f.Target, f.Share, f.Interval)
						}
						if f := res.Findings[0]; f.Hop != c.hop || f.Kind != c.kind || f.Share < .8 || f.Share > 1.25 {
							t.Errorf("first is %s %s with %.2f, want %s %s", f.Hop, f.Kind, f.Share, c.hop, c.kind)
						}
						for _, f := range res.Findings[1:] {
							if f.Share > .2 {
								t.Errorf("%s %s is also named, with %.2f", f.Hop, f.Kind, f.Share)
							}
						}
					})
				}
			}
		}
	}
}

// If a callee is scraped rarely, the time since its last scrape is left out.
func TestOneTargetIsScrapedSeldom(t *testing.T) {
	onset := began.Add(200 * time.Second)
	now := onset.Add(80 * time.Second)
	targets := promtest.Shop{Began: began, Onset: onset, Slow: .3}.Targets()
	targets[1].Every, targets[1].Phase = 13*time.Second, 5*time.Second
	srv := promtest.Serve(t, began, now, targets...)
	ev, _, err := counters.Read(t.Context(), clientOf(t, srv), now.Add(-200*time.Second), now, counters.Options{})
	if err != nil {
		t.Fatal(err)
	}
	res := diagnose.Diagnose(diagnose.Evidence{Metrics: ev}, diagnose.Options{}).Result()
	if res.Verdict != result.Spike || res.Findings[0].Hop != "payment" || res.Findings[0].Kind != result.KindSelf || res.Findings[0].Share < .85 {
		t.Errorf("%s: %+v", res.Verdict, res.Findings)
	}
	if lag := now.Sub(res.Window.To); lag <= 0 || lag > 15*time.Second {
		t.Errorf("the window ends %s ago, want it at payment's last scrape", lag)
	}
}
