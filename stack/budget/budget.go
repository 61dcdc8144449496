// Package budget bounds the memory of all requests that a server reads at a time.
package budget

import (
	"errors"
	"io"

	"golang.org/x/sync/semaphore"
)

// ErrBusy is the error of a request for which no memory is free. It may be sent again.
var ErrBusy = errors.New("too many and too large requests are decoded at a time; send again later")

// step is the number of bytes for which a Reader takes memory at a time.
const step = 64 << 10

// Reader takes memory for what it reads, as it arrives, and Factor times as much if that is
// set. It fails with ErrBusy if none is free.
type Reader struct {
	In     io.Reader
	Free   *semaphore.Weighted // in bytes
	Factor int64

	read, taken int64
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	n, err := r.In.Read(p)
	for r.read += int64(n); r.taken < r.read*max(r.Factor, 1); r.taken += step {
		if !r.Free.TryAcquire(step) {
			return n, ErrBusy
		}
	}
	return n, err
}

// Taken returns the number of bytes that Release gives back.
func (r *Reader) Taken() int64 { return r.taken }

// Release gives back the memory. The Reader cannot be used afterwards.
func (r *Reader) Release() { r.Free.Release(r.taken) }
