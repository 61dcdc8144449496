package link

import (
	"sync"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
)

// maxSegments is the number of segments that may be in a pipe, as in toxiproxy.
const maxSegments = 1024

// pipe passes the segments of one direction through a toxic. out is closed after in.
type pipe struct {
	in, out chan *stream.StreamChunk
	stub    *toxics.ToxicStub

	mu    sync.Mutex
	toxic *toxics.ToxicWrapper
}

func newPipe(toxic *toxics.ToxicWrapper) *pipe {
	p := &pipe{in: make(chan *stream.StreamChunk, maxSegments), out: make(chan *stream.StreamChunk), toxic: toxic}
	p.stub = toxics.NewToxicStub(p.in, p.out)
	go p.stub.Run(toxic)
	return p
}

// turn runs another toxic, which current returns. Without one, segments pass at once.
func (p *pipe) turn(current func() *toxics.ToxicWrapper) {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := current()
	if next == nil {
		next = calm
	}
	if next != p.toxic && p.stub.InterruptToxic() {
		p.toxic = next
		go p.stub.Run(next)
	}
}

// deadline is a time after which reads or writes fail. It can be set again.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer
	past  chan struct{} // closed when it has passed
}

// set sets the deadline; the zero time is none.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.past // the timer closes it
	}
	d.timer = nil
	select {
	case <-d.past:
		d.past = make(chan struct{})
	default:
	}
	switch left := time.Until(t); {
	case t.IsZero():
	case left <= 0:
		close(d.past)
	default:
		past := d.past
		d.timer = time.AfterFunc(left, func() { close(past) })
	}
}

// stop ends the timer.
func (d *deadline) stop() { d.set(time.Time{}) }

// passed returns a channel that is closed when the deadline has passed.
func (d *deadline) passed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.past
}
