package diagnose

import (
	"cmp"
	"slices"

	"github.com/tenhop/tenhop/diagnose/compare"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
)

// maxFindings bounds the findings of a comparison.
const maxFindings = 10

// arrange returns the findings of r in the order of the comparison's suspects. A
// suspect takes the finding of its link or service, if there is one, and adds its
// evidence to it. Findings of failures come first if the verdict is errors.
func arrange(r result.Result, c compare.Comparison) []result.Finding {
	rest, out := slices.Clone(r.Findings), []result.Finding{}
	take := func(most int, fits func(result.Finding) bool) {
		for i := 0; i < len(rest) && most > 0; {
			if fits(rest[i]) {
				out = append(out, rest[i])
				rest = slices.Delete(rest, i, i+1)
				most--
				continue
			}
			i++
		}
	}
	all := len(rest)
	if r.Verdict == result.Errors {
		take(all, func(f result.Finding) bool { return f.Kind == result.KindErrors })
	}
	for _, s := range c.Suspects {
		if !s.Likely() || len(out) >= maxFindings || queued(r.Findings, s) || c.Sure() && s.Kind == compare.Flow && !s.Sure() {
			continue
		}
		n := len(out)
		if s.Kind == compare.Link {
			same := func(f result.Finding) bool { return isLink(f, s) }
			if slices.ContainsFunc(out, same) {
				continue // listed with the other links of its end
			}
			if take(1, same); len(out) == n {
				out = append(out, linkFinding(r, s))
			}
			out[n].Hop, out[n].Target, out[n].EitherEnd, out[n].Together = s.Service, s.Target, s.EitherEnd, !s.EitherEnd
			out[n].Evidence = s.Evidence
			if !s.EitherEnd {
				take(all, func(f result.Finding) bool {
					return f.Kind == result.KindLink && !f.EitherEnd && f.Hop == s.Service
				})
			}
			continue
		}
		take(1, func(f result.Finding) bool { return f.Hop == s.Service && f.Kind == string(s.Kind) })
		if len(out) == n {
			take(1, func(f result.Finding) bool {
				return f.Hop == s.Service && f.Kind != result.KindMix && f.Kind != result.KindLink
			})
		}
		if len(out) == n {
			out = append(out, result.Finding{Hop: s.Service, Operation: s.Operation, Kind: string(s.Kind), Target: s.Target,
				Attributes: []result.Attribute{}, Exemplars: []string{}})
		}
		out[n].Evidence = cmp.Or(out[n].Evidence, s.Evidence)
	}
	if r.Verdict != result.None {
		take(all, func(result.Finding) bool { return true })
	}
	return out
}

// linkFinding returns the finding of a slow link that is on no critical path. Its
// times are means per trace, so its share is an upper bound.
func linkFinding(r result.Result, s compare.Suspect) result.Finding {
	f := result.Finding{Operation: s.Operation, Kind: result.KindLink, Attributes: []result.Attribute{}, Exemplars: []string{}}
	added := s.NowMS - s.BaselineMS
	f.BaselineMS, f.NowMS, f.AddedMS = stats.Round(s.BaselineMS), stats.Round(s.NowMS), stats.Round(added)
	f.CounterfactualMS = stats.Round(max(r.NowMS-added, 0))
	if r.AddedMS > 0 && added > 0 {
		f.Share = stats.Round(added / r.AddedMS)
		f.Interval = [2]float64{0, f.Share}
	}
	return f
}

// isLink reports whether a finding is that of the suspect's link, whichever end it
// names as the hop.
func isLink(f result.Finding, s compare.Suspect) bool {
	return f.Kind == result.KindLink && (f.Hop == s.Service && f.Target == s.Target || f.Hop == s.Target && f.Target == s.Service)
}
