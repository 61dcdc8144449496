package trace

import "strings"

// Failed reports whether a span failed, by the two ways in which formats say so.
// statusCode is the span's status: "ERROR" in Jaeger's otel.status_code, in any
// case, "2" or "STATUS_CODE_ERROR" in OTLP. errorTag is the tag "error" of
// OpenTracing, which is "true". Each is empty where the span has none.
func Failed(statusCode, errorTag string) bool {
	return statusCode == "2" || strings.EqualFold(statusCode, "ERROR") || strings.EqualFold(statusCode, "STATUS_CODE_ERROR") ||
		strings.EqualFold(errorTag, "true")
}

// FirstFailing returns the index of the span at which a trace's failure began, or
// None: from the topmost span that failed down along the child that failed first.
// A failure that a parent did not pass on is no cause of the topmost one's, and what
// failed later, such as a compensation, is a consequence.
func FirstFailing(tr *Trace) int {
	spans := tr.Spans
	if !anyFailed(spans) {
		return None
	}
	index := indexByID(spans)
	first := make([]int, len(spans)) // the child that failed first
	for i := range first {
		first[i] = None
	}
	at := None
	for i := range spans {
		s := &spans[i]
		if !s.Failed {
			continue
		}
		p, ok := index[s.Parent]
		switch {
		case ok && s.Parent != "" && p != i && spans[p].Failed:
			if first[p] == None || s.End().Before(spans[first[p]].End()) {
				first[p] = i
			}
		case at == None || s.Start.Before(spans[at].Start):
			at = i
		}
	}
	for at != None && first[at] != None {
		at = first[at]
	}
	return at
}

func anyFailed(spans []Span) bool {
	for i := range spans {
		if spans[i].Failed {
			return true
		}
	}
	return false
}

// Culprit is what a failure is blamed on.
type Culprit struct {
	Service   string
	Operation string
	Target    string // the other end of a call that failed; empty for a failure of the service itself
}

// Blame returns what the failure of a span is blamed on: the span's service, unless
// the span is a call. A call that failed although its callee's spans did not, failed
// at the callee, if it has spans in the trace, else on the way to Target.
func Blame(tr *Trace, i int) Culprit {
	s := &tr.Spans[i]
	if !s.Kind.Calls() {
		return Culprit{Service: s.Service, Operation: s.Operation}
	}
	peer := s.Peer()
	for j := range tr.Spans {
		if tr.Spans[j].Service == peer {
			return Culprit{Service: peer, Operation: s.Operation, Target: s.Service}
		}
	}
	return Culprit{Service: s.Service, Operation: s.Operation, Target: peer}
}
