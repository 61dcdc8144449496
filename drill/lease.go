package drill

import (
	"context"
	"net/http"
	"sync"
)

// Leases hold faults that end with this process: each lasts until its connection closes,
// however this process ends. The zero value is empty. It is safe for concurrent use.
type Leases struct {
	mu   sync.Mutex
	held map[leased]func()
}

type leased struct{ process, id string }

// take injects a fault that lasts until end is called, or this process ends. It returns
// the fault's ID.
func (l *Leases) take(ctx context.Context, f Faults, process string, body []byte) (string, error) {
	held, release := context.WithCancel(context.WithoutCancel(ctx))
	timeout, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	stop := context.AfterFunc(timeout, release)                                   // the connection ends, and the fault with it
	resp, err := f.send(held, http.MethodPost, process, "/chaos?hold=true", body) //nolint:bodyclose // the lease ends with the body
	if err != nil {
		release()
		return "", err
	}
	var answer struct {
		ID string `json:"id"`
	}
	if err := decode(process, "/chaos", resp, &answer); err != nil || !stop() {
		release()
		_ = resp.Body.Close()
		if err == nil {
			err = context.Cause(timeout)
		}
		return "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = map[leased]func(){}
	}
	l.held[leased{process, answer.ID}] = func() {
		release()
		_ = resp.Body.Close() // nothing more is read
	}
	return answer.ID, nil
}

// end ends a lease. It does nothing if there is none.
func (l *Leases) end(in Injected) {
	if l == nil {
		return
	}
	l.mu.Lock()
	release := l.held[leased{in.Process, in.ID}]
	delete(l.held, leased{in.Process, in.ID})
	l.mu.Unlock()
	if release != nil {
		release()
	}
}
