package trace

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"
)

var epoch = time.Unix(1_700_000_000, 0)

// parse reads a trace, a span per line, times in milliseconds:
//
//	id parent service kind FROM-TO or FROM..TO [failed] [key=value ...]
//
// A dash stands for no parent and for no kind. The operation is "op".
func parse(t testing.TB, text string) *Trace {
	t.Helper()
	tr := &Trace{ID: "t"}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		s := Span{ID: f[0], Parent: strings.TrimPrefix(f[1], "-"), Service: f[2], Operation: "op", Kind: Kind(strings.TrimPrefix(f[3], "-")), Attributes: map[string]string{}}
		first, last, ok := strings.Cut(f[4], "..")
		if !ok {
			first, last, _ = strings.Cut(f[4], "-")
		}
		from, err := strconv.ParseFloat(first, 64)
		if err != nil {
			t.Fatal(err)
		}
		to, err := strconv.ParseFloat(last, 64)
		if err != nil {
			t.Fatal(err)
		}
		s.Start, s.Duration = epoch.Add(ms(from)), ms(to)-ms(from)
		for _, w := range f[5:] {
			if k, v, ok := strings.Cut(w, "="); ok {
				s.Attributes[k] = v
			} else {
				s.Failed = true
			}
		}
		tr.Spans = append(tr.Spans, s)
	}
	return tr
}

func ms(f float64) time.Duration { return time.Duration(f * float64(time.Millisecond)) }

// show writes segments as "id from-to", in milliseconds.
func show(t *Tree, segments []Segment) string {
	var out []string
	for _, s := range segments {
		out = append(out, fmt.Sprintf("%s %s-%s", t.Span(s.Span).ID, inMS(s.From), inMS(s.To)))
	}
	return strings.Join(out, ", ")
}

func inMS(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', -1, 64)
}

// ids writes the IDs of spans.
func ids(t *Tree, spans []int) string {
	var out []string
	for _, i := range spans {
		out = append(out, t.Span(i).ID)
	}
	return strings.Join(out, " ")
}

// find returns the index of the kept span with an ID.
func find(t *Tree, id string) int {
	for i := range t.Len() {
		if t.Span(i).ID == id && !t.nodes[i].duplicate {
			return i
		}
	}
	return None
}

// tangle is a trace of random spans: parents anywhere, some missing, some in
// cycles, IDs given twice, times that stick out.
func tangle(rng *rand.Rand, n int) *Trace {
	tr := &Trace{ID: "t"}
	for i := range n {
		s := Span{ID: fmt.Sprint(i), Service: string(rune('a' + rng.IntN(4))), Operation: fmt.Sprint("op", rng.IntN(3)),
			Kind:  []Kind{Server, Client, Producer, Consumer, Internal, ""}[rng.IntN(6)],
			Start: time.Unix(0, rng.Int64N(1e9)), Duration: time.Duration(rng.Int64N(1e9) - 1e7), Failed: rng.IntN(4) == 0}
		if rng.IntN(8) > 0 {
			s.Parent = fmt.Sprint(rng.IntN(n + 2))
		}
		if rng.IntN(10) == 0 {
			s.ID = fmt.Sprint(rng.IntN(n))
		}
		tr.Spans = append(tr.Spans, s)
	}
	return tr
}

// siblings is a span with n children, one after another or all at once.
func siblings(n int, parallel bool) *Trace {
	tr := &Trace{ID: "t", Spans: []Span{{ID: "root", Service: "a", Operation: "op", Kind: Server, Start: epoch, Duration: time.Duration(n+1) * time.Millisecond}}}
	for i := range n {
		s := Span{ID: strconv.Itoa(i), Parent: "root", Service: "a", Operation: "op", Kind: Client, Start: epoch.Add(time.Duration(i) * time.Millisecond), Duration: time.Millisecond / 2}
		if parallel {
			s.Start, s.Duration = epoch.Add(time.Duration(i)), time.Duration(n-i)*time.Microsecond
		}
		tr.Spans = append(tr.Spans, s)
	}
	return tr
}

// deepChain is n spans, each the child of the one before, of one service or of two
// in turn.
func deepChain(n, services int) *Trace {
	tr := &Trace{ID: "t"}
	for i := range n {
		s := Span{ID: strconv.Itoa(i), Service: string(rune('a' + i%services)), Operation: "op", Kind: Internal,
			Start: epoch.Add(time.Duration(i) * time.Microsecond), Duration: time.Duration(2*n-2*i) * time.Microsecond}
		if i > 0 {
			s.Parent = strconv.Itoa(i - 1)
		}
		tr.Spans = append(tr.Spans, s)
	}
	return tr
}
