package watch

import (
	"context"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query"
)

const (
	lookTimeout = 10 * time.Second

	// ended is the number of successive looks without a cause after which one that was
	// found has passed, and fades the time after which it has passed although the looks
	// are not sure.
	ended = 3
	fades = time.Minute

	// lookRest is the rest after a look, in units of the time that it took, and longestRest
	// its bound, so that a slow back end delays a find by seconds only. Chosen figures.
	lookRest    = 4
	longestRest = 10 * time.Second
)

// lookout holds what the looks have found. It is used by one goroutine.
type lookout struct {
	cause string // of the last look, if it was sure
	alert *Alert // fires; nil without one
	none  int    // successive looks that found nothing
	last  time.Time
}

// since returns when what the looks have found began, or the zero time.
func (l *lookout) since() time.Time {
	if l.alert == nil {
		return time.Time{}
	}
	return l.alert.StartsAt
}

// take takes the result of a look. It returns the alert that began to fire or was
// resolved, or nil, and whether a second look in succession found the same cause.
func (l *lookout) take(now time.Time, res result.Result) (changed *Alert, confirmed bool) {
	if sure(&res) {
		f := res.Findings[0]
		cause := res.Verdict + "\x00" + f.Hop
		confirmed = cause == l.cause
		l.cause, l.none, l.last = cause, 0, now
		if l.alert == nil {
			labels := map[string]string{"alertname": "Diagnosis", "verdict": res.Verdict, "service_name": f.Hop}
			if res.Entry.Operation != "" && res.Entry.Flow == "" {
				labels["entry"] = res.Entry.Operation
			}
			from := began(&res)
			if from.IsZero() || from.After(now) {
				from = now
			}
			l.alert = &Alert{Labels: labels, StartsAt: from, Looked: true}
			changed = l.alert
		}
		return changed, confirmed
	}
	l.cause = ""
	if res.Verdict == result.None {
		l.none++
	} else {
		l.none = 0
	}
	if l.alert != nil && (l.none >= ended || now.Sub(l.last) >= fades) {
		over := *l.alert
		over.EndsAt, l.alert = l.last, nil
		return &over, false
	}
	return nil, false
}

// look diagnoses the metrics without an alert until ctx ends, at each Poll. A back end
// that answers slowly is asked for a fifth of the time, and for half of it if a look takes
// as long as longestRest, or while a find waits for the look that confirms it.
func (w *Watcher) look(ctx context.Context) {
	var l lookout
	failing := false
	if !w.wait(ctx) {
		return
	}
	for {
		began := time.Now()
		asked, cancel := context.WithTimeout(ctx, lookTimeout)
		res, err := w.cfg.Look(asked, l.since())
		cancel()
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failing {
			w.log.Warn("metrics cannot be diagnosed; trying again", "error", err)
		}
		took := time.Since(began)
		rest := max(took, min(lookRest*took, longestRest))
		if failing = err != nil; !failing && !w.looked(&l, res) && l.cause != "" {
			rest = took
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(w.cfg.Timing.Poll-took, rest)):
		}
	}
}

// looked takes the result of a look into the incidents. It reports whether the look has
// confirmed the one before.
func (w *Watcher) looked(l *lookout, res result.Result) bool {
	w.metrics.looks.WithLabelValues(res.Verdict).Inc()
	changed, confirmed := l.take(time.Now(), res)
	if changed != nil {
		_ = w.accept([]Alert{*changed}, false) // an error is logged
	}
	if !confirmed || l.alert == nil {
		return false
	}
	w.mu.Lock()
	key := l.alert.key()
	for _, i := range w.incidents {
		if i.State == Open && i.Alerts[key] != nil {
			i.confirmed = query.Printable(res.Findings[0].Hop)
		}
	}
	w.mu.Unlock()
	w.wake()
	return true
}

// presumed reports whether only looks have found the incident, and no alert of a rule.
func (i *Incident) presumed() bool {
	for _, a := range i.Alerts {
		if !a.Looked {
			return false
		}
	}
	return true
}

// agreed reports whether an incident that only looks have found may be posted: two looks
// and the diagnosis name the same hop.
func (i *Incident) agreed() bool {
	return i.confirmed != "" && sure(i.Result) && query.Printable(i.Result.Findings[0].Hop) == i.confirmed
}
