// Package watch answers alerts with their diagnosis. It takes alerts from
// Alertmanager's webhook and from Prometheus, groups them into incidents, diagnoses
// each incident until the verdict is sure, and keeps one message per incident up to
// date at each receiver.
package watch

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/tenhop/tenhop/diagnose/result"
)

// Config configures a Watcher.
type Config struct {
	// Dir is the directory that stores the incidents. It is created.
	Dir string

	// Diagnose diagnoses what an alert is about. At most one call runs at a time.
	Diagnose func(context.Context, Question) (result.Result, error)

	// Alerts returns the firing alerts of a Prometheus, which is polled. It may be nil.
	Alerts func(context.Context) ([]Alert, error)

	// Look diagnoses the metrics without an alert, from a while before since on, which is
	// zero unless something was found. It is called at each Timing.Poll, so that a cause
	// is posted before a rule has fired. It may be nil.
	Look func(ctx context.Context, since time.Time) (result.Result, error)

	// Begin is when Alerts and Look are first called; at once if it is zero. A system that
	// starts needs a minute until it can be compared with itself, not with the run before.
	Begin time.Time

	// Console is the base URL of the console, to whose page of the incident messages link. It
	// may be empty.
	Console string

	Receivers []Receiver
	Timing    Timing
	Metrics   prometheus.Registerer // none if nil
	Logger    *slog.Logger          // slog.Default if nil
}

// Timing holds the durations of a Watcher. Zero values are the defaults.
type Timing struct {
	// Settle is the time for which an alert must fire before it is posted; 2 s.
	Settle time.Duration

	// Quiet is the time without a firing alert after which an incident is closed; 1 m.
	// An alert that fires again earlier belongs to the same incident. If it resolved
	// before it was posted, it must then fire for Quiet instead of Settle.
	Quiet time.Duration

	// Patience is the time after which an incident is posted without a sure verdict; 20 s.
	Patience time.Duration

	// Forget is the time after which an alert of a webhook is taken as resolved if nothing
	// was heard of it; 5 h. It must be longer than Alertmanager's repeat_interval.
	Forget time.Duration

	// Poll is the interval at which Alerts and Look are called; 2 s.
	Poll time.Duration
}

// Question holds what the alerts of an incident say about it.
type Question struct {
	Entry string    // operation at the edge; empty if the alerts name none, or several
	At    time.Time // start of the first alert
}

// Watcher turns alerts into incidents. Create it with New and run it with Run, or end it
// with Close.
type Watcher struct {
	cfg     Config
	log     *slog.Logger
	store   store
	metrics *metrics
	woken   chan struct{}
	held    *os.File  // the lock of Dir
	began   time.Time // when this run began
	leftAt  time.Time // when the run before was alive last
	polls   int       // successful ones

	mu         sync.Mutex
	incidents  []*Incident // oldest first
	polled     map[string]Alert
	polledAt   time.Time // last successful poll
	diagnosing bool
	changed    map[string]*Incident // to be stored, by ID; nil for one that was removed
	failedAt   time.Time            // last failure to store

	receiving *semaphore.Weighted // bytes of payloads that may be received
	answering chan struct{}       // an element per history that is being answered

	storing  sync.Mutex       // held while files are written; taken before mu
	unstored map[string]error // by ID, of the last attempt; guarded by storing
}

const (
	tick             = 250 * time.Millisecond // interval at which incidents are looked at
	diagnosisTimeout = 30 * time.Second
)

// New returns a Watcher with the incidents that Dir holds. It fails with ErrHeld if another
// Watcher uses Dir.
func New(cfg Config) (*Watcher, error) {
	if cfg.Diagnose == nil || cfg.Dir == "" {
		return nil, errors.New("watch: Config.Diagnose and Config.Dir are required")
	}
	t := &cfg.Timing
	t.Settle, t.Quiet = cmp.Or(t.Settle, 2*time.Second), cmp.Or(t.Quiet, time.Minute)
	t.Patience, t.Poll = cmp.Or(t.Patience, 20*time.Second), cmp.Or(t.Poll, 2*time.Second)
	t.Forget = cmp.Or(t.Forget, 5*time.Hour)
	w := &Watcher{cfg: cfg, log: cfg.Logger, store: store{cfg.Dir}, woken: make(chan struct{}, 1), polled: map[string]Alert{},
		changed: map[string]*Incident{}, unstored: map[string]error{},
		receiving: semaphore.NewWeighted(maxReceiving), answering: make(chan struct{}, maxAnswers)}
	if w.log == nil {
		w.log = slog.Default()
	}
	var err error
	now := time.Now()
	w.began, w.leftAt = now, w.store.left(now)
	if w.held, err = w.store.lock(); err != nil {
		return nil, err
	}
	if w.incidents, err = w.store.load(w.log); err != nil {
		w.Close()
		return nil, err
	}
	for _, i := range w.incidents {
		if i.State == Open {
			w.reopen(i, now)
		}
	}
	w.metrics = newMetrics(w, cfg.Metrics)
	return w, nil
}

// Run watches until ctx ends. It returns when what it started has ended.
func (w *Watcher) Run(ctx context.Context) {
	defer w.Close()
	var running sync.WaitGroup
	defer running.Wait()
	for _, r := range w.cfg.Receivers {
		running.Go(func() { w.deliver(ctx, r) })
	}
	if w.cfg.Alerts != nil {
		running.Go(func() { w.poll(ctx) })
	}
	if w.cfg.Look != nil {
		running.Go(func() { w.look(ctx) })
	}
	t := time.NewTicker(tick)
	defer t.Stop()
	var noted time.Time
	for {
		now := time.Now()
		if now.Sub(noted) >= aliveEvery {
			w.alive(now)
			noted = now
		}
		w.step(ctx, &running)
		if w.storable(now) {
			_ = w.flush() // an error is logged
		}
		select {
		case <-ctx.Done():
			w.alive(time.Now())
			_ = w.flush() // an error is logged
			return
		case <-t.C:
		case <-w.woken:
		}
	}
}

// wake makes Run look at the incidents now.
func (w *Watcher) wake() {
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

// poll asks for the firing alerts. An alert that is no longer among them is resolved.
func (w *Watcher) poll(ctx context.Context) {
	failing := false
	if !w.wait(ctx) {
		return
	}
	for {
		asked, cancel := context.WithTimeout(ctx, 5*time.Second)
		found, err := w.cfg.Alerts(asked)
		cancel()
		if err != nil {
			if !failing && ctx.Err() == nil {
				w.log.Warn("alerts cannot be read; trying again", "error", err)
			}
		} else {
			w.confirm(found, time.Now())
			_ = w.accept(w.withResolved(found), true) // an error is logged
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-time.After(w.cfg.Timing.Poll):
		}
	}
}

// withResolved adds the alerts that no longer fire as resolved ones.
func (w *Watcher) withResolved(found []Alert) []Alert {
	now := map[string]Alert{}
	for _, a := range found {
		now[a.key()] = a
	}
	at := w.resolvedAt()
	for key, a := range w.polled {
		if _, still := now[key]; !still {
			a.resolve(at)
			found = append(found, a)
		}
	}
	w.polled = now
	return found
}

// step drops, posts or closes every incident, and diagnoses one.
func (w *Watcher) step(ctx context.Context, running *sync.WaitGroup) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	for _, i := range slices.Clone(w.incidents) {
		if i.State == Closed {
			continue
		}
		w.missed(i, now)
		if !w.over(i, now) && i.Settled && !i.Posted {
			w.decide(i, now)
		}
	}
	if i := w.waiting(now); i != nil && !w.diagnosing {
		w.diagnosing, i.pending = true, false
		q := i.question()
		running.Go(func() { w.diagnose(ctx, i, q) })
	}
	w.prune()
}

// waiting returns the incident that has waited longest for a diagnosis, or nil. A new one has
// not had any: those whose diagnoses are not sure, which are due again and again, come later.
func (w *Watcher) waiting(now time.Time) *Incident {
	var first *Incident
	for _, i := range w.incidents {
		if i.State == Open && i.due(now) && (first == nil || i.next.Before(first.next)) {
			first = i
		}
	}
	return first
}

// over settles an incident, and ends it after a quiet time. It reports whether it ended.
func (w *Watcher) over(i *Incident, now time.Time) bool {
	t := w.cfg.Timing
	if i.firing() > 0 {
		need := t.Settle
		if i.Flaps > 0 {
			need = t.Quiet
		}
		if !i.Settled && (i.agreed() || i.ruled() > 0 && now.Sub(i.FiringSince) >= need) {
			i.Settled = true
			w.save(i)
		}
		return false
	}
	unfounded := !i.Settled && i.presumed()
	if now.Sub(i.QuietSince) < t.Quiet && !unfounded {
		return false
	}
	if !i.Settled {
		if !unfounded {
			w.metrics.flapped.Inc()
		}
		w.remove(i)
		return true
	}
	recovered := i.recovered()
	i.State, i.Recovered = Closed, &recovered
	text := "recovered"
	if i.Note != "" {
		text += "; " + i.Note
	}
	i.say(now, text)
	w.metrics.closed(i)
	w.save(i)
	return true
}

// decide posts an incident that has a sure verdict or has waited for one long enough. An
// incident with the cause of another one becomes a part of that instead.
func (w *Watcher) decide(i *Incident, now time.Time) {
	if i.Named != nil {
		for _, other := range w.incidents {
			if other != i && other.State == Open && other.Posted && other.cause() == i.cause() {
				other.merge(i)
				w.remove(i)
				w.save(other)
				return
			}
		}
	}
	patience := w.cfg.Timing.Patience
	if i.Result == nil && i.Problem == "" { // the first diagnosis runs: what it says comes soon
		patience += diagnosisTimeout
	}
	if i.Named == nil && now.Sub(i.Paged) < patience {
		return
	}
	i.Posted = true
	i.say(now, i.Headline())
	w.save(i)
}

// diagnose runs one diagnosis of an incident.
func (w *Watcher) diagnose(ctx context.Context, i *Incident, q Question) {
	asked, cancel := context.WithTimeout(ctx, diagnosisTimeout)
	defer cancel()
	began := time.Now()
	res, err := w.cfg.Diagnose(asked, q)
	if ctx.Err() != nil {
		return // the next run diagnoses it again
	}
	w.answered(i, res, err, time.Since(began))
	_ = w.flush() // an error is logged
	w.wake()
}

// answered takes the result of a diagnosis. The next one of the incident begins after the
// time that this one took at the earliest, so that back ends that answer slowly get a rest.
func (w *Watcher) answered(i *Incident, res result.Result, err error, took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.diagnosing = false
	w.metrics.diagnoses.Inc()
	now := time.Now()
	if err != nil {
		w.log.Warn("diagnosis failed; trying again", "incident", i.ID, "error", err)
		i.learnt(now, nil, err)
	} else {
		i.learnt(now, &res, nil)
	}
	if rested := now.Add(took); i.next.Before(rested) {
		i.next = rested
	}
	w.save(i)
}
