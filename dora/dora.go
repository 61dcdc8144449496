// Package dora computes the software delivery metrics of DORA (dora.dev) from what
// production shows: versions of services, incidents, and commits.
//
//   - Deployment frequency: deployments per day. A deployment is a version of a service
//     that starts to run beside or instead of another one.
//   - Lead time for changes: from the commit of a version to the first time that the
//     version was seen.
//   - Change failure rate: the share of deployments after which an incident named the
//     service, or whose version was rolled back.
//   - Failed deployment recovery time: from the beginning of that incident to its end.
//
// A figure whose evidence is missing is nil, and Report.Missing says why.
package dora

import (
	"maps"
	"math"
	"slices"
	"time"
)

// Deployment is a version of a service that began to run. Its JSON is stable: fields may
// be added and are never renamed.
type Deployment struct {
	Service  string    `json:"service"`
	Version  string    `json:"version"`
	Before   string    `json:"before"`   // the version that it replaces
	Seen     time.Time `json:"seen"`     // the first time that it was seen
	Rollback bool      `json:"rollback"` // the version is older than Before: it had run before it

	Commit    string     `json:"commit,omitempty"`
	Committed *time.Time `json:"committed,omitempty"`
	LeadTimeS *float64   `json:"lead_time_s"`       // nil for a rollback and for an unknown commit
	NoLead    string     `json:"no_lead,omitempty"` // why LeadTimeS is nil

	Failed     bool     `json:"failed"`
	Incident   string   `json:"incident,omitempty"` // the first incident that counts against it
	RolledBack bool     `json:"rolled_back"`        // an older version replaced it
	RecoveryS  *float64 `json:"recovery_s"`         // nil while the incident is open, and without one

	again    bool   // the version had run before, as after a rollback or when it is rolled out again
	revision string // commit that the service reports beside its version
}

// Incident is a time in which production was impaired.
type Incident struct {
	ID        string     `json:"id"`
	Title     string     `json:"title"`
	Began     time.Time  `json:"began"`
	Recovered *time.Time `json:"recovered,omitempty"`
	Services  []string   `json:"services"`            // that the diagnosis names, else the alerts
	Deploy    string     `json:"deploy,omitempty"`    // "service version" of the deployment it counts against
	NoDeploy  string     `json:"no_deploy,omitempty"` // why it counts against none
}

// Commit is the commit that a version was built from.
type Commit struct {
	Hash string
	At   time.Time // committer's time
}

// Input is the evidence of a Report.
type Input struct {
	From, To time.Time
	Versions Versions

	// Incidents are nil if none are recorded, which is not the same as none.
	Incidents []Incident

	// Commit returns the commit of a version, or the reason why there is none. It is nil
	// without a repository.
	Commit func(service, version, revision string) (Commit, string)

	// Window is the time after a deployment in which an incident counts against it; 1 h
	// if zero.
	Window time.Duration
}

// DefaultWindow is the default of Input.Window. An error that only shows under the
// evening's load is not counted.
const DefaultWindow = time.Hour

// Report holds the four figures and what they were computed from. Its JSON is stable.
type Report struct {
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Days    float64   `json:"days"`     // with evidence of versions, of those between From and To
	Source  string    `json:"source"`   // of versions: prometheus or traces; empty without any
	WindowS float64   `json:"window_s"` // Input.Window

	Frequency Frequency `json:"deployment_frequency"`
	Lead      Lead      `json:"lead_time"`
	Failures  Failures  `json:"change_failure_rate"`
	Recovery  Times     `json:"failed_deployment_recovery_time"`
	Restore   Times     `json:"time_to_restore"` // of all incidents, whatever caused them

	Services    []Service    `json:"services"`
	Deployments []Deployment `json:"deployments"` // oldest first
	Incidents   []Incident   `json:"incidents"`   // oldest first
	Missing     []string     `json:"missing"`     // what is not known, and what to do about it
}

// Frequency is the deployment frequency.
type Frequency struct {
	Deployments int      `json:"deployments"`
	Rollbacks   int      `json:"rollbacks"` // of Deployments
	PerDay      *float64 `json:"per_day"`   // nil with less than a day of evidence
}

// Lead is the lead time for changes.
type Lead struct {
	Times
	Unknown int `json:"unknown"` // deployments, other than rollbacks, whose commit is not known
}

// Failures is the change failure rate.
type Failures struct {
	Failed      int      `json:"failed"`
	Deployments int      `json:"deployments"`
	Ratio       *float64 `json:"ratio"` // nil without deployments and without recorded incidents
}

// Times summarizes durations in seconds. The figures are nil without one.
type Times struct {
	Known   int      `json:"known"`
	Open    int      `json:"open,omitempty"` // incidents that have not ended
	MeanS   *float64 `json:"mean_s"`
	MedianS *float64 `json:"median_s"`
	P90S    *float64 `json:"p90_s"`
}

// Service holds the counts of one service.
type Service struct {
	Service     string    `json:"service"`
	Version     string    `json:"version"` // the newest deployed
	Deployments int       `json:"deployments"`
	Failed      int       `json:"failed"`
	Seen        time.Time `json:"seen,omitzero"` // of the newest deployment
}

// Compute computes the figures.
func Compute(in Input) Report {
	if in.Window <= 0 {
		in.Window = DefaultWindow
	}
	r := Report{From: in.From, To: in.To, Source: in.Versions.Source, WindowS: in.Window.Seconds(),
		Days: in.Versions.Covered.Hours() / 24, Services: []Service{}, Deployments: []Deployment{}, Incidents: []Incident{}, Missing: []string{}}
	for service, seen := range in.Versions.Seen {
		r.Deployments = append(r.Deployments, deployments(service, seen, in.Versions.Revisions)...)
	}
	slices.SortFunc(r.Deployments, func(a, b Deployment) int {
		if c := a.Seen.Compare(b.Seen); c != 0 {
			return c
		}
		return compareNames(a, b)
	})
	for _, i := range in.Incidents {
		if !i.Began.Before(in.From) && i.Began.Before(in.To) {
			r.Incidents = append(r.Incidents, i)
		}
	}
	slices.SortStableFunc(r.Incidents, func(a, b Incident) int { return a.Began.Compare(b.Began) })
	r.lead(in.Commit)
	r.fail(in.Window, in.Versions.Resolution)
	r.count(in)
	return r
}

// lead sets the lead times.
func (r *Report) lead(commit func(service, version, revision string) (Commit, string)) {
	var all []float64
	for n := range r.Deployments {
		d := &r.Deployments[n]
		switch {
		case d.Rollback:
			d.NoLead = "a rollback brings no change"
			continue
		case d.again:
			d.NoLead = "it was deployed before"
			continue
		case commit == nil:
			d.NoLead = "no git"
		default:
			c, why := commit(d.Service, d.Version, d.revision)
			if why != "" {
				d.NoLead = why
				break
			}
			d.Commit, d.Committed = c.Hash, &c.At
			if lead := d.Seen.Sub(c.At).Seconds(); lead >= 0 {
				d.LeadTimeS = &lead
				all = append(all, lead)
			} else {
				d.NoLead = "its commit is younger than the deployment"
			}
		}
		if d.LeadTimeS == nil {
			r.Lead.Unknown++
		}
	}
	r.Lead.Times = times(all)
}

// fail decides which deployments failed. An incident counts against the newest deployment
// of a service it names that was seen within the window before it began. A version that
// was seen up to two resolutions later is not too late: evidence of a deployment may
// arrive after that of its effect.
func (r *Report) fail(window, resolution time.Duration) {
	slack := 2 * resolution
	for n := range r.Incidents {
		i := &r.Incidents[n]
		at := -1
		for k, d := range r.Deployments {
			if slices.Contains(i.Services, d.Service) && !d.Seen.After(i.Began.Add(slack)) && i.Began.Sub(d.Seen) <= window {
				at = k
			}
		}
		if at < 0 {
			i.NoDeploy = "no deployment of a service that it names in the " + Duration(window.Seconds()) + " before it"
			if len(i.Services) == 0 {
				i.NoDeploy = "it names no service"
			}
			continue
		}
		d := &r.Deployments[at]
		i.Deploy = d.Service + " " + d.Version
		d.Failed = true
		if d.Incident == "" {
			d.Incident = i.ID
		}
		if d.Incident == i.ID {
			d.RecoveryS = i.seconds()
		}
	}
	newest := map[string]int{}
	for n, d := range r.Deployments {
		if before, ok := newest[d.Service]; ok && d.Rollback {
			r.Deployments[before].RolledBack, r.Deployments[before].Failed = true, true
		}
		newest[d.Service] = n
	}
}

// count sets the sums.
func (r *Report) count(in Input) {
	var recovery, restore []float64
	by := map[string]*Service{}
	for service := range in.Versions.Seen {
		by[service] = &Service{Service: service, Version: in.Versions.newest(service)}
	}
	for _, d := range r.Deployments {
		s := by[d.Service]
		s.Deployments++
		s.Version, s.Seen = d.Version, d.Seen
		if d.Rollback {
			r.Frequency.Rollbacks++
		}
		if d.Failed {
			s.Failed++
			r.Failures.Failed++
		}
		if d.RecoveryS != nil {
			recovery = append(recovery, *d.RecoveryS)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(by)) {
		r.Services = append(r.Services, *by[name])
	}
	for _, i := range r.Incidents {
		if s := i.seconds(); s != nil {
			restore = append(restore, *s)
		}
	}
	r.Recovery, r.Restore = times(recovery), times(restore)
	for _, d := range r.Deployments {
		if d.Incident != "" && d.RecoveryS == nil {
			r.Recovery.Open++
		}
	}
	r.Restore.Open = len(r.Incidents) - r.Restore.Known
	n := len(r.Deployments)
	r.Frequency.Deployments, r.Failures.Deployments = n, n
	if r.Days >= 1 {
		perDay := float64(n) / r.Days
		r.Frequency.PerDay = &perDay
	}
	if n > 0 && in.Incidents != nil {
		ratio := float64(r.Failures.Failed) / float64(n)
		r.Failures.Ratio = &ratio
	}
	r.Missing = missing(r, in)
}

// seconds returns how long an incident lasted, or nil while it is open.
func (i Incident) seconds() *float64 {
	if i.Recovered == nil || i.Recovered.Before(i.Began) {
		return nil
	}
	s := i.Recovered.Sub(i.Began).Seconds()
	return &s
}

// times summarizes seconds. The ninetieth percentile is the smallest value that is not
// exceeded by 90 % of them.
func times(s []float64) Times {
	t := Times{Known: len(s)}
	if len(s) == 0 {
		return t
	}
	slices.Sort(s)
	var sum float64
	for _, v := range s {
		sum += v
	}
	mean, median := sum/float64(len(s)), (s[(len(s)-1)/2]+s[len(s)/2])/2
	p90 := s[int(math.Ceil(.9*float64(len(s))))-1]
	t.MeanS, t.MedianS, t.P90S = &mean, &median, &p90
	return t
}
