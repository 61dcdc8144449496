package render

import (
	"fmt"
	"strings"

	"github.com/tenhop/tenhop/diagnose/result"
)

// muchFaster is the fraction of its baseline below which a mean is not at it.
const muchFaster = 2. / 3

// Verdict returns the verdict and the first finding in one line.
func Verdict(r result.Result) string {
	switch {
	case r.Verdict == result.None:
		rest := "is at its baseline (mean " + ms(r.NowMS) + ")"
		if r.NowMS < muchFaster*r.BaselineMS {
			rest = "is faster than its baseline (mean " + ms(r.BaselineMS) + " -> " + ms(r.NowMS) + ")"
		}
		if r.Looked > 1 {
			return fmt.Sprintf("no spike in any of %d entries; the busiest, %s, %s", r.Looked, r.Entry.Operation, rest)
		}
		return "no spike: " + r.Entry.Operation + " " + rest
	case r.Few != nil && len(r.Findings) == 0:
		return fewVerdict(r)
	case len(r.Findings) == 0:
		return "not sure: " + r.Why
	}
	f := r.Findings[0]
	if f.Kind == result.KindErrors {
		why := ""
		if r.Verdict == result.Unsure {
			why = "not sure (" + r.Why + "), but "
		}
		reason := because(f)
		if f.Cause != nil && f.Cause.Kind == result.CauseRestart {
			why, reason = f.Cause.Why+"; ", ""
		}
		return fmt.Sprintf("%serrors begin at %s%s: %s of its requests fail%s, %.0f %% of the added failures at %s%s", why, Name(f), at(f), percent(f.Errors.Now),
			withType(f.Errors.Type), 100*f.Share, r.Entry.Operation, reason)
	}
	sure := ""
	if r.Verdict == result.Unsure {
		if sure = "not sure (" + r.Why + "), but "; f.Evidence == r.Why {
			return "not sure: " + r.Why
		}
	}
	if !timed(f) {
		return fmt.Sprintf("%s%s%s: %s%s", sure, Name(f), at(f), f.Evidence, because(f))
	}
	return fmt.Sprintf("%s%s%s: %s, %.0f %% of the added time at %s%s%s%s", sure, Name(f), at(f), signed(f.AddedMS), 100*f.Share, r.Entry.Operation, flow(r.Entry), end(f), because(f))
}

// at names the instance of a finding that one of several carries, or is "".
func at(f result.Finding) string {
	if f.Instance == "" {
		return ""
	}
	return " (only " + f.Instance + ")"
}

// because returns a sure cause that signals of the hop tell, or "". The other kinds repeat
// the finding.
func because(f result.Finding) string {
	if c := f.Cause; c != nil && c.Sure && told(c.Kind) {
		return "; " + c.Why
	}
	return ""
}

// told reports whether a kind of cause says more than the kind of its finding.
func told(kind string) bool {
	switch kind {
	case result.CauseQueue, result.CauseMix, result.CauseLostConcurrency, result.CauseSaturation, result.CauseNPlusOne, result.CauseRetries, result.CauseUnknown:
		return false
	}
	return true
}

// end returns what is known about the end of a link that delays it, or "".
func end(f result.Finding) string {
	switch {
	case f.Kind != result.KindLink || f.Evidence == "":
		return ""
	case f.EitherEnd:
		return fmt.Sprintf("; nothing tells whether %s or %s delays it", f.Target, f.Hop)
	}
	return fmt.Sprintf("; the delay is at %s", f.Hop)
}

// timed reports whether a finding has times. A finding of a comparison has none if it
// is not on a critical path.
func timed(f result.Finding) bool { return f.BaselineMS != 0 || f.NowMS != 0 }

// Name returns a phrase that names a finding, such as "gateway waits for redis".
func Name(f result.Finding) string {
	switch f.Kind {
	case result.KindDependency:
		return f.Hop + " waits for " + f.Target
	case result.KindLink:
		return "the link between " + f.Target + " and " + f.Hop
	case result.KindMix:
		return "other requests than before (" + f.Target + ")"
	case result.KindCalls:
		name := "more calls between " + f.Target + " and " + f.Hop
		if f.Calls != nil {
			name += fmt.Sprintf(" (%.1f per request, %.1f before)", f.Calls.Now, f.Calls.Baseline)
		}
		return name
	case result.KindFlow:
		return "what " + f.Hop + " does"
	case result.KindConcurrency:
		if f.Target == "" || f.Target == f.Hop {
			return "lost concurrency in " + f.Hop
		}
		return "lost concurrency of " + f.Hop + "'s calls of " + f.Target
	case result.KindQueue:
		return "waiting before " + f.Target + " of " + f.Hop
	}
	return strings.TrimSpace(f.Hop + " " + f.Operation)
}

// open reports whether a kind of cause leaves the reason open, so that its sentence claims
// nothing.
func open(kind string) bool {
	switch kind {
	case result.CauseUnknown, result.CauseLink, result.CauseDependency, result.CauseCode:
		return true
	}
	return false
}

func percent(v float64) string { return fmt.Sprintf("%.1f %%", 100*v) }

// withType returns " with" and a type of error, or "".
func withType(kind string) string {
	if kind == "" {
		return ""
	}
	return " with " + kind
}

func flow(e result.Entry) string {
	if e.Flow == "async" {
		return " (completion of what follows it)"
	}
	return ""
}
