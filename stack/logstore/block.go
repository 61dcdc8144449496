package logstore

import (
	"bytes"
	"encoding/json"
	"iter"
	"math"
	"time"

	"github.com/cespare/xxhash/v2"
)

const (
	blockBytes = 64 << 10
	// bloomWords × 64 bits for the about 100 trace IDs of a block give a false
	// positive rate of about 0.1 %.
	bloomWords = 32
	bloomBits  = bloomWords * 64
	blockCost  = 8*4 + bloomWords*8 + 16 // bytes of memory per block
)

// block summarizes consecutive complete lines of a file.
type block struct {
	off      int64
	size     int64
	minTime  int64 // Unix nanoseconds
	maxTime  int64
	traceIDs [bloomWords]uint64
}

func newBlock(off int64) block {
	return block{off: off, minTime: math.MaxInt64, maxTime: math.MinInt64}
}

func (b *block) add(line []byte, at int64) {
	b.size += int64(len(line)) + 1
	b.minTime, b.maxTime = min(b.minTime, at), max(b.maxTime, at)
	for id := range traceIDs(line) {
		for _, bit := range bloomBitsOf(id) {
			b.traceIDs[bit/64] |= 1 << (bit % 64)
		}
	}
}

// mayHold reports whether a line of the block may contain the trace ID.
func (b *block) mayHold(traceID string) bool {
	if traceID == "" {
		return true
	}
	for _, bit := range bloomBitsOf([]byte(traceID)) {
		if b.traceIDs[bit/64]&(1<<(bit%64)) == 0 {
			return false
		}
	}
	return true
}

func bloomBitsOf(id []byte) [4]uint64 {
	h := xxhash.Sum64(id)
	var bits [4]uint64
	for i := range bits {
		bits[i] = (h >> (16 * i)) % bloomBits
	}
	return bits
}

// traceIDs yields every run of 32 lower-case hexadecimal digits of a line. A
// message may contain the ID of another trace than its own.
func traceIDs(line []byte) iter.Seq[[]byte] {
	const length = 32
	return func(yield func([]byte) bool) {
		run := 0
		for i, c := range line {
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				run = 0
				continue
			}
			if run++; run >= length && !yield(line[i-length+1:i+1]) {
				return
			}
		}
	}
}

// head holds the fields of a line that the index uses.
type head struct {
	Time    json.RawMessage `json:"time"`
	TraceID string          `json:"trace_id"`
	Service string          `json:"service"`
	Level   string          `json:"level"`
}

// parseHead parses a line and returns its fields and its time. A line that is
// not a JSON object or has no time gets the time of the previous line, so that a
// stack trace stays in its place.
func parseHead(line []byte, previous int64) (head, int64) {
	var h head
	if err := json.Unmarshal(line, &h); err != nil {
		return head{}, previous
	}
	if at, ok := parseTime(h.Time); ok {
		return h, at
	}
	return h, previous
}

// parseTime parses the time formats of zerolog: RFC 3339, or a Unix time whose
// unit follows from its magnitude. A time before 1970, or one that nanoseconds cannot
// hold, is none.
func parseTime(raw json.RawMessage) (int64, bool) {
	if len(raw) == 0 {
		return 0, false
	}
	if raw[0] == '"' {
		t, err := time.Parse(time.RFC3339Nano, string(bytes.Trim(raw, `"`)))
		return t.UnixNano(), err == nil && t.Year() >= 1970 && t.Year() < 2262 && t.UnixNano() >= 0
	}
	var n float64
	if err := json.Unmarshal(raw, &n); err != nil || n <= 0 {
		return 0, false
	}
	for unit := 1e9; unit >= 1; unit /= 1000 {
		if n*unit < 4e18 && n < 1e11*(1e9/unit) {
			return int64(n * unit), true
		}
	}
	return 0, false
}
