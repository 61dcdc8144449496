package drill

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/waterfall"
)

// Entry is the operation whose customers wait.
type Entry struct{ Service, Operation string }

// Config says what to rehearse and where.
type Config struct {
	Faults     Faults
	Jaeger     string // URL
	Prometheus string // URL
	Program    string // tenhop, which is run to diagnose
	Entry      Entry
	Rounds     int
	Seed       uint64
	Latency    time.Duration // injected; 500 ms if zero
	Baseline   time.Duration // quiet time before a fault; 75 s if zero
	Up         time.Time     // since when the storefront has run

	// Human, if set, is asked for the answer instead of `tenhop diagnose`.
	Human func(ctx context.Context, hops []string) (Guess, error)
	// Say is told what happens, without saying where the fault is; nil for nobody.
	Say func(format string, args ...any)
	// Done is given each round when it is over; nil for nobody.
	Done func(Round)
}

// Guess is a person's answer.
type Guess struct{ Hop, Operation, Kind string }

// Times of a drill.
const (
	pollEvery      = 500 * time.Millisecond
	meanOver       = 6 * time.Second
	answerWithin   = 60 * time.Second
	humanWithin    = 15 * time.Minute
	recoverWithin  = 60 * time.Second
	faultMargin    = 30 * time.Second // a fault lifts itself this long after its round is over
	liftWithin     = 5 * time.Second
	baselineLength = 75 * time.Second
)

// ErrNotLifted says that the fault of a drill may still be in force; it ends by
// itself when its time is over.
var ErrNotLifted = errors.New("the fault was not lifted; `tenhop chaos clear` does it")

// ErrRunning says that another drill hides a fault already.
var ErrRunning = errors.New("another drill runs already: a fault is hidden; wait until it is over")

// Run rehearses rounds. Whatever ends it, no fault of its own stays: each is
// lifted, and lifts itself should this process die.
func Run(ctx context.Context, cfg Config) ([]Round, error) {
	if cfg.Say == nil {
		cfg.Say = func(string, ...any) {}
	}
	if cfg.Latency == 0 {
		cfg.Latency = 500 * time.Millisecond
	}
	if cfg.Baseline == 0 {
		cfg.Baseline = baselineLength
	}
	r := &runner{Config: cfg, metrics: promAPI{cfg.Prometheus}, rng: rand.New(rand.NewPCG(cfg.Seed, 10)),
		asks: diagnoser{cfg.Program, cfg.Jaeger, cfg.Prometheus, cfg.Entry}}
	var err error
	if r.hops, err = Hops(ctx, cfg.Jaeger, cfg.Entry); err != nil {
		return nil, err
	}
	if _, sealed, err := cfg.Faults.List(ctx); err != nil {
		return nil, err
	} else if sealed {
		return nil, ErrRunning
	}
	quiet := cfg.Up
	var rounds []Round
	for n := range cfg.Rounds {
		if wait := cfg.Baseline - time.Since(quiet); wait > 0 {
			cfg.Say("round %d: %d s of quiet first", n+1, int(wait.Seconds())+1)
			if err := pause(ctx, wait); err != nil {
				return rounds, err
			}
		}
		round, err := r.round(ctx, n+1)
		// An answer that was given counts, whatever interrupted the recovery.
		if err == nil || round.Seconds.Answered != nil {
			rounds = append(rounds, round)
			if cfg.Done != nil {
				cfg.Done(round)
			}
		}
		if err != nil {
			return rounds, err
		}
		quiet = time.Now()
	}
	return rounds, nil
}

type runner struct {
	Config
	metrics promAPI
	asks    diagnoser
	rng     *rand.Rand
	hops    []Hop
}

// Hop is a service and its operation that an entry's customers wait for.
type Hop struct{ Service, Operation string }

// Hops returns what requests of the entry waited for, as recent traces show,
// services in a stable order.
func Hops(ctx context.Context, jaeger string, entry Entry) ([]Hop, error) {
	traces, err := waterfall.Jaeger{URL: jaeger}.Find(ctx, waterfall.Query{Service: entry.Service, Operation: entry.Operation, Since: 10 * time.Minute, Limit: 20})
	if err != nil {
		return nil, err
	}
	seen := map[Hop]int{}
	for _, t := range traces {
		end := t.Root().End()
		for _, s := range t.Spans {
			if s.Kind == trace.Server && !s.Start.After(end) {
				seen[Hop{s.Service, s.Operation}]++
			}
		}
	}
	var out []Hop
	for h, n := range seen {
		if 2*n >= len(traces) { // what only some requests do is no place for a drill
			out = append(out, h)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no trace of %s %s is stored; is there traffic? see `tenhop status`", entry.Service, entry.Operation)
	}
	slices.SortFunc(out, func(a, b Hop) int {
		if a.Service != b.Service {
			return compare(a.Service, b.Service)
		}
		return compare(a.Operation, b.Operation)
	})
	return out, nil
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// pick chooses a service first, so that one with many operations is no likelier.
func (r *runner) pick() Hop {
	var services []string
	for _, h := range r.hops {
		services = append(services, h.Service)
	}
	services = slices.Compact(services)
	service := services[r.rng.IntN(len(services))]
	of := slices.DeleteFunc(slices.Clone(r.hops), func(h Hop) bool { return h.Service != service })
	return of[r.rng.IntN(len(of))]
}

func (r *runner) round(ctx context.Context, n int) (round Round, err error) {
	hop := r.pick()
	within := answerWithin
	if r.Human != nil {
		within = humanWithin
	}
	round = Round{Round: n, Fault: Fault{Kind: "latency", Hop: hop.Service, Operation: hop.Operation, Latency: chaos.Duration(r.Latency)}}
	before, ok, err := r.metrics.mean(ctx, r.Entry, 30*time.Second)
	if err != nil {
		return round, err
	}
	if !ok {
		return round, fmt.Errorf("nobody asks for %s; start shoppers with `tenhop load`", r.Entry.Operation)
	}
	quiet, err := r.metrics.firing(ctx)
	if err != nil {
		return round, err
	}
	injected, err := r.Faults.Inject(ctx, hop.Service, chaos.Fault{Kind: "latency", Latency: chaos.Duration(r.Latency),
		Operation: hop.Operation, For: chaos.Duration(within + faultMargin), Sealed: true})
	if err != nil {
		return round, fmt.Errorf("inject: %w", err)
	}
	began := time.Now()
	lift := func() error {
		free, cancel := context.WithTimeout(context.WithoutCancel(ctx), liftWithin)
		defer cancel()
		return r.Faults.Remove(free, injected)
	}
	defer func() {
		if round.Seconds.Lifted == nil {
			if stays := lift(); stays != nil {
				err = errors.Join(err, fmt.Errorf("%w: %w", ErrNotLifted, stays))
			}
		}
	}()
	r.Say("round %d: one hop is slower now", n)
	if err := r.search(ctx, &round, began, before, quiet, within); err != nil {
		return round, err
	}
	if err := lift(); err != nil {
		return round, fmt.Errorf("lift: %w", err)
	}
	round.Seconds.Lifted = since(began)
	if err := r.recovery(ctx, &round, before); err != nil {
		return round, err
	}
	if err := r.foreseen(ctx, &round); err != nil {
		if ctx.Err() != nil {
			return round, err
		}
		r.Say("round %d: %v", n, err) // the round itself is over and counts
	}
	return round, nil
}

// search watches the clock's events until there is an answer or time is up.
func (r *runner) search(ctx context.Context, round *Round, began time.Time, before time.Duration, quiet map[string]bool, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	answers := make(chan error, 1)
	go func() { answers <- r.answer(ctx, round, began) }()
	for {
		now, ok, err := r.metrics.mean(ctx, r.Entry, meanOver)
		if err == nil && ok && round.Seconds.Moved == nil && now > before+r.Latency/2 {
			round.Seconds.Moved = since(began)
		}
		if firing, err := r.metrics.firing(ctx); err == nil && round.Seconds.Alerted == nil {
			for a := range firing {
				if !quiet[a] {
					round.Seconds.Alerted = since(began)
				}
			}
		}
		select {
		case err := <-answers:
			if errors.Is(err, context.DeadlineExceeded) {
				round.Error = fmt.Sprintf("no answer within %s", within)
				return nil
			}
			return err
		case <-time.After(pollEvery):
		}
	}
}

// answer waits for the blind side to name a hop.
func (r *runner) answer(ctx context.Context, round *Round, began time.Time) error {
	if r.Human != nil {
		return r.human(ctx, round, began)
	}
	for {
		raw, a, err := r.asks.ask(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return err
		}
		round.Answer = raw
		if a.found() {
			round.Seconds.Answered = since(began)
			round.score(a)
			return nil
		}
		if err := pause(ctx, pollEvery); err != nil {
			return err
		}
	}
}

func (r *runner) recovery(ctx context.Context, round *Round, before time.Duration) error {
	lifted := time.Now()
	for time.Since(lifted) < recoverWithin {
		now, ok, err := r.metrics.mean(ctx, r.Entry, meanOver)
		if err == nil && ok && now < before+r.Latency/10 {
			round.Seconds.Recovered = since(lifted)
			return nil
		}
		if err := pause(ctx, pollEvery); err != nil {
			return err
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
