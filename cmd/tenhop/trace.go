package main

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tenhop/tenhop/waterfall"
)

type traceFlags struct {
	dir, jaeger, correlation string
	service, operation       string
	slowest                  bool
	since                    time.Duration
	width                    int
}

func newTraceCmd() *cobra.Command {
	var f traceFlags
	cmd := &cobra.Command{
		Use:   "trace {ID | --correlation ID | --slowest}",
		Short: "Draw one request as a waterfall",
		Long: `Draw one request as a waterfall: each hop's own work told apart from its waiting,
time in queues as segments of their own, the critical path marked.

Without --jaeger the traces are those of ` + "`tenhop up`" + ` in this directory.`,
		Example: `  tenhop trace --slowest
  tenhop trace --slowest --operation 'GET /search' --since 1h
  tenhop trace 4bf92f3577b34da6a3ce929d0e0e4736
  tenhop trace --correlation 0199f3c8-7e2a-7c41-b1a5-0d2f6f3c9a77`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			given := len(args)
			for _, is := range []bool{f.correlation != "", f.slowest} {
				if is {
					given++
				}
			}
			if given != 1 {
				return usagef("say which request: a trace ID, --correlation ID or --slowest")
			}
			if f.jaeger == "" {
				state, err := readState(f.dir)
				if err != nil {
					return fmt.Errorf("%w; or name a Jaeger with --jaeger URL", err)
				}
				if f.jaeger = state.Endpoints["jaeger"]; f.jaeger == "" {
					return errors.New("what runs here has no Jaeger; start `tenhop stack` with its part jaeger, or name one with --jaeger URL")
				}
			}
			t, err := f.find(cmd.Context(), args)
			if err != nil {
				return err
			}
			return waterfall.Render(cmd.OutOrStdout(), t, f.width)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.dir, "dir", ".", "directory that holds .tenhop")
	fl.StringVar(&f.jaeger, "jaeger", "", "URL of a Jaeger")
	fl.StringVar(&f.correlation, "correlation", "", "correlation ID of the request")
	fl.BoolVar(&f.slowest, "slowest", false, "the slowest request within --since")
	fl.StringVar(&f.service, "service", "", "service that --slowest looks at (default: all that requests begin at)")
	fl.StringVar(&f.operation, "operation", "", "operation that --slowest looks at (default: all)")
	fl.DurationVar(&f.since, "since", 15*time.Minute, "how far back to look")
	fl.IntVar(&f.width, "width", 0, "columns of the bars (default 60)")
	return cmd
}

// searched bounds the traces that --slowest compares, altogether.
const searched = 1500

func (f traceFlags) find(ctx context.Context, args []string) (*waterfall.Trace, error) {
	j := waterfall.Jaeger{URL: f.jaeger}
	switch {
	case len(args) == 1:
		if raw, err := hex.DecodeString(args[0]); err != nil || (len(raw) != 16 && len(raw) != 8) {
			return nil, usagef("%q is not a trace ID: it has 32 hexadecimal digits", args[0])
		}
		return j.Trace(ctx, args[0])
	case f.correlation != "":
		return f.byCorrelation(ctx, j)
	}
	return f.slowestOf(ctx, j)
}

// entry is where requests begin.
type entry struct{ service, operation string }

// perService is how many traces of a service tell what requests begin with.
const perService = 20

// slowestOf returns the slowest request of the entries that the flags leave.
func (f traceFlags) slowestOf(ctx context.Context, j waterfall.Jaeger) (*waterfall.Trace, error) {
	services, err := j.Services(ctx)
	if err != nil {
		return nil, err
	}
	entries := map[entry]bool{}
	for _, service := range services {
		traces, err := j.Find(ctx, waterfall.Query{Service: service, Since: f.since, Limit: perService})
		if err != nil {
			return nil, err
		}
		for _, t := range traces { // each has a span at least: of the service
			entries[entry{t.Spans[0].Service, t.Spans[0].Operation}] = true
		}
	}
	seen := slices.SortedFunc(maps.Keys(entries), func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.service, b.service), cmp.Compare(a.operation, b.operation))
	})
	asked := slices.DeleteFunc(slices.Clone(seen), func(e entry) bool {
		return f.service != "" && e.service != f.service || f.operation != "" && e.operation != f.operation
	})
	if f.service != "" && f.operation != "" { // need not be an entry
		asked = []entry{{f.service, f.operation}}
	}
	var slowest *waterfall.Trace
	for _, e := range asked {
		traces, err := j.Find(ctx, waterfall.Query{Service: e.service, Operation: e.operation, Since: f.since, Limit: max(searched/len(asked), 1)})
		if err != nil {
			return nil, err
		}
		for _, t := range traces {
			if slowest == nil || t.Spans[0].Duration > slowest.Spans[0].Duration {
				slowest = t
			}
		}
	}
	if slowest != nil {
		return slowest, nil
	}
	if len(seen) == 0 {
		return nil, fmt.Errorf("%w: Jaeger at %s has none of the last %s; do services send spans to it, and is there traffic?", waterfall.ErrNotFound, f.jaeger, f.since)
	}
	names := make([]string, len(seen))
	for i, e := range seen {
		names[i] = fmt.Sprintf("--service %s --operation %q", e.service, e.operation)
	}
	return nil, fmt.Errorf("%w within %s: %s; requests began with\n  %s", waterfall.ErrNotFound, f.since,
		strings.TrimSpace(f.service+" "+f.operation), strings.Join(names, "\n  "))
}

func (f traceFlags) byCorrelation(ctx context.Context, j waterfall.Jaeger) (*waterfall.Trace, error) {
	services, err := j.Services(ctx)
	if err != nil {
		return nil, err
	}
	for _, service := range services {
		traces, err := j.Find(ctx, waterfall.Query{Service: service, Tags: map[string]string{"correlation_id": f.correlation}, Since: f.since, Limit: 1})
		if err != nil && !errors.Is(err, waterfall.ErrNotFound) {
			return nil, err
		}
		if len(traces) > 0 {
			return traces[0], nil
		}
	}
	return nil, fmt.Errorf("%w: none within %s has the correlation ID %s", waterfall.ErrNotFound, f.since, f.correlation)
}
