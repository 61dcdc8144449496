package drill

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tenhop/tenhop/drill/scenario"
	"github.com/tenhop/tenhop/drill/seal"
	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/query/prometheus"
	"github.com/tenhop/tenhop/query/traces"
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
	Rounds     int           // number of rounds that count
	First      int           // number of the first round; 1 if zero
	Voids      int           // number of void rounds that are replaced by others
	Seed       uint64        // selects the faults, with the number of the round
	Kinds      []string      // kinds of fault to choose from, see Kinds; latency if empty
	Latency    time.Duration // latency of latency faults; 500 ms if zero
	Baseline   time.Duration // minimum time from Up to the first fault, and before each round of a person; 75 s if zero
	Up         time.Time     // start of the storefront

	// Scenario, if set, is the exercise of all rounds. It replaces Kinds.
	Scenario *scenario.Scenario

	// Human, if set, returns a person's answer. It replaces `tenhop diagnose`.
	Human func(context.Context, Choices) (Person, error)
	// Say, if set, reports progress. It does not reveal the fault.
	Say func(format string, args ...any)
	// Sealed, if set, is called before each round with the seal of its fault, without the
	// nonce. An error ends the drill.
	Sealed func(round int, s seal.Seal) error
	// Done, if set, is called with each round when it is over.
	Done func(Round)
}

// Times of a drill.
const (
	pollInterval    = 500 * time.Millisecond
	meanWindow      = 6 * time.Second          // window of the entry's mean
	answerTimeout   = 60 * time.Second         // for `tenhop diagnose`
	humanTimeout    = 15 * time.Minute         // for a person
	feltTimeout     = 20 * time.Second         // after which a fault that nobody feels makes the round void
	feltLength      = meanWindow + time.Second // longer than a single slow moment raises the mean
	feltAfterAnswer = 10 * time.Second         // time that a fault stays after an answer until it is felt
	steadyTimeout   = 20 * time.Second         // of waiting for a level to begin with
	recoveryTimeout = 60 * time.Second
	tracesTimeout   = time.Minute      // after the start, for the first traces
	faultMargin     = 30 * time.Second // time from the end of the timeout until the fault expires
	liftTimeout     = 40 * time.Second // a process that crashes is started again within 30 s
	defaultBaseline = 75 * time.Second
	longestFault    = 5 * time.Minute // of a process; a person's round may outlast it
)

// ErrNotLifted reports that the fault of a drill may still be active. The fault expires by
// itself.
var ErrNotLifted = errors.New("the fault was not lifted; lift it with `tenhop chaos clear`")

// notLifted returns ErrNotLifted with the error of a removal, or nil if there is none.
func notLifted(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrNotLifted, err)
}

// ErrRunning reports that another drill is running.
var ErrRunning = errors.New("another drill is running; wait until it is over")

// Run runs the rounds and returns those that were scored. It lifts its faults in any
// case; if the process dies, they expire. Errors of Run include ErrRunning, ErrNotLifted and,
// with a context of Stop.Guard, ErrStopped. A round that was stopped before its answer is void.
func Run(ctx context.Context, cfg Config) ([]Round, error) {
	rounds, err := run(ctx, cfg)
	why := stopped(ctx)
	switch {
	case err == nil || why == nil:
		return rounds, err
	case errors.Is(err, ErrNotLifted):
		return rounds, errors.Join(why, err)
	}
	return rounds, why
}

func run(ctx context.Context, cfg Config) ([]Round, error) {
	if cfg.Say == nil {
		cfg.Say = func(string, ...any) {}
	}
	if cfg.Latency == 0 {
		cfg.Latency = 500 * time.Millisecond
	}
	if cfg.Baseline == 0 {
		cfg.Baseline = defaultBaseline
	}
	kinds, err := named(cfg.Kinds)
	if err != nil {
		return nil, err
	}
	prom, err := prometheus.New(cfg.Prometheus, cfg.Clients.Prometheus)
	if err != nil {
		return nil, err
	}
	r := &runner{Config: cfg, kinds: kinds, metrics: metrics{prom}, asks: diagnoser{cfg}}
	from, err := traces.Open(cfg.Jaeger, cfg.Tempo, cfg.Clients)
	if err != nil {
		return nil, err
	}
	if r.hops, err = r.awaitHops(ctx, from); err != nil {
		return nil, err
	}
	if err := r.ask(ctx); err != nil {
		return nil, err
	}
	if _, sealed, err := cfg.Faults.List(ctx); err != nil {
		return nil, err
	} else if sealed {
		return nil, ErrRunning
	}
	if err := r.lifted(ctx); err != nil {
		return nil, err
	}
	if r.firing, err = r.metrics.firing(ctx); err != nil {
		return nil, err
	}
	r.calm = cfg.Up
	var rounds []Round
	for n, counted, voids := max(cfg.First, 1), 0, 0; counted < cfg.Rounds; n++ {
		if err := r.settle(ctx, n); err != nil {
			return rounds, err
		}
		round, err := r.round(ctx, n)
		if err == nil || round.scored() {
			rounds = append(rounds, round)
			if cfg.Done != nil {
				cfg.Done(round)
			}
		}
		if err != nil {
			return rounds, err
		}
		if round.Void == "" {
			counted++
		} else if voids++; voids > cfg.Voids {
			return rounds, nil
		}
	}
	return rounds, nil
}

// runner holds the state of Run.
type runner struct {
	Config
	kinds   []template
	metrics metrics
	asks    diagnoser
	hops    []Hop
	calm    time.Time                        // since when there is no fault and customers feel none
	firing  map[string]string                // alerts that fired before the first round
	offers  map[string]map[string]chaos.Kind // by service and name; nil if not asked
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
