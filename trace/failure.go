package trace

import "strings"

// Failed reports whether a span's status is an error. statusCode is the span's status
// code: "ERROR" in Jaeger's tag otel.status_code, "2" or "STATUS_CODE_ERROR" in OTLP.
// errorTag is the value of OpenTracing's tag error, "true" for a failure. Case is
// ignored. Either is empty if the span lacks it.
func Failed(statusCode, errorTag string) bool {
	return statusCode == "2" || strings.EqualFold(statusCode, "ERROR") || strings.EqualFold(statusCode, "STATUS_CODE_ERROR") ||
		strings.EqualFold(errorTag, "true")
}

// FirstFailing returns the index of the span at which the failure of a request
// began, or None. It descends from the topmost failed span, always to the failed
// child that ended first. Failures below a parent that succeeded are ignored, since
// the parent handled them; children that failed later, such as compensations, are
// consequences.
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

// Culprit identifies the service, or the call between two services, at which a failure
// began.
type Culprit struct {
	Service   string
	Operation string
	Target    string // peer of a failed call; empty for a failure of the service itself
}

// Blame attributes the failure of a span, normally that of FirstFailing. If the span is
// not a call, the failure is attributed to its service. A failed call is attributed to
// the callee if the callee has spans in the trace; Target is then the caller. Otherwise
// it is attributed to the caller, with the callee as Target.
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
