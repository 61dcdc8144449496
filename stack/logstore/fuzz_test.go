package logstore

import (
	"bytes"
	"testing"
)

// FuzzLines indexes any text. The blocks cover all of it, and no line has a time before
// the Unix epoch.
func FuzzLines(f *testing.F) {
	f.Add([]byte("{\"time\":\"9999-12-31T23:59:59Z\",\"service\":\"a\"}\nno JSON\n{\"time\":1e300}\n"))
	f.Add([]byte("{\"time\":\"1677-01-01T00:00:00Z\"}\n{\"time\":NaN}\n[[[[\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = append(b, '\n')
		var c chunk
		c.index(bytes.Clone(b))
		size := int64(0)
		for _, bl := range c.blocks {
			if size += bl.size; bl.minTime > bl.maxTime || bl.minTime < 0 {
				t.Errorf("a block from %d to %d", bl.minTime, bl.maxTime)
			}
		}
		if size != int64(len(b)) || c.next != size {
			t.Errorf("%d of %d bytes are indexed, the next one is %d", size, len(b), c.next)
		}
	})
}
