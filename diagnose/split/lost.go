package split

import (
	"math"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/links"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
)

// lostCalls holds by how much the ratio of calls grew that fail and that the callee did not
// serve as failures. Links of which too few calls are known are left out.
type lostCalls map[links.Link]float64

// add adds the calls of a caller to a callee, key. failed and served are the failures per
// request of the entry that were added at the caller, and those that the callee served.
func (l lostCalls) add(c evidence.Change, key [2]string, calls []*evidence.CallSeries, failed, served float64) {
	var nb, nn, fb, fn float64
	for _, s := range calls {
		nb, nn = nb+c.Baseline.Sum(s.Count), nn+c.Now.Sum(s.Count)
		fb, fn = fb+c.Baseline.Sum(s.Failed), fn+c.Now.Sum(s.Failed)
	}
	if nn < stats.MinRequests || key[0] == key[1] {
		return
	}
	link := links.Link{Caller: key[0], Callee: key[1]}
	l[link] = 0
	if failed > 0 && failed-served > ownFailures*failed && (nb < stats.MinRequests || stats.MoreFail(fb, nb, fn, nn)) {
		l[link] = math.Max(fn/nn-fb/math.Max(nb, 1), 0) * (1 - served/failed)
	}
}

// assign names in each finding the end of a link that loses calls on its other links, too.
func (l lostCalls) assign(found []result.Finding) {
	ends := links.Ends(l)
	for i := range found {
		x := &found[i]
		for _, link := range []links.Link{{Caller: x.Target, Callee: x.Hop}, {Caller: x.Hop, Callee: x.Target}} {
			e := ends[link]
			if l[link] == 0 || !e.Sure {
				continue
			}
			x.Hop, x.Target = e.Hop, link.Caller
			if e.Hop == link.Caller {
				x.Target = link.Callee
			}
			x.Evidence = links.LostWords(e)
			break
		}
	}
}
