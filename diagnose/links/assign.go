package links

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tenhop/tenhop/diagnose/result"
)

// MinTogether is the share of the added time from which the links of an end count
// together. It was chosen on the recorded storefront (package diagnose/matrix) and on
// one with too few processors: there, uneven load slows all links by a little.
const MinTogether = .6

// Assign sets the hop, the target and the words of each finding of a slow link, and marks
// those that slowed together with others of their hop. The hop of such a finding is the
// callee and its target the caller on entry. A link on which a hop is blocked by its own
// caller, and one whose wait lost concurrency explains, are left as they are. Findings are
// returned in descending order of the added time, in which the links of a sure end
// count together if their share is above MinTogether. The order of equal findings is
// kept.
func Assign(found []result.Finding, growth map[Link]float64) []result.Finding {
	known := map[Link]float64{}
	for l, g := range growth {
		known[l] = max(g, 0)
	}
	for _, f := range found {
		if l, ok := linkOf(f); ok && known[l] <= 0 {
			known[l] = f.AddedMS
		}
	}
	ends := Ends(known)
	total, share := map[string]float64{}, map[string]float64{}
	for i := range found {
		f := &found[i]
		l, ok := linkOf(*f)
		e, slow := ends[l]
		if !ok || !slow || explained(found, l) {
			continue
		}
		f.Hop, f.Target, f.EitherEnd, f.Together = e.Hop, l.Caller, !e.Sure, e.Sure
		if e.Hop == l.Caller {
			f.Target = l.Callee
		}
		f.Evidence = join(f.Evidence, Words(l, e))
		if e.Sure {
			total[f.Hop] += f.AddedMS
			share[f.Hop] += f.Share
		}
	}
	weight := func(f result.Finding) float64 {
		if f.Kind == result.KindLink && !f.EitherEnd && f.Target != callerTarget && share[f.Hop] > MinTogether {
			return total[f.Hop]
		}
		return f.AddedMS
	}
	slices.SortStableFunc(found, func(a, b result.Finding) int {
		return cmp.Or(cmp.Compare(weight(b), weight(a)), cmp.Compare(b.AddedMS, a.AddedMS))
	})
	return found
}

// explained reports whether lost concurrency explains the wait on a link.
func explained(found []result.Finding, l Link) bool {
	return slices.ContainsFunc(found, func(f result.Finding) bool {
		return f.Kind == result.KindConcurrency && f.Hop == l.Caller && f.Target == l.Callee
	})
}

// callerTarget is the target of a finding that stands for the time a hop was blocked
// by its own caller.
const callerTarget = "caller"

func linkOf(f result.Finding) (Link, bool) {
	if f.Kind != result.KindLink || f.Target == callerTarget {
		return Link{}, false
	}
	return Link{Caller: f.Target, Callee: f.Hop}, true
}

// Words returns the reason for the end of a link, without a full stop.
func Words(l Link, e End) string {
	if !e.Sure {
		return fmt.Sprintf("nothing tells whether %s or %s delays it", l.Caller, l.Callee)
	}
	return fmt.Sprintf("the links of %s with %s slowed together", e.Hop, list(e.With))
}

// LostWords returns the reason for a sure end of a link on which calls fail.
func LostWords(e End) string {
	return fmt.Sprintf("calls between %s and %s fail on the way", e.Hop, list(e.With))
}

// maxListed bounds the services that Words lists.
const maxListed = 4

func list(names []string) string {
	if n := len(names); n > maxListed {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxListed-1], ", "), n-maxListed+1)
	}
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return strings.Join(names, "")
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}
