package watch

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/slack-go/slack"
)

// Receiver takes messages about incidents.
type Receiver interface {
	// Name identifies the receiver. It holds no credentials.
	Name() string

	// Send posts a message, or replaces the one that m.Ref names. It returns the Ref of
	// the next call. After an error it is called again with the newest state.
	Send(ctx context.Context, m Message) (ref string, err error)
}

const (
	sendTimeout = 10 * time.Second
	firstRetry  = time.Second
	maxRetry    = 15 * time.Second
	lookAgain   = 250 * time.Millisecond

	firstRefused = 15 * time.Second // until a refused message is sent again; it doubles
	maxRefused   = 10 * time.Minute
)

// failure holds the attempts to send a state of a message that failed.
type failure struct {
	revision, times int
	again           time.Time // when it is sent again
}

// deliver sends what a receiver does not have, oldest incident first, until ctx ends. A
// message that fails waits behind the others.
// An incident whose message changes while the receiver is down is sent once, as it is
// then. A delivery that is not stored before a crash is repeated.
func (w *Watcher) deliver(ctx context.Context, to Receiver) {
	retry := firstRetry
	for {
		pause := lookAgain
		if i, m := w.undelivered(to.Name(), time.Now()); i != nil {
			sending, cancel := context.WithTimeout(ctx, sendTimeout)
			ref, err := to.Send(sending, m)
			cancel()
			if ctx.Err() != nil && err != nil {
				return
			}
			w.metrics.sent(to.Name(), err)
			if err == nil {
				w.delivered(i, to.Name(), Delivery{m.Revision, ref})
				retry = firstRetry
				continue
			}
			refused := refuses(err)
			w.failed(i, to.Name(), m.Revision, refused)
			if !refused {
				pause, retry = retry, min(2*retry, maxRetry)
			}
			var limited *slack.RateLimitedError
			if errors.As(err, &limited) {
				pause = max(pause, limited.RetryAfter)
			}
			w.log.Warn("message not delivered; trying again", "receiver", to.Name(), "incident", i.ID, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// undelivered returns the incident whose message is due, or nil: one that has not failed
// before one that has.
func (w *Watcher) undelivered(receiver string, now time.Time) (*Incident, Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var first *Incident
	var since time.Time
	for _, i := range w.incidents {
		if !i.lacking(receiver) {
			continue
		}
		var again time.Time
		if f := i.failures[receiver]; f.revision == i.Revision {
			again = f.again
		}
		if !again.After(now) && (first == nil || again.Before(since)) {
			first, since = i, again
		}
	}
	if first == nil {
		return nil, Message{}
	}
	m := first.message(first.Delivered[receiver].Ref)
	if w.cfg.Console != "" {
		m.URL = strings.TrimRight(w.cfg.Console, "/") + "/incidents/" + first.ID
	}
	return first, m
}

// failed notes when to send a message again.
func (w *Watcher) failed(i *Incident, receiver string, revision int, refused bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := i.failures[receiver]
	if f.revision != revision {
		f = failure{revision: revision}
	}
	wait := min(firstRetry<<min(f.times, 10), maxRetry)
	if refused {
		wait = min(firstRefused<<min(f.times, 10), maxRefused)
	}
	f.times++
	f.again = time.Now().Add(wait)
	if i.failures == nil {
		i.failures = map[string]failure{}
	}
	i.failures[receiver] = f
}

// refuses reports whether a receiver is up and refuses a message for what it holds.
func refuses(err error) bool {
	var status *statusError
	if errors.As(err, &status) {
		return refusing(status.code)
	}
	var hook slack.StatusCodeError // an incoming webhook has no other error
	if errors.As(err, &hook) {
		return refusing(hook.Code)
	}
	var answer slack.SlackErrorResponse
	return errors.As(err, new(template.ExecError)) || errors.As(err, &answer) && slices.Contains([]string{"invalid_blocks", "msg_too_long", "msg_blocks_too_long"}, answer.Err)
}

// refusing reports whether a status refuses a message, and not every message.
func refusing(code int) bool {
	switch code {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusRequestTimeout,
		http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return code/100 == 4
}

// lacking reports whether a receiver lacks the newest state of an incident. A receiver
// that is added later does not get the closed ones.
func (i *Incident) lacking(receiver string) bool {
	d, known := i.Delivered[receiver]
	return (known || i.State == Open) && (i.Posted || i.State == Closed) && i.Revision > d.Revision
}

func (w *Watcher) delivered(i *Incident, receiver string, d Delivery) {
	w.mu.Lock()
	i.Delivered[receiver] = d
	w.save(i)
	w.mu.Unlock()
	_ = w.flush() // an error is logged
}

// pendingAnywhere reports whether a receiver lacks the newest state of i.
func (w *Watcher) pendingAnywhere(i *Incident) bool {
	for _, r := range w.cfg.Receivers {
		if i.lacking(r.Name()) {
			return true
		}
	}
	return false
}
