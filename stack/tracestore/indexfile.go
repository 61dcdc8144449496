package tracestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/tenhop/tenhop/stack/disk"
)

// An index file is the index of one segment:
//
//	magic | size of the segment | minStart maxStart maxWritten |
//	names | resources | ids with heads | operations | entries | CRC-32C
//
// Numbers are little endian, each list is preceded by its uint32 length, and entries
// have a fixed size. An invalid index file is ignored, since a scan of the segment
// yields the same index.
const (
	indexMagic = "tenhopi1"
	diskEntry  = 74 // bytes
)

var errBadIndex = errors.New("index file is not valid")

func indexPath(segment string) string {
	return strings.TrimSuffix(segment, ".seg") + ".idx"
}

// seal writes the index file and drops the entries from memory. The file is
// written under a temporary name and renamed, so that it is never incomplete.
func (s *segment) seal() error {
	path := indexPath(s.path)
	tmp := path + ".tmp"
	b, entriesOff := encodeIndex(s)
	if err := s.ops.WriteFile(tmp, b); err != nil {
		return fmt.Errorf("write trace index: %w", errors.Join(err, s.ops.Remove(tmp)))
	}
	if err := s.ops.Rename(tmp, path); err != nil {
		return fmt.Errorf("write trace index: %w", errors.Join(err, s.ops.Remove(tmp)))
	}
	f, err := s.ops.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return fmt.Errorf("write trace index: %w", errors.Join(err, s.ops.Remove(path)))
	}
	s.index, s.indexOff, s.indexSize, s.entries = f, entriesOff, int64(len(b)), nil
	return nil
}

// unseal loads the entries into memory and removes the index file, which the
// next span would make stale.
func (s *segment) unseal() error {
	entries, err := s.readEntries(nil)
	if err != nil {
		return err
	}
	if s.index != nil {
		err = errors.Join(s.index.Close(), s.ops.Remove(indexPath(s.path)))
	}
	s.entries, s.index = entries, nil
	return err
}

// readEntries reads all entries of a sealed segment into dst.
func (s *segment) readEntries(dst []entry) ([]entry, error) {
	if s.index == nil {
		return s.entries, nil
	}
	const atOnce = 1024
	var chunk [atOnce * diskEntry]byte
	dst = slices.Grow(dst[:0], s.count)
	for len(dst) < s.count {
		n := min(atOnce, s.count-len(dst))
		if _, err := s.index.ReadAt(chunk[:n*diskEntry], s.indexOff+int64(len(dst))*diskEntry); err != nil {
			return nil, fmt.Errorf("read trace index: %w", err)
		}
		for i := range n {
			dst = append(dst, decodeEntry(chunk[i*diskEntry:]))
		}
	}
	return dst, nil
}

// readEntry reads one entry of a sealed segment.
func (s *segment) readEntry(i int32) (entry, error) {
	var b [diskEntry]byte
	if _, err := s.index.ReadAt(b[:], s.indexOff+int64(i)*diskEntry); err != nil {
		return entry{}, fmt.Errorf("read trace index: %w", err)
	}
	return decodeEntry(b[:]), nil
}

// encodeIndex returns the content of the index file and the offset of its entries.
func encodeIndex(s *segment) (b []byte, entriesOff int64) {
	le := binary.LittleEndian
	b = make([]byte, 0, len(s.entries)*entryBytes+len(s.ids)*20+int(s.nameBytes)+4096)
	b = append(b, indexMagic...)
	for _, v := range []int64{s.size, s.minStart, s.maxStart, s.maxWritten} {
		b = le.AppendUint64(b, uint64(v))
	}
	b = le.AppendUint32(b, uint32(len(s.names)))
	for _, n := range s.names {
		b = le.AppendUint32(b, uint32(len(n)))
		b = append(b, n...)
	}
	hashes := make([]uint64, len(s.resources))
	for h, ordinal := range s.resourceOf {
		hashes[ordinal] = h
	}
	b = le.AppendUint32(b, uint32(len(s.resources)))
	for i, r := range s.resources {
		b = le.AppendUint32(b, r.off)
		b = le.AppendUint32(b, r.service)
		b = le.AppendUint64(b, r.sig[0])
		b = le.AppendUint64(b, r.sig[1])
		b = le.AppendUint64(b, hashes[i])
	}
	b = le.AppendUint32(b, uint32(len(s.ids)))
	for i, id := range s.ids {
		b = append(b, id[:]...)
		b = le.AppendUint32(b, uint32(s.heads[i]))
	}
	b = le.AppendUint32(b, uint32(len(s.operations)))
	for op := range s.operations {
		b = le.AppendUint32(b, op.service)
		b = le.AppendUint32(b, op.name)
		b = append(b, op.kind)
	}
	b = le.AppendUint32(b, uint32(len(s.entries)))
	entriesOff = int64(len(b))
	for i := range s.entries {
		b = appendEntry(b, &s.entries[i])
	}
	return le.AppendUint32(b, crc32.Checksum(b, castagnoli)), entriesOff
}

func appendEntry(b []byte, e *entry) []byte {
	le := binary.LittleEndian
	for _, v := range [...]uint64{uint64(e.start), uint64(e.duration), e.span, e.parent, e.sig[0], e.sig[1]} {
		b = le.AppendUint64(b, v)
	}
	for _, v := range [...]uint32{e.off, e.resource, e.trace, uint32(e.prev), e.name, e.pos} {
		b = le.AppendUint32(b, v)
	}
	failed := byte(0)
	if e.failed {
		failed = 1
	}
	return append(b, e.kind, failed)
}

// openSegment opens a segment file and loads its index from the index file, or
// by a scan if that is not valid. It returns the number of bytes cut off the end.
func openSegment(ops disk.Ops, path string, number uint64) (*segment, int64, error) {
	f, err := ops.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	if s, err := openIndexed(ops, path, number, f, info.Size()); err == nil {
		return s, 0, nil
	}
	s := newSegment(ops, number, path, f)
	whole, err := s.scan()
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("scan %s: %w", path, err), f.Close())
	}
	torn := info.Size() - whole
	if torn > 0 {
		if err := ops.Truncate(f, whole); err != nil {
			return nil, 0, errors.Join(err, f.Close())
		}
	}
	s.size = whole
	s.maxWritten = info.ModTime().UnixNano()
	s.assumeAge()
	return s, torn, nil
}

// assumeAge sets the time of the oldest append of a segment that was opened to the start of
// its oldest span, which is not later.
func (s *segment) assumeAge() {
	s.minWritten = s.maxWritten
	if s.minStart > 0 {
		s.minWritten = min(s.minStart, s.maxWritten)
	}
}

// openIndexed opens a segment with its index file. It fails if there is none, or
// none for this size of the segment.
func openIndexed(ops disk.Ops, path string, number uint64, f *os.File, size int64) (*segment, error) {
	b, err := os.ReadFile(indexPath(path))
	if err != nil {
		return nil, err
	}
	s := newSegment(ops, number, path, f)
	if err := decodeIndex(s, b); err != nil {
		return nil, err
	}
	if s.size != size {
		return nil, errBadIndex
	}
	if s.index, err = ops.OpenFile(indexPath(path), os.O_RDONLY, 0); err != nil {
		return nil, err
	}
	s.indexSize = int64(len(b))
	s.assumeAge()
	return s, nil
}

// reader decodes values from a byte slice. After the end it returns zeroes and
// sets bad.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.bad = true
		r.b = nil
		return make([]byte, min(max(n, 0), 16))
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) u8() byte    { return r.take(1)[0] }
func (r *reader) u32() uint32 { return binary.LittleEndian.Uint32(r.take(4)) }
func (r *reader) u64() uint64 { return binary.LittleEndian.Uint64(r.take(8)) }

// count reads the length of a list whose elements take at least size bytes.
func (r *reader) count(size int) int {
	n := int(r.u32())
	if n > len(r.b)/size {
		r.bad = true
		r.b = nil
		return 0
	}
	return n
}

func decodeIndex(s *segment, b []byte) error {
	if len(b) < len(indexMagic)+4 || string(b[:len(indexMagic)]) != indexMagic {
		return errBadIndex
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(body, castagnoli) != sum {
		return errBadIndex
	}
	r := &reader{b: body[len(indexMagic):]}
	s.size = int64(r.u64())
	s.minStart, s.maxStart, s.maxWritten = int64(r.u64()), int64(r.u64()), int64(r.u64())
	for range r.count(4) {
		s.intern(string(r.take(int(r.u32()))))
	}
	for i := range r.count(32) {
		res := resource{off: r.u32(), service: r.u32(), sig: signature{r.u64(), r.u64()}}
		s.resourceOf[r.u64()] = uint32(i)
		s.resources = append(s.resources, res)
	}
	for i := range r.count(20) {
		id := pcommon.TraceID(r.take(16))
		s.ids = append(s.ids, id)
		s.heads = append(s.heads, int32(r.u32()))
		if s.heads[i] >= 0 {
			s.traceOf[id] = uint32(i)
		}
	}
	for range r.count(9) {
		s.operations[operation{r.u32(), r.u32(), r.u8()}] = struct{}{}
	}
	if !s.consistent() {
		return errBadIndex
	}
	s.count = r.count(diskEntry)
	s.indexOff = int64(len(body) - len(r.b))
	for i := range s.count {
		if e := r.entry(); !s.holds(&e, i) {
			return errBadIndex
		}
	}
	for _, h := range s.heads {
		if h < -1 || int(h) >= s.count {
			return errBadIndex
		}
	}
	if r.bad || len(r.b) != 0 {
		return errBadIndex
	}
	return nil
}

func (r *reader) entry() entry {
	b := r.take(diskEntry)
	if r.bad {
		return entry{}
	}
	return decodeEntry(b)
}

// decodeEntry decodes what appendEntry encoded. A search decodes all entries.
func decodeEntry(b []byte) entry {
	le := binary.LittleEndian
	_ = b[diskEntry-1]
	return entry{
		start: int64(le.Uint64(b)), duration: int64(le.Uint64(b[8:])),
		span: le.Uint64(b[16:]), parent: le.Uint64(b[24:]), sig: signature{le.Uint64(b[32:]), le.Uint64(b[40:])},
		off: le.Uint32(b[48:]), resource: le.Uint32(b[52:]), trace: le.Uint32(b[56:]), prev: int32(le.Uint32(b[60:])),
		name: le.Uint32(b[64:]), pos: le.Uint32(b[68:]), kind: b[72], failed: b[73] == 1,
	}
}

// consistent reports whether every ordinal points into its list.
func (s *segment) consistent() bool {
	names := uint32(len(s.names))
	for _, r := range s.resources {
		if r.service >= names {
			return false
		}
	}
	for op := range s.operations {
		if op.service >= names || op.name >= names {
			return false
		}
	}
	return true
}

// holds reports whether the ordinals of entry i are valid and its chain runs
// backwards, so that no lookup fails or loops.
func (s *segment) holds(e *entry, i int) bool {
	return int(e.name) < len(s.names) && int(e.resource) < len(s.resources) &&
		int(e.trace) < len(s.ids) && e.prev >= -1 && int(e.prev) < i
}
