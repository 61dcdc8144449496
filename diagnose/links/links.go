// Package links locates the end of a link that causes its delay.
//
// A delay at one service slows several of its links: those to all its callees, those
// from all its callers, or all of them. A delay of a single link leaves the other
// links of both ends as they were. The links that slowed together therefore tell
// which end is responsible. They may belong to other entries than the slow one.
package links

import (
	"cmp"
	"maps"
	"slices"
)

// Link is a connection over which a caller calls a callee.
type Link struct{ Caller, Callee string }

// End is the end of a slow link that explains its delay.
type End struct {
	Hop string // Caller or Callee of the link

	// Sure reports that other links of Hop slowed as well and no other service
	// explains the delay equally well. If it is not set, nothing tells the ends
	// apart.
	Sure bool

	// With lists the other ends of the links of Hop that slowed, including that of
	// the link itself, in ascending order. It is empty if the end is not sure.
	With []string
}

// A link counts as slowed beside another link of the same service from this fraction
// of the other's growth. It was chosen on the network delays of the tuning corpora.
const minRelative = .2

// group is a set of links of one service that may have slowed together.
type group struct {
	hop     string
	members []Link // of the group that slowed
	whole   bool   // all members slowed
}

// Ends returns the end of each link with a growth above zero. growth maps every link
// that was observed to the growth of its gap per call, in any unit. A service explains
// its slow links if at least half of its other links in the same direction slowed.
// The service that explains the most links is taken first. A link that no group of at
// least two explains belongs to the end whose links all slowed, or else to the callee,
// and is not sure.
func Ends(growth map[Link]float64) map[Link]End {
	out := map[Link]End{}
	all := slices.SortedFunc(maps.Keys(growth), compareLinks)
	groups := groupsOf(all, growth)
	open := map[Link]bool{}
	for _, l := range all {
		open[l] = growth[l] > 0
	}
	left := func(g group) (n int) {
		for _, l := range g.members {
			if open[l] {
				n++
			}
		}
		return n
	}
	for {
		best, most := -1, 1
		for i, g := range groups {
			if n := left(g); n > most || n == most && best >= 0 && g.whole && !groups[best].whole {
				best, most = i, n
			}
		}
		if best < 0 {
			break
		}
		g := groups[best]
		var taken []Link
		for _, l := range g.members {
			if !open[l] {
				continue
			}
			rival := slices.ContainsFunc(groups, func(o group) bool {
				return o.hop != g.hop && (o.whole || !g.whole) && left(o) >= most && slices.Contains(o.members, l)
			})
			out[l] = End{Hop: g.hop, Sure: !rival}
			taken = append(taken, l)
		}
		for _, l := range taken {
			open[l] = false
			if e := out[l]; e.Sure {
				e.With = others(g)
				out[l] = e
			}
		}
	}
	for _, l := range all {
		if open[l] {
			out[l] = End{Hop: single(l, growth)}
		}
	}
	return out
}

// groupsOf returns the groups of at least two links that slowed together: the links of
// a service to its callees, those from its callers, and all of them.
func groupsOf(all []Link, growth map[Link]float64) []group {
	out, in, names := map[string][]Link{}, map[string][]Link{}, map[string]bool{}
	for _, l := range all {
		if l.Caller != l.Callee {
			out[l.Caller], in[l.Callee] = append(out[l.Caller], l), append(in[l.Callee], l)
			names[l.Caller], names[l.Callee] = true, true
		}
	}
	var groups []group
	for _, hop := range slices.Sorted(maps.Keys(names)) {
		most := 0.0
		for _, l := range slices.Concat(out[hop], in[hop]) {
			most = max(most, growth[l])
		}
		slow := func(links []Link, most float64) (s []Link) {
			for _, l := range links {
				if growth[l] > 0 && growth[l] >= minRelative*most {
					s = append(s, l)
				}
			}
			return s
		}
		// Both directions are compared with the largest growth of either.
		from, to := slow(out[hop], most), slow(in[hop], most)
		if len(from) > 0 && len(to) > 0 && mostly(from, out[hop]) && mostly(to, in[hop]) {
			groups = append(groups, group{hop, slices.Concat(from, to), len(from) == len(out[hop]) && len(to) == len(in[hop])})
		}
		for _, links := range [][]Link{out[hop], in[hop]} {
			most := 0.0
			for _, l := range links {
				most = max(most, growth[l])
			}
			if s := slow(links, most); len(s) > 1 && mostly(s, links) {
				groups = append(groups, group{hop, s, len(s) == len(links)})
			}
		}
	}
	return groups
}

// mostly reports whether, beside each slow link, at least half of the others slowed.
func mostly(slow, all []Link) bool { return 2*(len(slow)-1) >= len(all)-1 }

// others returns the other ends of a group's members.
func others(g group) []string {
	var names []string
	for _, l := range g.members {
		if l.Caller == g.hop {
			names = append(names, l.Callee)
		} else {
			names = append(names, l.Caller)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// single returns the end of a link that slowed alone: the caller if the callee has
// other callers, whose links did not slow, and the caller has no other callee.
func single(l Link, growth map[Link]float64) string {
	callers, callees := false, false
	for o := range growth {
		callers = callers || o != l && o.Callee == l.Callee && o.Caller != l.Callee
		callees = callees || o != l && o.Caller == l.Caller && o.Callee != l.Caller
	}
	if callers && !callees {
		return l.Caller
	}
	return l.Callee
}

func compareLinks(a, b Link) int {
	return cmp.Or(cmp.Compare(a.Caller, b.Caller), cmp.Compare(a.Callee, b.Callee))
}
