package link

import (
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
)

// each passes the segments of a stub on, each after the time that next returns for it. It
// closes the stub at the end of the input, and instead of a segment for which next returns
// false. It returns when the stub is closed or interrupted.
func each(stub *toxics.ToxicStub, next func(*stream.StreamChunk) (time.Duration, bool)) {
	for {
		select {
		case <-stub.Interrupt:
			return
		case c := <-stub.Input:
			wait, ok := time.Duration(0), c != nil
			if ok {
				wait, ok = next(c)
			}
			if !ok {
				stub.Close()
				return
			}
			if wait > 0 {
				select {
				case <-time.After(wait):
				case <-stub.Interrupt:
					stub.Output <- c
					return
				}
			}
			stub.Output <- c
		}
	}
}
