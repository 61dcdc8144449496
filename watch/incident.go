package watch

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tenhop/tenhop/diagnose/render"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query"
)

// States of an incident.
const (
	Open   = "open"
	Closed = "closed"
)

// Incident is a group of alerts with one diagnosis and one message. Its JSON is stable:
// fields may be added and are never renamed.
type Incident struct {
	ID    string `json:"id"`
	State string `json:"state"`

	Began     time.Time  `json:"began"`               // the evidence left its baseline; else start of the first alert
	Paged     time.Time  `json:"paged"`               // noticed: the first alert arrived, or a look found a cause
	Alerted   *time.Time `json:"alerted,omitempty"`   // the first alert of a rule arrived
	Named     *time.Time `json:"named,omitempty"`     // the first sure verdict
	Recovered *time.Time `json:"recovered,omitempty"` // the last alert was resolved

	Alerts  map[string]*grouped `json:"alerts"` // by a hash of their labels
	Dropped int                 `json:"alerts_dropped,omitempty"`
	Result  *result.Result      `json:"diagnosis,omitempty"` // the newest sure one, else the newest
	Problem string              `json:"problem,omitempty"`   // why the newest diagnosis failed
	Said    []Said              `json:"said"`                // what was posted when
	Note    string              `json:"note,omitempty"`      // why it ended, if no message said so

	Posted   bool `json:"posted"`
	Revision int  `json:"revision"` // of the message

	// Delivered holds what each receiver has.
	Delivered map[string]Delivery `json:"delivered"`

	Settled     bool      `json:"settled"`
	Flaps       int       `json:"flaps"` // resolved before it was settled
	FiringSince time.Time `json:"firing_since"`
	QuietSince  time.Time `json:"quiet_since,omitzero"`
	LastAlert   time.Time `json:"last_alert"`

	pending   bool   // a new alert asks for a diagnosis
	confirmed string // hop that two looks in succession named
	tries     int
	sure      int // sure diagnoses with the same cause
	next      time.Time
	alarming  int                // firing alerts
	looking   int                // those of them that only a look has found
	bytes     int                // of all alerts
	failures  map[string]failure // by receiver
}

// Said is one state of an incident's message.
type Said struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// Delivery holds the revision that a receiver has.
type Delivery struct {
	Revision int    `json:"revision"`
	Ref      string `json:"ref,omitempty"` // the receiver's name of the message
}

type grouped struct {
	Alert
	Polled bool `json:"polled,omitempty"`

	Heard   time.Time `json:"heard,omitzero"`   // when a webhook last had it
	Polling time.Time `json:"polling,omitzero"` // when the polled Prometheus last had it, if a webhook has it too
}

const (
	maxAlerts     = 2000    // alerts kept of an incident
	maxAlertBytes = 1 << 20 // their size
	maxSaid       = 100
)

func (i *Incident) firing() int { return i.alarming }

// count counts the firing alerts after the incident was read or merged.
func (i *Incident) count() {
	i.alarming, i.looking, i.bytes = 0, 0, 0
	for _, a := range i.Alerts {
		i.tally(a.Alert, 1)
		i.bytes += a.size()
	}
}

// tally counts a firing alert n times.
func (i *Incident) tally(a Alert, n int) {
	if !a.Firing() {
		return
	}
	i.alarming += n
	if a.Looked {
		i.looking += n
	}
}

// ruled returns the number of firing alerts of rules.
func (i *Incident) ruled() int { return i.alarming - i.looking }

// take adds an alert or its new state. It reports whether that changed something.
func (i *Incident) take(a Alert, polled bool, now time.Time) bool {
	key := a.key()
	old := i.Alerts[key]
	if old != nil && a.Firing() && !polled {
		old.Heard = now
	}
	switch {
	case old == nil && !a.Firing(), old != nil && old.Firing() == a.Firing():
		return false
	case old == nil && !i.room(a):
		i.Dropped++
		return false
	}
	ruled := i.ruled()
	if old != nil {
		i.tally(old.Alert, -1)
		i.bytes -= old.size()
	}
	i.bytes += a.size()
	i.Alerts[key] = &grouped{Alert: a, Polled: polled, Heard: now}
	i.tally(a, 1)
	switch {
	case ruled == 0 && i.ruled() > 0:
		i.FiringSince = now
		if i.Alerted == nil {
			i.Alerted = &now
		}
	case ruled > 0 && i.ruled() == 0 && !i.Settled:
		i.Flaps++
	}
	if a.Firing() {
		i.LastAlert, i.pending, i.Note = now, true, ""
	} else if i.alarming == 0 {
		if i.QuietSince = now; polled {
			i.QuietSince = a.EndsAt
		}
	}
	return true
}

// room reports whether the incident keeps one more alert.
func (i *Incident) room(a Alert) bool {
	return len(i.Alerts) < maxAlerts && i.bytes+a.size() <= maxAlertBytes
}

// merge takes the alerts of an incident that has the same cause. The incident began and was
// noticed when the first of both was, and is as quiet as the last.
func (i *Incident) merge(other *Incident) {
	for key, a := range other.Alerts {
		if i.Alerts[key] != nil || i.room(a.Alert) {
			i.Alerts[key] = a
			i.bytes += a.size()
		} else {
			i.Dropped++
		}
	}
	i.count()
	if i.Alerted == nil || other.Alerted != nil && other.Alerted.Before(*i.Alerted) {
		i.Alerted = other.Alerted
	}
	i.Began, i.Paged = earlier(i.Began, other.Began), earlier(i.Paged, other.Paged)
	i.LastAlert, i.QuietSince = later(i.LastAlert, other.LastAlert), later(i.QuietSince, other.QuietSince)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// question returns what to diagnose.
func (i *Incident) question() Question {
	q := Question{At: i.Paged}
	entries := map[string]bool{}
	found := i.presumed() // else a rule may have fired for another entry than the look's
	for _, a := range i.Alerts {
		if a.StartsAt.Before(q.At) {
			q.At = a.StartsAt
		}
		if a.Entry() != "" && (found || !a.Looked) {
			entries[a.Entry()] = true
		}
	}
	if len(entries) == 1 {
		for q.Entry = range entries {
		}
	}
	return q
}

// Diagnoses are repeated until the cause was the same twice, at intervals that double. An
// incident that only looks have found is diagnosed at each scrape at first.
const (
	firstAgain    = time.Second
	maxAgain      = time.Minute
	enough        = 2
	presumedAgain = 2 * time.Second
	presumedFor   = 20 * time.Second
)

// due reports whether the incident needs a diagnosis. A storm of alerts asks for one
// per interval at most.
func (i *Incident) due(now time.Time) bool {
	if i.alarming == 0 || now.Before(i.next) {
		return false
	}
	return i.sure < enough || i.pending && now.Sub(i.next) >= 0
}

// learnt takes the result of a diagnosis, or its error. A sure result is not replaced
// by one that is not.
func (i *Incident) learnt(now time.Time, res *result.Result, err error) {
	pause := min(firstAgain<<min(i.tries, 10), maxAgain)
	if i.presumed() && now.Sub(i.Paged) < presumedFor {
		pause = min(pause, presumedAgain)
	}
	i.tries++
	i.next = now.Add(pause)
	if err != nil {
		i.Problem = query.Printable(err.Error())
		return
	}
	i.Problem = ""
	before := i.cause()
	if i.Named != nil && !sure(res) {
		i.sure = enough // it passes, or the evidence has moved on
		return
	}
	i.Result = res
	if sure(res) {
		if i.Named == nil {
			i.Named = &now
		}
		i.sure++
		if i.cause() != before {
			i.sure = 1
		}
		if from := began(res); !from.IsZero() && from.Before(i.Paged) {
			i.Began = from
		}
		if i.sure >= enough {
			i.next = now.Add(15 * time.Second)
		}
	}
	if i.Posted && i.cause() != before {
		i.say(now, i.Headline())
	}
}

// sure reports whether a result names a cause.
func sure(r *result.Result) bool {
	return r != nil && (r.Verdict == result.Spike || r.Verdict == result.Errors) && len(r.Findings) > 0
}

func began(r *result.Result) time.Time {
	if r.Verdict == result.Errors && r.Errors != nil && r.Errors.Window != nil {
		return r.Errors.Window.From
	}
	return r.Window.From
}

// cause identifies what the diagnosis names, without its numbers.
func (i *Incident) cause() string {
	if i.Result == nil {
		return ""
	}
	parts := []string{i.Result.Verdict}
	if len(i.Result.Findings) > 0 {
		f := i.Result.Findings[0]
		parts = append(parts, f.Hop, f.Kind, f.Target, f.Instance)
		if f.Cause != nil && f.Cause.Sure {
			parts = append(parts, f.Cause.Kind)
		}
	}
	return strings.Join(parts, "\x00")
}

// names reports whether the diagnosis names a service or dependency.
func (i *Incident) names(place string) bool {
	return place != "" && sure(i.Result) && slices.ContainsFunc(i.Result.Findings,
		func(f result.Finding) bool { return f.Hop == place || f.Target == place })
}

// say makes a new revision of the message.
func (i *Incident) say(at time.Time, text string) {
	i.Revision++
	i.Said = append(i.Said, Said{at, text})
	if len(i.Said) > maxSaid {
		i.Said = i.Said[len(i.Said)-maxSaid:]
	}
}

// recovered returns when the last alert was resolved. It is not before the incident began,
// which a diagnosis may have found to be later than the start of its alerts.
func (i *Incident) recovered() time.Time {
	var at time.Time
	for _, a := range i.Alerts {
		if a.EndsAt.After(at) {
			at = a.EndsAt
		}
	}
	if at.IsZero() || at.After(i.QuietSince) {
		at = i.QuietSince
	}
	if at.Before(i.Began) {
		return i.Began
	}
	return at
}

// Headline returns the diagnosis in one line.
func (i *Incident) Headline() string {
	switch {
	case i.Result == nil && i.Problem != "":
		return "not sure: the diagnosis failed: " + i.Problem
	case i.Result == nil:
		return "not sure: there is no diagnosis yet"
	}
	return query.Printable(render.Verdict(*i.Result))
}

// Rules returns the number of alerts of rules.
func (i *Incident) Rules() int {
	n := i.Dropped
	for _, a := range i.Alerts {
		if !a.Looked {
			n++
		}
	}
	return n
}

// Names returns the alerts of rules in words, at most limit of them.
func (i *Incident) Names(limit int) string {
	counts := map[string]int{}
	for _, a := range i.Alerts {
		if !a.Looked {
			counts[strings.TrimSpace(a.Name()+" "+a.Place())]++
		}
	}
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	})
	var out []string
	for _, name := range names[:min(limit, len(names))] {
		if n := counts[name]; n > 1 {
			name = fmt.Sprintf("%s (%d)", name, n)
		}
		out = append(out, name)
	}
	if more := len(names) - len(out); more > 0 {
		out = append(out, fmt.Sprintf("%d more", more))
	}
	return strings.Join(out, ", ")
}
