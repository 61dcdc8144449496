package drill

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenhop/tenhop/drill/scenario"
	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/query/prometheus"
	"github.com/tenhop/tenhop/trace"
)

// fixture returns a runner whose entry has a mean of meanMS milliseconds, 0 if nobody is
// served, and less if Prometheus does not answer, and whose diagnosis prints answer.
func fixture(t *testing.T, meanMS *atomic.Int64, answer string) *runner {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case meanMS.Load() < 0:
			http.Error(w, "out of order", http.StatusServiceUnavailable)
		case strings.HasSuffix(r.URL.Path, "/alerts"):
			fmt.Fprint(w, `{"status":"success","data":{"alerts":[]}}`)
		case strings.Contains(r.FormValue("query"), "error_type"):
			fmt.Fprint(w, `{"status":"success","data":{"resultType":"vector","result":[]}}`)
		case meanMS.Load() == 0:
			fmt.Fprint(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"NaN"]}]}}`)
		default:
			fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"%g"]}]}}`, float64(meanMS.Load())/1000)
		}
	}))
	t.Cleanup(srv.Close)
	program := filepath.Join(t.TempDir(), "diagnose")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho '"+answer+"'\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	api, err := prometheus.New(srv.URL, http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Program: program, Prometheus: srv.URL, Entry: Entry{"gateway", "POST /pay"}, Say: t.Logf}
	return &runner{Config: cfg, metrics: metrics{api}, asks: diagnoser{cfg}}
}

// A round whose fault customers do not feel is void; one that they feel counts, with a right,
// a wrong or no answer.
func TestSearch(t *testing.T) {
	const none, payment = `{"verdict":"none","findings":[]}`, `{"verdict":"spike","findings":[{"hop":"payment","kind":"self"}]}`
	for _, c := range []struct {
		why, answer     string
		felt            bool
		expect          string // hop; "" for a control
		void            bool
		right, answered bool
	}{
		{"not felt, nothing named", none, false, "payment", true, false, false},
		{"felt and named", payment, true, "payment", false, true, true},
		{"felt, another hop named", payment, true, "order", false, false, true},
		{"felt, nothing named", none, true, "payment", false, false, false},
		{"nothing wrong, nothing named", none, false, "", false, true, false},
		{"nothing wrong, a hop named", payment, false, "", false, false, true},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			var mean atomic.Int64
			mean.Store(100)
			r := fixture(t, &mean, c.answer)
			before, err := r.before(t.Context())
			if err != nil || before.mean != 100*time.Millisecond {
				t.Fatalf("%+v, %v", before, err)
			}
			if c.felt {
				mean.Store(200)
			}
			p := plan{last: time.Second - feltTimeout} // so that the test need not wait as long as a drill
			if c.expect != "" {
				p.Expect = []scenario.Answer{{Hop: c.expect}}
			}
			var round Round
			if err := r.search(t.Context(), p, &round, time.Now(), before, nil, 3*time.Second); err != nil {
				t.Fatal(err)
			}
			if (round.Void != "") != c.void || round.Right() != c.right || (round.Seconds.Answered != nil) != c.answered || (round.Seconds.Moved != nil) != c.felt {
				t.Errorf("%+v", round)
			}
		})
	}
}

// Where no level can be read, it is not known whether customers feel the fault, and the round says
// why.
func TestSearchWithoutPrometheus(t *testing.T) {
	t.Parallel()
	var mean atomic.Int64
	mean.Store(100)
	r := fixture(t, &mean, `{"verdict":"none","findings":[]}`)
	before, err := r.before(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mean.Store(-1)
	p := plan{last: time.Second - feltTimeout, Fault: Fault{Expect: []scenario.Answer{{Hop: "payment"}}}}
	var round Round
	if err := r.search(t.Context(), p, &round, time.Now(), before, nil, 3*time.Second); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(round.Void, "not known") || !strings.Contains(round.Void, "503") {
		t.Errorf("the round is void: %q", round.Void)
	}
}

// A diagnosis that fails is asked again: it neither ends the drill nor counts as right.
func TestSearchWithAFailingDiagnosis(t *testing.T) {
	const payment = `{"verdict":"spike","findings":[{"hop":"payment","kind":"self"}]}`
	for _, c := range []struct {
		why, expect string // expect is the hop, "" for a control
		always      bool
		right       bool
	}{
		{"it answers later", "payment", false, true},
		{"it never answers", "payment", true, false},
		{"it never answers in a control", "", true, false},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			var mean atomic.Int64
			mean.Store(100)
			r := fixture(t, &mean, payment)
			before, err := r.before(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			mean.Store(200)
			asked := filepath.Join(filepath.Dir(r.Program), "asked")
			script := "#!/bin/sh\nif [ ! -e '" + asked + "' ]; then touch '" + asked + "'; echo no metrics >&2; exit 1; fi\necho '" + payment + "'\n"
			if c.always {
				script = "#!/bin/sh\necho no metrics >&2\nexit 1\n"
			}
			if err := os.WriteFile(r.Program, []byte(script), 0o700); err != nil {
				t.Fatal(err)
			}
			p := plan{last: time.Second - feltTimeout}
			if c.expect != "" {
				p.Expect = []scenario.Answer{{Hop: c.expect}}
			}
			var round Round
			if err := r.search(t.Context(), p, &round, time.Now(), before, nil, 3*time.Second); err != nil {
				t.Fatal(err)
			}
			if round.Right() != c.right || (round.Error != "") != c.always {
				t.Errorf("%+v", round)
			}
		})
	}
	var mean atomic.Int64
	r := fixture(t, &mean, payment)
	if err := os.WriteFile(r.Program, []byte("#!/bin/sh\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if why, err := r.unquiet(t.Context()); why == "" || err != nil {
		t.Errorf("a failing diagnosis is quiet: %q, %v", why, err)
	}
}

// A round does not begin while the diagnosis names a hop or is not sure.
func TestUnquiet(t *testing.T) {
	for answer, want := range map[string]string{
		`{"verdict":"none","findings":[]}`:                              "",
		`{"verdict":"unsure","why":"few requests","findings":[]}`:       "the diagnosis is unsure: few requests",
		`{"verdict":"errors","findings":[{"hop":"order"},{"hop":"a"}]}`: "the diagnosis names order",
	} {
		var mean atomic.Int64
		if why, err := fixture(t, &mean, answer).unquiet(t.Context()); why != want || err != nil {
			t.Errorf("%s: %q, %v; want %q", answer, why, err, want)
		}
	}
}

// A fault that nobody may blame is in force before the time for the answer is over.
func TestTimeoutBeginsWithTheLastFault(t *testing.T) {
	r := &runner{}
	for why, p := range map[string]plan{
		"a hop to blame":  {Fault: Fault{Expect: []scenario.Answer{{Hop: "payment"}}}, last: time.Minute},
		"nobody to blame": {last: time.Minute},
	} {
		if least := p.last + 30*time.Second; r.timeout(p) < least {
			t.Errorf("%s: %s, want at least %s", why, r.timeout(p), least)
		}
	}
}

// Customers who get no answer at all feel the fault: a wrong answer to it counts.
func TestSearchWithoutService(t *testing.T) {
	t.Parallel()
	var mean atomic.Int64
	mean.Store(100)
	r := fixture(t, &mean, `{"verdict":"spike","findings":[{"hop":"order","kind":"self"}]}`)
	before, err := r.before(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mean.Store(0)
	p := plan{Fault: Fault{Expect: []scenario.Answer{{Hop: "payment"}}}}
	var round Round
	if err := r.search(t.Context(), p, &round, time.Now(), before, nil, 3*time.Second); err != nil {
		t.Fatal(err)
	}
	if round.Void != "" || round.Right() {
		t.Errorf("%+v", round)
	}
}

// A round that was searched to its end counts, even if its recovery was interrupted: a miss
// must not be lost.
func TestScored(t *testing.T) {
	second := 1.0
	for why, c := range map[string]struct {
		round Round
		want  bool
	}{
		"interrupted while searched":       {Round{Seconds: Seconds{Moved: &second}}, false},
		"answered":                         {Round{Seconds: Seconds{Answered: &second}}, true},
		"no answer":                        {Round{Error: "no answer within 1m0s"}, true},
		"nothing was wrong, nothing named": {Round{Seconds: Seconds{Lifted: &second}}, true},
	} {
		if got := c.round.scored(); got != c.want {
			t.Errorf("%s: %v", why, got)
		}
	}
}

// A person's answer is not wrong for what a person is not asked for.
func TestPersonIsRight(t *testing.T) {
	guess := Guess{Hop: "payment", Operation: "Charge", Kind: "self"}
	r := &runner{Config: Config{Human: func(context.Context, Choices) (Person, error) { return Person{Named: []Guess{guess}}, nil }}}
	want := scenario.Answer{Hop: "payment", Operation: "Charge", Kinds: []string{"self"}, Instance: "payment-2", Attributes: map[string]string{"region": "eu"}}
	for _, c := range []struct {
		hop   string
		right bool
	}{{"payment", true}, {"order", false}} {
		guess.Hop = c.hop
		var round Round
		if err := r.human(t.Context(), plan{Fault: Fault{Expect: []scenario.Answer{want}}}, &round, time.Now()); err != nil || round.Right() != c.right {
			t.Errorf("%s: right %v, want %v; %v", c.hop, round.Right(), c.right, err)
		}
	}
}

// A storefront that has just started has no trace yet: the drill waits for one, unless it has
// run for longer.
func TestAwaitHops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			why    string
			up     time.Duration // since the start
			waited time.Duration
			hops   int
		}{
			{"just started", 0, 3 * time.Second, 1},
			{"without traffic", time.Hour, 0, 0},
		} {
			began := time.Now()
			r := &runner{Config: Config{Up: began.Add(-c.up), Entry: Entry{Service: "gateway", Operation: "POST /checkout"}, Say: func(string, ...any) {}}}
			from := firstTrace{at: began.Add(c.waited), never: c.hops == 0}
			hops, err := r.awaitHops(t.Context(), from)
			if len(hops) != c.hops || (err == nil) != (c.hops > 0) || time.Since(began) != c.waited {
				t.Errorf("%s: %v, %v after %s", c.why, hops, err, time.Since(began))
			}
		}
	})
}

// firstTrace is a source that has one trace from a time on, or never.
type firstTrace struct {
	query.Tracer
	at    time.Time
	never bool
}

func (f firstTrace) Traces(context.Context, query.Search) ([]trace.Trace, error) {
	if f.never || time.Now().Before(f.at) {
		return nil, nil
	}
	return []trace.Trace{{ID: "1", Spans: []trace.Span{
		{ID: "1", Service: "gateway", Operation: "POST /checkout", Kind: trace.Server, Start: f.at, Duration: time.Second}}}}, nil
}

// Customers who wait for an answer feel a fault before they get one.
func TestWorse(t *testing.T) {
	before := level{mean: 30 * time.Millisecond, failed: .01, oldest: 400 * time.Millisecond}
	for now, want := range map[level]bool{
		before: false,
		{mean: 44 * time.Millisecond, failed: .02, oldest: 1300 * time.Millisecond}: false,
		{mean: 46 * time.Millisecond, failed: .01}:                                  true,
		{mean: 30 * time.Millisecond, failed: .04}:                                  true,
		{mean: 30 * time.Millisecond, failed: .01, oldest: 1500 * time.Millisecond}: true,
		{}: true,
	} {
		if got := now.worse(before); got != want {
			t.Errorf("%+v: %v, want %v", now, got, want)
		}
	}
}
