package watch

import (
	"context"
	"errors"
	"time"

	"github.com/slack-go/slack"
)

// Receiver is where messages go.
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
)

// deliver sends what a receiver does not have, oldest incident first, until ctx ends.
// An incident whose message changes while the receiver is down is sent once, as it is
// then. A delivery that is not stored before a crash is repeated.
func (w *Watcher) deliver(ctx context.Context, to Receiver) {
	retry := firstRetry
	for {
		pause := lookAgain
		if i, m := w.undelivered(to.Name()); i != nil {
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
			pause, retry = retry, min(2*retry, maxRetry)
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

func (w *Watcher) undelivered(receiver string) (*Incident, Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, i := range w.incidents {
		if d := i.Delivered[receiver]; i.Posted && i.Revision > d.Revision || i.closedUnposted(d) {
			return i, i.message(d.Ref)
		}
	}
	return nil, Message{}
}

// closedUnposted reports whether an incident recovered before it was posted.
func (i *Incident) closedUnposted(d Delivery) bool {
	return i.State == Closed && i.Revision > d.Revision
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
		if d := i.Delivered[r.Name()]; (i.Posted || i.State == Closed) && i.Revision > d.Revision {
			return true
		}
	}
	return false
}
