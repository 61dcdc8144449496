package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tenhop/tenhop/trace"
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

Without --jaeger the traces are those of what runs in this directory,
` + "`tenhop up` or `tenhop stack`" + `.`,
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
	fl.StringVar(&f.service, "service", "", "service whose spans --slowest compares (default: whole requests)")
	fl.StringVar(&f.operation, "operation", "", "operation whose spans --slowest compares (default: whole requests)")
	fl.DurationVar(&f.since, "since", 15*time.Minute, "how far back to look")
	fl.IntVar(&f.width, "width", 0, "columns of the bars (default 60)")
	return cmd
}

func (f traceFlags) find(ctx context.Context, args []string) (*trace.Trace, error) {
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

// perSearch is how many traces one search may bring.
const perSearch = 100

// slowestOf returns the trace in which what the flags name took longest. Each
// search asks for spans that are slower than what is known, until none is:
// however many traces there are, few are read.
func (f traceFlags) slowestOf(ctx context.Context, j waterfall.Jaeger) (*trace.Trace, error) {
	services := []string{f.service}
	if f.service == "" {
		var err error
		if services, err = j.Services(ctx); err != nil {
			return nil, err
		}
	}
	var slowest *trace.Trace
	var longest time.Duration
	for _, service := range services {
		for found := true; found; {
			found = false
			q := waterfall.Query{Service: service, Operation: f.operation, Since: f.since, Limit: perSearch}
			if slowest != nil {
				q.MinDuration = longest + time.Microsecond // what Jaeger counts in
			}
			traces, err := j.Find(ctx, q)
			if err != nil && !errors.Is(err, waterfall.ErrNotFound) { // one that expired meanwhile
				return nil, err
			}
			for _, t := range traces {
				if took := f.took(t); slowest == nil || took > longest {
					slowest, longest, found = t, took, true
				}
			}
		}
	}
	if slowest == nil {
		return nil, f.none(ctx, j)
	}
	return slowest, nil
}

// took is how long what the flags name took in a trace: a service's or an
// operation's longest span, else the request.
func (f traceFlags) took(t *trace.Trace) time.Duration {
	if f.service == "" && f.operation == "" {
		return t.Root().Duration
	}
	var longest time.Duration
	for _, s := range t.Spans {
		if (f.service == "" || s.Service == f.service) && (f.operation == "" || s.Operation == f.operation) {
			longest = max(longest, s.Duration)
		}
	}
	return longest
}

// none says that there is no such trace, and which there are.
func (f traceFlags) none(ctx context.Context, j waterfall.Jaeger) error {
	services, err := j.Services(ctx)
	if err != nil {
		return err
	}
	var seen []string
	for _, service := range services {
		traces, err := j.Find(ctx, waterfall.Query{Service: service, Since: f.since, Limit: perSearch})
		if err != nil && !errors.Is(err, waterfall.ErrNotFound) {
			return err
		}
		for _, t := range traces {
			root := t.Root()
			seen = append(seen, fmt.Sprintf("--service %s --operation %q", root.Service, root.Operation))
		}
	}
	if len(seen) == 0 {
		return fmt.Errorf("%w: Jaeger at %s has none of the last %s; do services send spans to it, and is there traffic?", waterfall.ErrNotFound, f.jaeger, f.since)
	}
	slices.Sort(seen)
	return fmt.Errorf("%w within %s: %s; the newest requests began with\n  %s", waterfall.ErrNotFound, f.since,
		strings.TrimSpace(f.service+" "+f.operation), strings.Join(slices.Compact(seen), "\n  "))
}

func (f traceFlags) byCorrelation(ctx context.Context, j waterfall.Jaeger) (*trace.Trace, error) {
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
