package dora

import (
	"slices"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/watch"
)

// FromWatch returns the incidents of `tenhop watch`. Incidents that were never posted and
// are not closed are left out: their alerts may pass. The services are those that a sure
// diagnosis names first; without one, those of the alerts.
func FromWatch(list []*watch.Incident) []Incident {
	out := []Incident{}
	for _, i := range list {
		if i == nil || !i.Posted && i.State != watch.Closed {
			continue
		}
		n := Incident{ID: i.ID, Title: i.Headline(), Began: i.Began, Recovered: i.Recovered, Services: []string{}}
		if r := i.Result; r != nil && i.Named != nil && len(r.Findings) > 0 {
			n.Services = named(r.Findings[0])
		} else {
			n.Title = i.Names(3)
			n.Services = append(n.Services, i.Places()...)
		}
		out = append(out, n)
	}
	return out
}

// named returns the services that may have caused a finding: where the time is spent, and
// what it is spent on.
func named(f result.Finding) []string {
	return slices.DeleteFunc([]string{f.Hop, f.Target}, func(s string) bool { return s == "" })
}
