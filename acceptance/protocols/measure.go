package protocols

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tenhop/tenhop/middleware/hop"
)

// Load is the load of a measurement.
type Load struct {
	Rounds int           // in each of which every way has its turn
	Calls  int           // one after the other, per way and round, for the latency
	Burst  time.Duration // per way and round, for the throughput
}

// inFlight is the number of concurrent calls of a burst.
const inFlight = 16

// Result holds the measurements of one way.
type Result struct {
	Name     string
	Broker   bool
	Answered []time.Duration // latencies of calls one after the other, sorted
	Accepted []time.Duration // until the broker had stored the request, sorted; nil without a broker
	Rates    []float64       // calls/s with inFlight calls at a time, one per round, sorted
	Bytes    float64         // per call, on all connections of caller and recipient
	Down     Down
}

// Down describes a call that was made while the recipient was down.
type Down struct {
	Error    string        // of the call; empty if a broker accepted the request
	Said     time.Duration // until the caller had the error, or the broker had the request
	Answered time.Duration // from the recipient's start to the answer; zero without one
}

// A Recipient is the process that answers the calls. Stop ends it as a crash does, and
// Start starts it.
type Recipient struct{ Stop, Start func() error }

// Measure compares the ways of a setting. The ways take turns, so that a change of the
// machine's other load affects all of them.
func Measure(ctx context.Context, s Setting, l Load, r Recipient, t *hop.Telemetry) ([]Result, error) {
	ways, stop, err := open(ctx, s, t)
	if err != nil {
		return nil, err
	}
	defer stop()
	results := make([]Result, len(ways))
	total := make([]int64, len(ways))
	for i, w := range ways {
		results[i] = Result{Name: w.name, Broker: w.broker}
		for range max(l.Calls/10, 3) { // connections, topics and consumers
			if _, _, err := w.measured(ctx); err != nil {
				return nil, fmt.Errorf("%s: %w", w.name, err)
			}
		}
	}
	for range l.Rounds {
		for i, w := range ways {
			before, err := bytesOf(ctx, s, w)
			if err != nil {
				return nil, err
			}
			for range l.Calls {
				accepted, answered, err := w.measured(ctx)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", w.name, err)
				}
				results[i].Answered = append(results[i].Answered, answered)
				if w.broker {
					results[i].Accepted = append(results[i].Accepted, accepted)
				}
			}
			after, err := bytesOf(ctx, s, w)
			if err != nil {
				return nil, err
			}
			total[i] += after - before
			rate, err := w.burst(ctx, l.Burst)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", w.name, err)
			}
			results[i].Rates = append(results[i].Rates, rate)
		}
	}
	for i := range results {
		results[i].Bytes = float64(total[i]) / float64(l.Rounds*l.Calls)
		slices.Sort(results[i].Answered)
		slices.Sort(results[i].Accepted)
		slices.Sort(results[i].Rates)
	}
	return results, without(ctx, ways, results, r)
}

// measured makes a call and returns how long it took until it was accepted and answered.
func (w *way) measured(ctx context.Context) (accepted, answered time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	start := time.Now()
	err = w.call(ctx, func() { accepted = time.Since(start) })
	return accepted, time.Since(start), err
}

// burst returns the calls/s with inFlight calls at a time.
func (w *way) burst(ctx context.Context, d time.Duration) (float64, error) {
	var calls atomic.Int64
	var callers sync.WaitGroup
	var mu sync.Mutex
	var failed error
	start := time.Now()
	for range inFlight {
		callers.Go(func() {
			for time.Since(start) < d {
				if _, _, err := w.measured(ctx); err != nil {
					mu.Lock()
					failed = errors.Join(failed, err)
					mu.Unlock()
					return
				}
				calls.Add(1)
			}
		})
	}
	callers.Wait()
	return float64(calls.Load()) / time.Since(start).Seconds(), failed
}

// bytesOf returns the bytes that a way has taken on the wire: those of the caller, and with
// a broker those of the recipient.
func bytesOf(ctx context.Context, s Setting, w *way) (int64, error) {
	n := w.wire.bytes.Load()
	if !w.broker {
		return n, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.HTTP+bytesPath, nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var all map[string]int64
	if err := json.NewDecoder(resp.Body).Decode(&all); err != nil {
		return 0, err
	}
	return n + all[w.name], nil
}

const (
	downFor     = 3 * time.Second  // between the recipient's end and its start
	downTimeout = 60 * time.Second // of a call that waits for the recipient
)

// without makes a call in each way while the recipient is down, and starts it again.
func without(ctx context.Context, ways []*way, results []Result, r Recipient) error {
	if err := r.Stop(); err != nil {
		return err
	}
	var mu sync.Mutex
	var started time.Time
	var calls sync.WaitGroup
	for i, w := range ways {
		calls.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, downTimeout)
			defer cancel()
			begun := time.Now()
			var accepted time.Duration
			err := w.call(ctx, func() { accepted = time.Since(begun) })
			said := time.Since(begun)
			mu.Lock()
			defer mu.Unlock()
			down := &results[i].Down
			switch {
			case err != nil:
				*down = Down{Error: err.Error(), Said: said}
				if accepted > 0 {
					down.Said = accepted
				}
			default:
				*down = Down{Said: accepted, Answered: time.Since(started)}
			}
		})
	}
	time.Sleep(downFor)
	mu.Lock()
	started = time.Now()
	mu.Unlock()
	err := r.Start()
	calls.Wait()
	return err
}
