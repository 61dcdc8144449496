// Package hostile generates telemetry that is broken, by mistake or on purpose, and
// measures the memory that its readers take. The test of this package passes it to every
// decoder that takes data from outside, with a bound for each; docs/hostile.md shows the
// table. It is imported by tests only.
package hostile

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// MiB is 2^20 bytes.
const MiB = 1 << 20

// Repeated returns head, item as often as fits into size bytes, and tail.
func Repeated(head, item, tail string, size int) []byte {
	n := max(0, (size-len(head)-len(tail))/len(item))
	b := make([]byte, 0, len(head)+n*len(item)+len(tail))
	b = append(b, head...)
	b = append(b, strings.Repeat(item, n)...)
	return append(b, tail...)
}

// List is Repeated for items of JSON, with commas between them.
func List(head, item, tail string, size int) []byte {
	return Repeated(head, item+",", item+tail, size)
}

// Nested returns open and close levels times around core.
func Nested(open, core, end string, levels int) []byte {
	return []byte(strings.Repeat(open, levels) + core + strings.Repeat(end, levels))
}

// Random returns bytes without meaning, the same for each seed.
func Random(seed uint64, size int) []byte {
	b := make([]byte, 0, size+8)
	for r := rand.NewPCG(seed, 1); len(b) < size; {
		b = binary.LittleEndian.AppendUint64(b, r.Uint64())
	}
	return b[:size]
}

// Cuts returns n beginnings of b, of lengths spread over that of b. The complete b is
// not among them.
func Cuts(b []byte, n int) [][]byte {
	out := make([][]byte, 0, n)
	for i := range n {
		out = append(out, b[:i*len(b)/n])
	}
	return out
}

// Field returns a field of a protobuf message that holds bytes.
func Field(number int, content []byte) []byte {
	b := binary.AppendUvarint(nil, uint64(number)<<3|2)
	return append(binary.AppendUvarint(b, uint64(len(content))), content...)
}

// Within returns content within fields of protobuf messages, the outermost first.
func Within(content []byte, numbers ...int) []byte {
	for i := len(numbers) - 1; i >= 0; i-- {
		content = Field(numbers[i], content)
	}
	return content
}

// Endless reads head and then item for ever.
type Endless struct {
	Head, Item string
	at         int // in the item, plus the length of what was read of the head
}

// Read implements io.Reader.
func (e *Endless) Read(p []byte) (int, error) {
	n := 0
	if e.at < len(e.Head) {
		n = copy(p, e.Head[e.at:])
		e.at += n
	}
	for n < len(p) && e.at >= len(e.Head) {
		from := (e.at - len(e.Head)) % len(e.Item)
		m := copy(p[n:], e.Item[from:])
		n, e.at = n+m, e.at+m
	}
	return n, nil
}

// Gzip returns what r reads, compressed.
func Gzip(r io.Reader) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	return finish(&b, z, r)
}

// Zlib returns what r reads, compressed as HTTP's deflate.
func Zlib(r io.Reader) []byte {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	return finish(&b, z, r)
}

// Zstd returns what r reads, compressed.
func Zstd(r io.Reader) []byte {
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err) // the options are valid
	}
	return finish(&b, z, r)
}

func finish(b *bytes.Buffer, z io.WriteCloser, r io.Reader) []byte {
	if _, err := io.Copy(z, r); err != nil {
		panic(err) // readers and the buffer of a generator do not fail
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}
