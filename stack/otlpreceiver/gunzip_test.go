package otlpreceiver

import (
	"bytes"
	"compress/gzip"
	"io"
	"runtime"
	"testing"

	"golang.org/x/sync/semaphore"
)

// TestGunzipIsBounded decompresses a message that is small and becomes large: it takes what is
// free and no more, and gives it back.
func TestGunzipIsBounded(t *testing.T) {
	const free, length = 1 << 20, 16 << 20
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	if _, err := z.Write(make([]byte, length)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	d := &decoding{free: semaphore.NewWeighted(free)}
	g := &gunzip{decoding: d, maxBytes: 2 * length}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	out, err := g.Do(bytes.NewReader(bomb.Bytes()))
	runtime.ReadMemStats(&after)
	if err != nil || !isUnread(out) {
		t.Errorf("%d bytes, %v; want the message to be refused for now", len(out), err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > length/2 {
		t.Errorf("%d bytes were allocated for a message of %d, of which %d have room", n, length, free)
	}
	whole := func() bool {
		if !d.free.TryAcquire(free) {
			return false
		}
		d.free.Release(free)
		return true
	}
	if !whole() {
		t.Error("memory of a refused message is not given back")
	}

	var small bytes.Buffer
	z = gzip.NewWriter(&small)
	if _, err := io.WriteString(z, "some words"); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err = g.Do(bytes.NewReader(small.Bytes())); err != nil || string(out) != "some words" {
		t.Fatalf("%q, %v", out, err)
	}
	if whole() {
		t.Error("a message that is to be decoded takes no memory")
	}
	if d.decoded(out); !whole() {
		t.Error("memory of a decoded message is not given back")
	}

	g.maxBytes = 5
	if out, err = g.Do(bytes.NewReader(small.Bytes())); err != nil || len(out) != 6 || !whole() {
		t.Errorf("%q, %v of a message that is too large; all memory free: %v", out, err, whole())
	}
	if _, err = g.Do(bytes.NewReader(small.Bytes()[:12])); err == nil || !whole() {
		t.Errorf("no error of a truncated message, or memory is not given back")
	}
}
