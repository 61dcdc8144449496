package logstore

import (
	"bytes"
	"encoding/json"
	"math"
	"time"

	"github.com/cespare/xxhash/v2"
)

const (
	blockBytes = 64 << 10
	// bloomWords × 64 bits for the hundred or so trace IDs of a block: about one
	// block in a thousand is read in vain.
	bloomWords = 32
	bloomBits  = bloomWords * 64
	blockCost  = 8*4 + bloomWords*8 + 16 // bytes of memory a block takes
)

// block summarises consecutive whole lines of a file.
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

func (b *block) add(size int, at int64, traceID string) {
	b.size += int64(size)
	b.minTime, b.maxTime = min(b.minTime, at), max(b.maxTime, at)
	if traceID == "" {
		return
	}
	h := xxhash.Sum64String(traceID)
	for i := range 4 {
		bit := (h >> (16 * i)) % bloomBits
		b.traceIDs[bit/64] |= 1 << (bit % 64)
	}
}

func (b *block) mayHold(traceID string) bool {
	if traceID == "" {
		return true
	}
	h := xxhash.Sum64String(traceID)
	for i := range 4 {
		bit := (h >> (16 * i)) % bloomBits
		if b.traceIDs[bit/64]&(1<<(bit%64)) == 0 {
			return false
		}
	}
	return true
}

// head is what the index needs of a line.
type head struct {
	Time    json.RawMessage `json:"time"`
	TraceID string          `json:"trace_id"`
	Service string          `json:"service"`
	Level   string          `json:"level"`
}

// parseHead reads a line. A line that is no JSON object, or has no time, gets
// the time of the line before it, so that a panic's stack trace stays in place.
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

// parseTime reads what zerolog writes: RFC 3339, or a Unix time whose unit
// follows from its size.
func parseTime(raw json.RawMessage) (int64, bool) {
	if len(raw) == 0 {
		return 0, false
	}
	if raw[0] == '"' {
		t, err := time.Parse(time.RFC3339Nano, string(bytes.Trim(raw, `"`)))
		return t.UnixNano(), err == nil
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
