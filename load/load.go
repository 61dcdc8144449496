// Package load generates shoppers: seeded journeys in an open model. A request is
// due at a given time, whether or not earlier ones have been answered. Latency is
// measured from that time, which avoids coordinated omission.
package load

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/tenhop/tenhop/middleware/chaos"
)

// Config configures the load.
type Config struct {
	Gateway  string        // base URL
	RPS      float64       // requests/s
	Seed     uint64        // same seed, same journeys
	For      time.Duration // zero for no limit
	Requests int           // no journey starts after this number; zero for no limit

	// Chaos injects the faults of Kinds. It may be nil.
	Chaos *chaos.Injector

	// Report is called every ReportEvery with the summary since the last call. It
	// may be nil.
	Report      func(Summary)
	ReportEvery time.Duration
}

// Summary holds the results as measured by the shoppers.
type Summary struct {
	Seconds    float64              `json:"seconds"`
	Requests   int                  `json:"requests"`
	Errors     int                  `json:"errors"`
	Skipped    int                  `json:"skipped"` // requests that were due while too many were in flight
	All        Operation            `json:"all"`     // of all operations
	Operations map[string]Operation `json:"operations"`
}

// Operation holds the results of one operation. Latencies are in milliseconds.
type Operation struct {
	Requests int     `json:"requests"`
	Errors   int     `json:"errors"`
	P50      float64 `json:"p50_ms"`
	P95      float64 `json:"p95_ms"`
	P99      float64 `json:"p99_ms"`

	latencies []time.Duration
}

// maxWaiting is the maximum number of requests in flight. Further requests are skipped
// and counted, so the shoppers do not run out of memory.
const maxWaiting = 2000

// Bounds of Config.RPS, in requests/s.
const (
	MinRPS = 0.001
	MaxRPS = 10_000
)

// grace is the time after the last request for which Run waits for requests in flight.
const grace = 5 * time.Second

// Run sends load until ctx ends or the configured limit is reached.
func Run(ctx context.Context, cfg Config) (Summary, error) {
	if cfg.Gateway == "" {
		return Summary{}, fmt.Errorf("load: no gateway; give its URL, such as http://127.0.0.1:8080")
	}
	if !(cfg.RPS >= MinRPS && cfg.RPS <= MaxRPS) { // NaN, too
		return Summary{}, fmt.Errorf("load: %v requests a second; it must be from %v to %v", cfg.RPS, MinRPS, MaxRPS)
	}
	return run(ctx, cfg, &http.Client{
		Timeout:   30 * time.Second,
		Transport: &http.Transport{MaxIdleConns: 200, MaxIdleConnsPerHost: 200, IdleConnTimeout: time.Minute},
	})
}

func run(ctx context.Context, cfg Config, client *http.Client) (Summary, error) {
	if cfg.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, cfg.For)
		defer cancel()
	}
	r := &runner{cfg: cfg, began: time.Now(), slots: make(chan struct{}, maxWaiting), client: client}
	r.total, r.recent = newTally(), newTally()
	// Requests in flight may finish within grace after a stop.
	under, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	r.send(ctx, under)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	defer stop()
	r.wg.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total.summary(time.Since(r.began)), nil
}

type runner struct {
	cfg    Config
	client *http.Client
	began  time.Time
	slots  chan struct{}
	wg     sync.WaitGroup

	mu            sync.Mutex
	total, recent *tally
}

// send starts journeys until ctx ends. Their requests use the context under.
func (r *runner) send(ctx, under context.Context) {
	pacer := NewPacer(r.cfg.RPS, r.cfg.Seed)
	rng := rand.New(rand.NewPCG(r.cfg.Seed, 1))
	timer := time.NewTimer(0)
	defer timer.Stop()
	reported := r.began
	for n, sent := 0, 0; r.cfg.Requests == 0 || sent < r.cfg.Requests; n++ {
		actions, rate := r.next(ctx, rng)
		pacer.Rate = rate
		due := r.began.Add(pacer.Next())
		for range actions[1:] {
			pacer.Next() // a journey's later requests count towards the rate
		}
		sent += len(actions)
		timer.Reset(time.Until(due))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if r.cfg.Report != nil && time.Since(reported) >= r.cfg.ReportEvery {
			r.report(time.Since(reported))
			reported = time.Now()
		}
		select {
		case r.slots <- struct{}{}:
			r.wg.Go(func() {
				defer func() { <-r.slots }()
				r.journey(ctx, under, newShopper(r.client, r.cfg.Gateway, n, r.cfg.Seed), actions, due)
			})
		default:
			r.mu.Lock()
			r.total.skipped += len(actions)
			r.recent.skipped += len(actions)
			r.mu.Unlock()
		}
	}
}

func (r *runner) journey(ctx, under context.Context, s *shopper, actions []action, due time.Time) {
	for _, st := range actions {
		err := st.do(under, s)
		if under.Err() != nil {
			return // cancelled at the end of the load, not a failure
		}
		now := time.Now()
		r.mu.Lock()
		r.total.add(st.operation, now.Sub(due), err)
		r.recent.add(st.operation, now.Sub(due), err)
		r.mu.Unlock()
		if err != nil || ctx.Err() != nil {
			return
		}
		due = now // the next request is due when this one has been answered
	}
}

func (r *runner) report(d time.Duration) {
	r.mu.Lock()
	s := r.recent.summary(d)
	r.recent = newTally()
	r.mu.Unlock()
	r.cfg.Report(s)
}

type tally struct {
	skipped int
	all     Operation
	ops     map[string]*Operation
}

func newTally() *tally { return &tally{ops: map[string]*Operation{}} }

// keepLatencies is the number of latencies per operation from which quantiles are
// computed.
const keepLatencies = 100_000

func (t *tally) add(op string, d time.Duration, err error) {
	o := t.ops[op]
	if o == nil {
		o = &Operation{}
		t.ops[op] = o
	}
	o.add(d, err)
	t.all.add(d, err)
}

func (o *Operation) add(d time.Duration, err error) {
	o.Requests++
	if err != nil {
		o.Errors++
	}
	if len(o.latencies) < keepLatencies {
		o.latencies = append(o.latencies, d)
	} else { // algorithm R (Vitter 1985)
		if i := rand.IntN(o.Requests); i < keepLatencies {
			o.latencies[i] = d
		}
	}
}

func (t *tally) summary(d time.Duration) Summary {
	s := Summary{Seconds: d.Seconds(), Skipped: t.skipped, Operations: map[string]Operation{}}
	for name, o := range t.ops {
		s.Operations[name] = o.summary()
	}
	s.All = t.all.summary()
	s.Requests, s.Errors = s.All.Requests, s.All.Errors
	return s
}

// summary returns the operation with its quantiles and without its latencies.
func (o *Operation) summary() Operation {
	slices.Sort(o.latencies)
	q := func(p float64) float64 {
		if len(o.latencies) == 0 {
			return 0
		}
		rank := int(math.Ceil(p * float64(len(o.latencies)))) // nearest rank
		return float64(o.latencies[max(rank, 1)-1].Microseconds()) / 1000
	}
	return Operation{Requests: o.Requests, Errors: o.Errors, P50: q(.5), P95: q(.95), P99: q(.99)}
}
