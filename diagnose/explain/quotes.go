package explain

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/trace"
)

const (
	maxQuotes    = 2   // of a finding
	minQuoted    = .2  // fraction of the slow or failed traces that have the text
	maxOrdinary  = .2  // frequency among ordinary traces, as a fraction of that among slow ones
	maxRead      = 200 // traces of each kind
	maxTexts     = 500 // distinct texts of a finding; further ones are not counted
	maxSpanTexts = 20  // texts read of a span
)

// quoteRank orders the sources of a quote, the most specific first.
var quoteRank = map[string]int{result.QuoteException: 0, result.QuoteLog: 1, result.QuoteEvent: 2, result.QuoteStatus: 3}

// Quotes adds to each finding up to two texts that spans of its hop have in slow or
// failed traces and that ordinary traces lack: exceptions, descriptions of a status and
// events. Numbers and identifiers do not make two texts different.
func Quotes(found []result.Finding, slow, failed, normal []trace.Trace) {
	slow, failed, normal = slow[:min(len(slow), maxRead)], failed[:min(len(failed), maxRead)], normal[:min(len(normal), maxRead)]
	for i := range found {
		f := &found[i]
		of := failed
		if f.Kind != result.KindErrors {
			of = slices.Concat(slow, failed)
		}
		f.Quotes = quotes(textsOf(f, of), textsOf(f, normal))
	}
}

// texts counts the traces that have a text.
type texts struct {
	traces int
	found  map[string]*said
}

// said is a text that traces have, by its template.
type said struct {
	result.Quote
	last int // number of the last trace counted
}

// add counts a text for the current trace.
func (t *texts) add(source, text, id string) {
	k := template(text)
	if k == "" {
		return
	}
	s := t.found[k]
	if s == nil {
		if len(t.found) == maxTexts {
			return
		}
		s = &said{Quote: result.Quote{Source: source, Text: text, TraceID: id}}
		t.found[k] = s
	}
	if quoteRank[source] < quoteRank[s.Source] {
		s.Source, s.Text, s.TraceID = source, text, id
	}
	if s.last != t.traces {
		s.last = t.traces
		s.Traces++
	}
}

// textsOf returns the texts of the spans of a finding's hop, and of the calls of it.
func textsOf(f *result.Finding, traces []trace.Trace) texts {
	all := texts{found: map[string]*said{}}
	for _, t := range traces {
		here := false
		for i := range t.Spans {
			s := &t.Spans[i]
			if s.Service != f.Hop && (!s.Kind.Calls() || s.Peer() != f.Hop) {
				continue
			}
			if !here {
				here = true
				all.traces++
			}
			for _, q := range spanTexts(s) {
				all.add(q.Source, q.Text, t.ID)
			}
		}
	}
	return all
}

// spanTexts returns the texts of a span.
func spanTexts(s *trace.Span) (out []result.Quote) {
	add := func(source, text string) {
		if strings.TrimSpace(text) != "" && len(out) < maxSpanTexts {
			out = append(out, result.Quote{Source: source, Text: text})
		}
	}
	for _, e := range s.Events {
		kind, message := e.Attributes["exception.type"], e.Attributes["exception.message"]
		switch {
		case kind != "" && message != "":
			add(result.QuoteException, kind+": "+message)
		case kind != "" || message != "":
			add(result.QuoteException, kind+message)
		default:
			add(result.QuoteEvent, eventText(e))
		}
	}
	add(result.QuoteStatus, cmp.Or(s.StatusMessage, s.Attributes["otel.status_description"], s.Attributes["error.message"]))
	return out
}

// eventText returns the name of an event with its attributes.
func eventText(e trace.Event) string {
	var b strings.Builder
	b.WriteString(e.Name)
	for _, k := range slices.Sorted(maps.Keys(e.Attributes)) {
		if v := e.Attributes[k]; Describes(k) && v != e.Name && k != "exception.stacktrace" && k != "stack" && v != "" {
			if k == "message" || k == "event" || k == "log.message" {
				b.WriteString(" " + v)
			} else {
				b.WriteString(" " + k + "=" + v)
			}
		}
	}
	return b.String()
}

// quotes returns the texts that are frequent in now and rare in before, the most
// specific first.
func quotes(now, before texts) []result.Quote {
	var out []result.Quote
	for k, s := range now.found {
		often := float64(s.Traces) / float64(now.traces)
		rare := 0.0
		if b := before.found[k]; b != nil {
			rare = float64(b.Traces) / float64(before.traces)
		}
		if often >= minQuoted && rare <= maxOrdinary*often {
			q := s.Quote
			if q.Text = tidy(q.Text); q.Text != "" {
				out = append(out, q)
			}
		}
	}
	slices.SortFunc(out, func(a, b result.Quote) int {
		return cmp.Or(cmp.Compare(b.Traces, a.Traces), cmp.Compare(quoteRank[a.Source], quoteRank[b.Source]), strings.Compare(a.Text, b.Text))
	})
	out = slices.CompactFunc(out, func(a, b result.Quote) bool { return strings.Contains(a.Text, b.Text) })
	return out[:min(len(out), maxQuotes)]
}
