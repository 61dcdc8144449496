// Package matrix holds recorded metrics of the storefront under known faults: added
// latency at each hop of POST /checkout, by latency and by sampling ratio. Its tests
// diagnose the recorded evidence and print how often the hop and the operation are named.
// `make matrix` records it again.
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

// Cell is one fault and the evidence of the five minutes before the diagnosis.
type Cell struct {
	Hop       string        `json:"hop"`
	Operation string        `json:"operation"`
	Latency   time.Duration `json:"latency_ns"` // injected
	Sampling  float64       `json:"sampling"`   // sampling ratio of traces
	Seconds   float64       `json:"seconds"`    // from the injection to the end of the evidence
	Named     bool          `json:"named"`      // whether the recorded diagnosis, with traces, named hop and operation
	Answer    string        `json:"answer"`     // its verdict and first finding

	Evidence evidence.Metrics `json:"evidence"`
}

// First reports whether the first finding of a diagnosis is the hop and the operation of
// the fault. A hop without self-time metrics may also be named without an operation, or
// as the target of its caller's wait.
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

// window is the window size of the compression, in bytes. It spans several cells, since
// consecutive cells have most of their evidence in common.
const window = 32 << 20

// Write writes cells as JSON lines, compressed with Zstandard. It rounds the values of
// their evidence in place: times to 10 µs, numbers of requests to hundredths.
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

// Read reads the cells that Write wrote. An error names the number of the cell.
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

// rounded rounds the values of ev in place and returns it.
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
