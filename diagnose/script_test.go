package diagnose_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/sample"
	"github.com/tenhop/tenhop/trace"
)

// A script in testdata describes requests before and during an incident, and the expected
// diagnosis:
//
//	# why this case is hard
//	before 90s 4/s                 length and rate of a phase; the second phase is "now"
//	request 100%                   a kind of request and its fraction of the phase
//	  gateway "POST /pay" server 0-50 region=eu
//	    gateway "Charge" client 5-45 peer.service=payment
//
// Indented spans are children. Times are milliseconds since the start of the request; all
// times of a request are multiplied by one random factor from 0.8 to 1.2. The words after
// them are: failed, missing=RATIO (of spans lost), skew=MS (by which the service's clock is
// ahead), and attributes. Expectations apply to the diagnosis from metrics and from traces,
// or to one of them:
//
//	expect spike                   the verdict
//	expect[traces] first payment self Charge >= 0.8
//	expect named pricing self      a finding, at any rank
//	expect silent search           no finding of the hop
//	expect deploy payment 2.0
type script struct {
	phases [2]phase
	expect []string
}

type phase struct {
	length time.Duration
	rate   float64
	kinds  []kind
}

type kind struct {
	part  float64
	spans []scripted
}

type scripted struct {
	trace.Span
	depth   int
	missing float64
	skew    time.Duration
}

func readScript(t testing.TB, file string) script {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var s script
	at := -1
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		words := split(line)
		fail := func(err error) {
			if err != nil {
				t.Fatalf("%s:%d: %v", file, n, err)
			}
		}
		switch {
		case len(words) == 0 || strings.HasPrefix(words[0], "#"):
		case strings.HasPrefix(words[0], "expect"):
			s.expect = append(s.expect, strings.TrimSpace(line))
		case words[0] == "before" || words[0] == "now":
			at++
			s.phases[at].length, err = time.ParseDuration(words[1])
			fail(err)
			s.phases[at].rate, err = strconv.ParseFloat(strings.TrimSuffix(words[2], "/s"), 64)
			fail(err)
		case words[0] == "request":
			part, err := strconv.ParseFloat(strings.TrimSuffix(words[1], "%"), 64)
			fail(err)
			s.phases[at].kinds = append(s.phases[at].kinds, kind{part: part / 100})
		default:
			k := &s.phases[at].kinds[len(s.phases[at].kinds)-1]
			span := scripted{depth: (len(line) - len(strings.TrimLeft(line, " "))) / 2}
			span.Service, span.Operation, span.Kind = words[0], words[1], trace.Kind(words[2])
			from, to, _ := strings.Cut(words[3], "-")
			begin, err := strconv.ParseFloat(from, 64)
			fail(err)
			end, err := strconv.ParseFloat(to, 64)
			fail(err)
			span.Start, span.Duration = time.Unix(0, int64(begin*1e6)), time.Duration((end-begin)*1e6)
			span.Attributes = map[string]string{}
			for _, w := range words[4:] {
				key, value, _ := strings.Cut(w, "=")
				switch key {
				case "failed":
					span.Failed = true
				case "missing":
					span.missing, err = strconv.ParseFloat(value, 64)
				case "skew":
					var ms float64
					ms, err = strconv.ParseFloat(value, 64)
					span.skew = time.Duration(ms * 1e6)
				default:
					span.Attributes[key] = value
				}
				fail(err)
			}
			k.spans = append(k.spans, span)
		}
	}
	return s
}

// split splits a line into words. Spaces within quotes do not separate words.
func split(line string) []string {
	var words []string
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
		if q, err := strconv.QuotedPrefix(line); err == nil {
			word, _ := strconv.Unquote(q)
			words, line = append(words, word), line[len(q):]
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		words, line = append(words, word), rest
	}
	return words
}

// traces returns the traces of a script.
func (s script) traces() []trace.Trace {
	rng := rand.New(rand.NewPCG(11, 12))
	var out []trace.Trace
	at := time.Unix(1_700_000_000, 0)
	for _, p := range s.phases {
		for end := at.Add(p.length); at.Before(end); at = at.Add(time.Duration(float64(time.Second) / p.rate)) {
			pick := rng.Float64()
			k := p.kinds[len(p.kinds)-1]
			for _, c := range p.kinds {
				if pick -= c.part; pick < 0 {
					k = c
					break
				}
			}
			out = append(out, play(k, at, len(out), rng))
		}
	}
	return out
}

func play(k kind, at time.Time, number int, rng *rand.Rand) trace.Trace {
	t := trace.Trace{ID: fmt.Sprintf("%032x", number+1)}
	factor := .8 + .4*rng.Float64()
	var parents []string
	for i, s := range k.spans {
		span := s.Span
		span.ID = fmt.Sprintf("%016x", number<<8+i+1)
		parents = append(parents[:s.depth-1], span.ID)
		if s.depth > 1 {
			span.Parent = parents[s.depth-2]
		}
		span.Start = at.Add(time.Duration(factor * float64(s.Start.UnixNano()))).Add(s.skew)
		span.Duration = time.Duration(factor * float64(s.Duration))
		if rng.Float64() >= s.missing {
			t.Spans = append(t.Spans, span)
		}
	}
	return t
}

func TestScripts(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		s := readScript(t, file)
		traces := s.traces()
		requests := sample.New()
		for _, tr := range traces {
			requests.Add(tr)
		}
		fromTraces := diagnose.Diagnose(diagnose.Evidence{Sample: requests}, diagnose.Options{})
		fromTraces.ExplainSample()
		fromMetrics := diagnose.Diagnose(diagnose.Evidence{Metrics: metricsOf(traces)}, diagnose.Options{})
		results := map[string]result.Result{"traces": fromTraces.Result(), "metrics": fromMetrics.Result()}
		for _, way := range []string{"traces", "metrics"} {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txt")+"/"+way, func(t *testing.T) {
				judge(t, s, way, results[way])
				if t.Failed() {
					r := results[way]
					t.Logf("%s %s: %.1f -> %.1f ms, %s", r.Verdict, r.Entry.Operation, r.BaselineMS, r.NowMS, r.Why)
					for _, f := range r.Findings {
						t.Logf("%d %s %s %q of %q: %+.1f ms, %.2f %v", f.Rank, f.Hop, f.Kind, f.Target, f.Operation, f.AddedMS, f.Share, f.Interval)
					}
				}
			})
		}
	}
}

func judge(t *testing.T, s script, way string, r result.Result) {
	t.Helper()
	asked := 0
	for _, e := range s.expect {
		words := split(e)
		if _, only, ok := strings.Cut(words[0], "["); ok && strings.TrimSuffix(only, "]") != way {
			continue
		}
		asked++
		ok := false
		switch words[1] {
		case "first":
			ok = len(r.Findings) > 0 && fits(r.Findings[0], words[2:])
		case "named":
			ok = slices.ContainsFunc(r.Findings, func(f result.Finding) bool { return fits(f, words[2:]) })
		case "silent":
			ok = !slices.ContainsFunc(r.Findings, func(f result.Finding) bool { return f.Hop == words[2] || f.Target == words[2] })
		case "deploy":
			ok = slices.ContainsFunc(r.Deploys, func(d result.Deploy) bool { return d.Service == words[2] && d.Version == words[3] })
		default:
			ok = r.Verdict == words[1]
		}
		if !ok {
			t.Errorf("not so: %s", e)
		}
	}
	if asked == 0 {
		t.Errorf("the script expects nothing of %s", way)
	}
}

// fits reports whether a finding matches: hop kind [target] [>= share]. A dot matches any
// word.
func fits(f result.Finding, words []string) bool {
	least := 0.0
	if n := len(words); n > 2 && words[n-2] == ">=" {
		least, _ = strconv.ParseFloat(words[n-1], 64)
		words = words[:n-2]
	}
	is := []string{f.Hop, f.Kind, f.Target}
	for i, w := range words {
		if w != "." && w != is[i] {
			return false
		}
	}
	return f.Share >= least
}
