package budget_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"golang.org/x/sync/semaphore"

	"github.com/tenhop/tenhop/stack/budget"
)

func TestReader(t *testing.T) {
	const total = 1 << 20
	for _, c := range []struct {
		bytes int
		times int64
		err   error
	}{{0, 0, nil}, {total, 0, nil}, {total + 1, 0, budget.ErrBusy}, {total / 4, 4, nil}, {total/4 + 1, 4, budget.ErrBusy}} {
		free := semaphore.NewWeighted(total)
		r := &budget.Reader{In: strings.NewReader(strings.Repeat("x", c.bytes)), Free: free, Factor: c.times}
		n, err := io.Copy(io.Discard, r)
		if !errors.Is(err, c.err) || c.err == nil && n != int64(c.bytes) {
			t.Errorf("%+v: %d bytes, %v", c, n, err)
		}
		if held := r.Taken(); held > total || c.err == nil && held < int64(c.bytes)*c.times {
			t.Errorf("%+v: %d bytes are taken", c, held)
		}
		if r.Release(); !free.TryAcquire(total) {
			t.Errorf("%+v: memory is not given back", c)
		}
	}
}
