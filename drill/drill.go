package drill

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/query/prometheus"
	"github.com/tenhop/tenhop/query/traces"
	"github.com/tenhop/tenhop/trace"
)

// Entry identifies the entry whose latency a drill raises.
type Entry struct{ Service, Operation string }

// Config configures drills.
type Config struct {
	Faults     Faults
	Jaeger     string // base URL
	Tempo      string // base URL, instead of Jaeger
	Prometheus string // base URL
	Clients    query.Clients
	Program    string // path of the tenhop binary that diagnoses
	// ConfigFile is the absolute path of the configuration file that Program reads, if
	// any, and ConfigEnv are the KEY=value pairs that the file uses.
	ConfigFile string
	ConfigEnv  []string
	Entry      Entry
	Rounds     int
	Seed       uint64        // selects the hops
	Latency    time.Duration // latency to inject; 500 ms if zero
	Baseline   time.Duration // minimum time without a fault before each round; 75 s if zero
	Up         time.Time     // start of the storefront

	// Human, if set, returns a person's answer. It replaces `tenhop diagnose`.
	Human func(ctx context.Context, hops []string) (Guess, error)
	// Say, if set, reports progress. It does not reveal the fault.
	Say func(format string, args ...any)
	// Done, if set, is called with each round when it is over.
	Done func(Round)
}

// Guess is a person's answer.
type Guess struct{ Hop, Operation, Kind string }

// Times of a drill.
const (
	pollInterval    = 500 * time.Millisecond
	meanWindow      = 6 * time.Second  // window of the entry's mean
	answerTimeout   = 60 * time.Second // for `tenhop diagnose`
	humanTimeout    = 15 * time.Minute // for a person
	recoveryTimeout = 60 * time.Second
	faultMargin     = 30 * time.Second // time from the end of the timeout until the fault expires
	liftTimeout     = 5 * time.Second
	defaultBaseline = 75 * time.Second
)

// ErrNotLifted reports that the fault of a drill may still be active. The fault expires by
// itself.
var ErrNotLifted = errors.New("the fault was not lifted; lift it with `tenhop chaos clear`")

// ErrRunning reports that another drill is running.
var ErrRunning = errors.New("another drill is running; wait until it is over")

// Run runs the rounds and returns those that were answered. It lifts its faults in any
// case; if the process dies, they expire. Errors of Run include ErrRunning and
// ErrNotLifted.
func Run(ctx context.Context, cfg Config) ([]Round, error) {
	if cfg.Say == nil {
		cfg.Say = func(string, ...any) {}
	}
	if cfg.Latency == 0 {
		cfg.Latency = 500 * time.Millisecond
	}
	if cfg.Baseline == 0 {
		cfg.Baseline = defaultBaseline
	}
	prom, err := prometheus.New(cfg.Prometheus, cfg.Clients.Prometheus)
	if err != nil {
		return nil, err
	}
	r := &runner{Config: cfg, metrics: metrics{prom}, rng: rand.New(rand.NewPCG(cfg.Seed, 10)),
		asks: diagnoser{cfg}}
	from, err := traces.Open(cfg.Jaeger, cfg.Tempo, cfg.Clients)
	if err != nil {
		return nil, err
	}
	if r.hops, err = Hops(ctx, from, cfg.Entry); err != nil {
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
			cfg.Say("round %d: waiting %d s for a baseline", n+1, int(wait.Seconds())+1)
			if err := pause(ctx, wait); err != nil {
				return rounds, err
			}
		}
		round, err := r.round(ctx, n+1)
		// A round with an answer counts even if its recovery was interrupted.
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

// runner holds the state of Run.
type runner struct {
	Config
	metrics metrics
	asks    diagnoser
	rng     *rand.Rand
	hops    []Hop
}

// Hop is an operation of a service that requests of an entry wait for.
type Hop struct{ Service, Operation string }

// Hops returns the hops that at least half of the entry's 20 latest traces of the last ten
// minutes waited for, sorted by service and operation. It is an error if there are none.
func Hops(ctx context.Context, from query.Tracer, entry Entry) ([]Hop, error) {
	traces, err := recent(ctx, from, entry, 10*time.Minute, 20)
	if err != nil {
		return nil, err
	}
	seen := map[Hop]int{}
	for _, t := range traces {
		own := entry.span(t)
		if own == nil {
			continue
		}
		for _, s := range t.Spans {
			if s.Kind == trace.Server && !s.Start.After(own.End()) {
				seen[Hop{s.Service, s.Operation}]++
			}
		}
	}
	var out []Hop
	for h, n := range seen {
		if 2*n >= len(traces) { // most requests must show the fault
			out = append(out, h)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no trace of %s %s is stored; is there traffic? see `tenhop status`", entry.Service, entry.Operation)
	}
	slices.SortFunc(out, func(a, b Hop) int {
		if a.Service != b.Service {
			return strings.Compare(a.Service, b.Service)
		}
		return strings.Compare(a.Operation, b.Operation)
	})
	return out, nil
}

// recent returns at most limit traces of the entry that began within the last since.
func recent(ctx context.Context, from query.Tracer, entry Entry, since time.Duration, limit int) ([]trace.Trace, error) {
	now := time.Now()
	return from.Traces(ctx, query.Search{Service: entry.Service, Operation: entry.Operation, From: now.Add(-since), To: now, Limit: limit})
}

// span returns the entry's span in a trace, the earliest if there are several, or nil.
func (e Entry) span(t trace.Trace) *trace.Span {
	var first *trace.Span
	for i := range t.Spans {
		s := &t.Spans[i]
		if s.Service == e.Service && s.Operation == e.Operation && s.Kind == trace.Server && (first == nil || s.Start.Before(first.Start)) {
			first = s
		}
	}
	return first
}

// pick returns a random hop. It chooses the service first, so that all services have the
// same probability.
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

// round runs one round.
func (r *runner) round(ctx context.Context, n int) (round Round, err error) {
	hop := r.pick()
	timeout := answerTimeout
	if r.Human != nil {
		timeout = humanTimeout
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
		Operation: hop.Operation, For: chaos.Duration(timeout + faultMargin), Sealed: true})
	if err != nil {
		return round, fmt.Errorf("inject: %w", err)
	}
	began := time.Now()
	lift := func() error {
		liftCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), liftTimeout)
		defer cancel()
		return r.Faults.Remove(liftCtx, injected)
	}
	defer func() {
		if round.Seconds.Lifted == nil {
			if liftErr := lift(); liftErr != nil {
				err = errors.Join(err, fmt.Errorf("%w: %w", ErrNotLifted, liftErr))
			}
		}
	}()
	r.Say("round %d: a hop is slower now", n)
	if err := r.search(ctx, &round, began, before, quiet, timeout); err != nil {
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
		r.Say("round %d: %v", n, err) // the round counts without the measurement
	}
	return round, nil
}

// search records when the latency rises and an alert fires, until there is an answer or
// the timeout.
func (r *runner) search(ctx context.Context, round *Round, began time.Time, before time.Duration,
	quiet map[string]bool, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answers := make(chan error, 1)
	go func() { answers <- r.answer(ctx, round, began) }()
	for {
		now, ok, err := r.metrics.mean(ctx, r.Entry, meanWindow)
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
				round.Error = fmt.Sprintf("no answer within %s", timeout)
				return nil
			}
			return err
		case <-time.After(pollInterval):
		}
	}
}

// answer asks until a hop is named, and scores it.
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
		if err := pause(ctx, pollInterval); err != nil {
			return err
		}
	}
}

// recovery waits until the entry's mean is within a tenth of the injected latency of its
// value before the fault, for at most recoveryTimeout.
func (r *runner) recovery(ctx context.Context, round *Round, before time.Duration) error {
	lifted := time.Now()
	for time.Since(lifted) < recoveryTimeout {
		now, ok, err := r.metrics.mean(ctx, r.Entry, meanWindow)
		if err == nil && ok && now < before+r.Latency/10 {
			round.Seconds.Recovered = since(lifted)
			return nil
		}
		if err := pause(ctx, pollInterval); err != nil {
			return err
		}
	}
	return nil
}

// pause waits for d or until ctx is done.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
