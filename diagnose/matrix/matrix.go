// Package matrix holds what the storefront's metrics said under known faults:
// every hop that an entry waits for, made slower by several amounts, at several
// shares of sampled traces. Its tests replay the evidence and print how often the
// diagnosis names hop and operation; `make matrix` records it again.
package matrix

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
)

// Cell is one fault and the evidence of the minutes before the answer.
type Cell struct {
	Hop       string        `json:"hop"`
	Operation string        `json:"operation"`
	Latency   time.Duration `json:"latency_ns"`
	Sampling  float64       `json:"sampling"` // share of traces kept
	Seconds   float64       `json:"seconds"`  // from the injection to the evidence
	Named     bool          `json:"named"`    // `tenhop diagnose`, with traces, named hop and operation then
	Answer    string        `json:"answer"`   // its first finding

	Evidence evidence.Metrics `json:"evidence"`
}

// First reports whether a diagnosis names the hop first, and its operation. A
// hop that does not measure itself has its operation from traces, or is named by
// its caller's wait for it.
func (c Cell) First(r result.Result) bool {
	if r.Verdict != result.Spike || len(r.Findings) == 0 {
		return false
	}
	f := r.Findings[0]
	if f.Kind == result.KindDependency && f.Target == c.Hop {
		return true
	}
	return f.Hop == c.Hop && f.Kind == result.KindSelf && (f.Operation == c.Operation || f.Operation == "" && c.Evidence.Foreign[c.Hop])
}

// window is that of the compression: what follows has most of its evidence in
// common with what was before.
const window = 32 << 20

// Write writes cells as lines of JSON, compressed by Zstandard, their values
// rounded.
func Write(w io.Writer, cells []Cell) error {
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(window))
	if err != nil {
		return err
	}
	enc := json.NewEncoder(z)
	for _, c := range cells {
		c.Evidence = rounded(c.Evidence)
		if err := enc.Encode(c); err != nil {
			return fmt.Errorf("write the cell of %s: %w", c.Hop, err)
		}
	}
	return z.Close()
}

// Read is the reverse of Write.
func Read(r io.Reader) ([]Cell, error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(window))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	var cells []Cell
	for dec := json.NewDecoder(z); ; {
		var c Cell
		err := dec.Decode(&c)
		if errors.Is(err, io.EOF) {
			return cells, nil
		}
		if err != nil {
			return nil, fmt.Errorf("cell %d: %w", len(cells)+1, err)
		}
		cells = append(cells, c)
	}
}

// rounded leaves 10 µs of times and hundredths of requests.
func rounded(ev evidence.Metrics) evidence.Metrics {
	round := func(to float64, series ...[]float64) {
		for _, v := range series {
			for i := range v {
				v[i] = math.Round(v[i]*to) / to
			}
		}
	}
	const seconds, requests = 1e5, 100
	for _, e := range ev.Entries {
		round(seconds, e.Sum, e.LevelSum)
		round(requests, e.Count, e.LevelCount)
	}
	for _, h := range ev.Hops {
		round(seconds, h.Self, h.Duration)
		round(requests, h.Count)
	}
	for _, w := range ev.Waits {
		round(seconds, w.Sum)
	}
	for _, q := range ev.Queues {
		round(seconds, q.Sum)
	}
	for _, c := range ev.Calls {
		round(requests, c.Count, c.Failed, c.LevelCount, c.LevelFailed)
		for _, v := range c.Types {
			round(requests, v)
		}
	}
	return ev
}
