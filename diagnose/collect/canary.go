package collect

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/arrival"
	"github.com/tenhop/tenhop/diagnose/compare"
	"github.com/tenhop/tenhop/diagnose/few"
	"github.com/tenhop/tenhop/diagnose/growth"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/sample"
	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/trace"
)

// versionKey is the resource attribute that holds the version of a service.
const versionKey = "service.version"

// Traces of the two versions that are read from a back end, in slices of the time.
const (
	canarySlices   = 15
	canaryPerSlice = 40 // of the canary; as many of all versions
)

// versions reads traces of the canary, and as many of its service.
func (r *run) versions(ctx context.Context) (out []trace.Trace, err error) {
	if r.traces == nil {
		return nil, errors.New("versions are compared by their traces: give --jaeger, --tempo or --traces")
	}
	err = r.spans.Ask(ctx, r.cfg.share(1), func(ctx context.Context) (int, error) {
		// The spans of the last seconds are still on their way.
		from, to := r.start(), r.now.Add(-min(arriving, r.since/4))
		every := to.Sub(from) / canarySlices
		var found []trace.Trace
		seen := map[string]bool{}
		add := func(version string) error {
			more, err := each(ctx, canarySlices, func(ctx context.Context, i int) ([]trace.Trace, error) {
				q := query.Search{Service: r.cfg.Canary.Service, From: from.Add(time.Duration(i) * every), Limit: canaryPerSlice}
				q.To = q.From.Add(every)
				if version != "" {
					q.Tags = map[string]string{versionKey: version}
				}
				return r.traces.Traces(ctx, q)
			})
			for _, t := range more {
				if !seen[t.ID] {
					seen[t.ID] = true
					found = append(found, t)
				}
			}
			return err
		}
		err := errors.Join(add(r.cfg.Canary.Version), add(""))
		// The other versions may have few of the requests.
		for _, version := range rare(found, r.cfg.Canary) {
			err = errors.Join(err, add(version))
		}
		complete := arrival.New(nil, r.now.Add(time.Hour), func(t trace.Trace) { out = append(out, t) })
		for _, t := range found {
			complete.Add(t)
		}
		complete.Flush()
		r.incomplete += complete.Incomplete()
		return len(found), err
	})
	return out, err
}

// maxRare is the number of other versions whose traces are read by their version.
const maxRare = 3

// rare returns the other versions if they have fewer requests together than the canary.
func rare(found []trace.Trace, c Canary) []string {
	v := byVersion(found, c)
	if len(v.stable) >= len(v.canary) {
		return nil
	}
	others := slices.Sorted(maps.Keys(v.others))
	return others[:min(len(others), maxRare)]
}

// versioned holds the requests of two versions of one time.
type versioned struct {
	stable, canary []trace.Trace
	others         map[string]bool // versions of stable
	mixed, unknown int             // requests with both, and those whose version is not known
}

// byVersion divides requests by the version of the canary's service. Requests in which
// it takes no part are left out.
func byVersion(all []trace.Trace, c Canary) versioned {
	v := versioned{others: map[string]bool{}}
	for _, t := range all {
		seen := map[string]bool{}
		for i := range t.Spans {
			if t.Spans[i].Service == c.Service {
				seen[t.Spans[i].Attribute(versionKey)] = true
			}
		}
		switch {
		case len(seen) == 0:
		case seen[""]:
			v.unknown++
		case seen[c.Version] && len(seen) > 1:
			v.mixed++
		case seen[c.Version]:
			v.canary = append(v.canary, t)
		default:
			v.stable = append(v.stable, t)
			maps.Copy(v.others, seen)
		}
	}
	return v
}

// maxBlocks bounds the parts that the time of two versions is divided into, and
// perBlock is the number of requests of the version with fewer that a part has, about.
const (
	maxBlocks = 12
	perBlock  = 10
)

// canary compares the requests of two versions of one time as those of two times are
// compared. The parts of the time are the rounds of the growth.
func (r *run) canary(ctx context.Context, all []trace.Trace) (result.Result, error) {
	c := r.cfg.Canary
	if r.cfg.Entry != "" {
		all = slices.DeleteFunc(slices.Clone(all), func(t trace.Trace) bool { return entryOf(t) != r.cfg.Entry })
	}
	v := byVersion(all, c)
	others := strings.Join(slices.Sorted(maps.Keys(v.others)), ", ")
	switch {
	case len(v.canary) == 0:
		return result.Result{}, fmt.Errorf("no request of %s in version %q was read; seen are %s", c.Service, c.Version, known(others, v.unknown))
	case len(v.stable) == 0:
		return result.Result{}, fmt.Errorf("no request of %s in another version than %q was read", c.Service, c.Version)
	}
	requests := sample.New()
	base, now := compare.NewProfile(), compare.NewProfile()
	var fewBase, fewNow few.Traces
	add := func(all []trace.Trace, p *compare.Profile, f *few.Traces) {
		for _, t := range all {
			f.Add(t)
			requests.Add(t)
			p.Add(t, nil)
		}
	}
	add(v.stable, base, &fewBase)
	requests.EndBaseline()
	add(v.canary, now, &fewNow)
	baseline, shift := requests.Join()
	r.opt.BaselineFrom, r.opt.BaselineTo = baseline.From, baseline.To
	differences := compare.Profiles(base, now)
	res := r.diagnoseSample(ctx, diagnose.Evidence{Sample: requests, Comparison: &differences})
	res.Baseline = result.Range{From: res.Baseline.From.Add(-shift), To: res.Baseline.To.Add(-shift)}
	res.BaselineParts, res.Deploys = nil, nil
	few.Describe(&res, fewBase, fewNow, true, r.cfg.Entry)
	res.Growth = growthOf(v)
	res.Growth.Versions = &result.GrowthOfPair{Service: c.Service, Stable: others, Canary: c.Version, Mixed: v.mixed}
	if v.unknown > 0 {
		res.Warnings = append(res.Warnings, fmt.Sprintf("%d requests were left out because spans of %s have no %s", v.unknown, c.Service, versionKey))
	}
	return res, nil
}

// growthOf compares two versions in parts of the time in which both have requests. A part ends
// when it has its share of the requests of the version with fewer, so that uneven traffic
// leaves none with too few.
func growthOf(v versioned) *result.Growth {
	type request struct {
		trace.Trace
		at   time.Time
		side int
	}
	var sides [2][]request
	for side, traces := range [][]trace.Trace{v.stable, v.canary} {
		for _, t := range traces {
			at, _ := t.Bounds()
			sides[side] = append(sides[side], request{t, at, side})
		}
		slices.SortStableFunc(sides[side], func(a, b request) int { return a.at.Compare(b.at) })
	}
	if len(sides[0]) == 0 || len(sides[1]) == 0 {
		return growth.Compare(nil, nil)
	}
	from, to := sides[0][0].at, sides[0][len(sides[0])-1].at
	if at := sides[1][0].at; at.After(from) {
		from = at
	}
	if at := sides[1][len(sides[1])-1].at; at.Before(to) {
		to = at
	}
	// Requests of each version begin between those of the other, so that a margin of one at
	// either end is of the same time.
	margin := to.Sub(from) / time.Duration(min(len(sides[0]), len(sides[1])))
	var all []request
	var of [2]int
	for side, requests := range sides {
		for _, r := range requests {
			if !r.at.Before(from.Add(-margin)) && !r.at.After(to.Add(margin)) {
				all = append(all, r)
				of[side]++
			}
		}
	}
	slices.SortStableFunc(all, func(a, b request) int { return a.at.Compare(b.at) })
	scarce := 0
	if of[1] < of[0] {
		scarce = 1
	}
	parts := min(max((of[scarce]+perBlock/2)/perBlock, 1), maxBlocks) // those at the ends may be left out
	var rounds [2][]growth.Round
	var part [2]growth.Round
	seen := 0
	for i, r := range all {
		part[r.side].Add(r.Trace)
		if r.side == scarce {
			seen++
		}
		full := seen*parts >= of[scarce]*(len(rounds[0])+1) && len(rounds[0]) < parts-1
		if i == len(all)-1 || full && part[1-scarce].Size() >= perBlock/2 {
			if part[0].Size() > 0 && part[1].Size() > 0 {
				rounds[0], rounds[1] = append(rounds[0], part[0]), append(rounds[1], part[1])
			}
			part = [2]growth.Round{}
		}
	}
	return growth.Compare(rounds[0], rounds[1])
}

// known names the versions that were seen.
func known(others string, unknown int) string {
	switch {
	case others != "":
		return others
	case unknown > 0:
		return "only spans without " + versionKey
	}
	return "no spans of it at all"
}
