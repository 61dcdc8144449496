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

	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/query/traces"
	"github.com/tenhop/tenhop/trace"
)

type traceFlags struct {
	dir, correlation    string
	service, operation  string
	slowest, list, json bool
	shape               bool
	files               []string
	since               time.Duration
	width               int
	asked               backendFlags
}

func newTraceCmd() *cobra.Command {
	var f traceFlags
	cmd := &cobra.Command{
		Use:   "trace {ID | FILE... [ID] | --correlation ID | --slowest | --shape}",
		Short: "Draw one request as a waterfall",
		Long: `Draw one request as a waterfall: each hop's self time and wait time, queue waits, and
the critical path.

The traces are those of the Jaeger or Tempo that --jaeger, --tempo or the file of
--config names, or else of what runs in this directory, ` + "`tenhop up` or\n`tenhop stack`" + `. Given files or directories, or - for standard input,
it asks nothing that runs. Files of several traces are listed, slowest first; an ID
after the file or --slowest selects one. The formats are those of ` + "`tenhop diagnose --traces`" + `.

With --shape, the shape of the request instead: the hops behind each other; calls that
follow each other and may not depend on each other; pairs of services with many calls;
the time that is links rather than work; databases that several services use; and what
the request would take with calls side by side, merged, or without links. Without an ID
it is that of the slowest request.`,
		Example: `  tenhop trace --slowest
  tenhop trace --slowest --operation 'GET /search' --since 1h
  tenhop trace 4bf92f3577b34da6a3ce929d0e0e4736
  tenhop trace --slowest --config backends.yaml
  tenhop trace --correlation 0199f3c8-7e2a-7c41-b1a5-0d2f6f3c9a77
  tenhop trace saved.json
  tenhop trace traces.jsonl.zst --slowest
  zcat traces.json.gz | tenhop trace - --list
  tenhop trace --shape --operation 'POST /checkout'
  tenhop trace --shape --traces saved.json --json`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			paths, id, err := fileArgs(args)
			if err != nil {
				return err
			}
			paths = append(paths, f.files...)
			if f.shape && f.list {
				return usagef("--shape and --list exclude each other")
			}
			if f.shape && id == "" && (len(paths) > 0 || f.correlation == "") {
				f.slowest = true
			}
			if len(paths) > 0 {
				if id != "" && (f.slowest || f.list) || f.slowest && f.list {
					return usagef("an ID, --slowest and --list exclude each other")
				}
				if f.asked.jaeger != "" || f.asked.tempo != "" {
					return usagef("--jaeger and --tempo go without files")
				}
				return f.fromFiles(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), paths, id)
			}
			given := len(args)
			for _, is := range []bool{f.correlation != "", f.slowest} {
				if is {
					given++
				}
			}
			if given != 1 {
				return usagef("say which request: a trace ID, --correlation ID, --slowest or --shape; or name a file of traces")
			}
			if f.list {
				return usagef("--list goes with files")
			}
			if len(args) == 1 {
				if raw, err := hex.DecodeString(args[0]); err != nil || (len(raw) != 16 && len(raw) != 8) {
					return usagef("%q is neither a file nor a trace ID, which has 32 hexadecimal digits; a correlation ID needs --correlation", args[0])
				}
			}
			t, err := f.find(cmd.Context(), args)
			if err != nil {
				return err
			}
			return f.draw(cmd.OutOrStdout(), t)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.dir, "dir", ".", "directory that holds .tenhop")
	f.asked.addConfig(fl)
	fl.StringVar(&f.asked.jaeger, "jaeger", "", "URL of a Jaeger")
	fl.StringVar(&f.asked.tempo, "tempo", "", "URL of a Tempo")
	fl.StringVar(&f.correlation, "correlation", "", "correlation ID of the request")
	fl.BoolVar(&f.slowest, "slowest", false, "the slowest request within --since, or of the files")
	fl.BoolVar(&f.list, "list", false, "list the traces of the files")
	fl.BoolVar(&f.shape, "shape", false, "describe the request's shape instead of drawing it")
	fl.StringArrayVar(&f.files, "traces", nil, "file of traces, as the argument; may be given again")
	fl.BoolVar(&f.json, "json", false, "print JSON for programs")
	fl.StringVar(&f.service, "service", "", "service whose spans --slowest compares (default: whole requests)")
	fl.StringVar(&f.operation, "operation", "", "operation whose spans --slowest compares (default: whole requests)")
	fl.DurationVar(&f.since, "since", 15*time.Minute, "how far back to look")
	fl.IntVar(&f.width, "width", 0, "columns of the bars (default 60)")
	return cmd
}

func (f traceFlags) find(ctx context.Context, args []string) (*trace.Trace, error) {
	j, running, err := f.open()
	if err != nil {
		return nil, err
	}
	t, err := f.ask(ctx, j, args)
	if running && err != nil && !errors.Is(err, query.ErrNotFound) {
		return nil, fmt.Errorf("%w; see `tenhop status`, or name another Jaeger with --jaeger URL", err)
	}
	return t, err
}

// open returns the back end of the flags and the file, or that of what is running in
// the directory.
func (f traceFlags) open() (j query.Tracer, running bool, err error) {
	found, err := f.asked.read()
	if err != nil {
		return nil, false, err
	}
	if found.Jaeger == "" && found.Tempo == "" {
		running = true
		state, err := readState(f.dir)
		if err != nil {
			return nil, false, fmt.Errorf("%w; or name a back end with --jaeger URL, --tempo URL or --config FILE", err)
		}
		if found.Jaeger = state.Endpoints["jaeger"]; found.Jaeger == "" {
			return nil, false, errors.New("what runs here has no Jaeger; start `tenhop stack` with its part jaeger, or name one with --jaeger URL")
		}
	}
	j, err = traces.Open(found.Jaeger, found.Tempo, found.Clients)
	switch {
	case err != nil && f.asked.tempo != "":
		err = fmt.Errorf("--tempo: %w", err)
	case err != nil:
		err = fmt.Errorf("--jaeger: %w", err)
	}
	return j, running, err
}

func (f traceFlags) ask(ctx context.Context, j query.Tracer, args []string) (*trace.Trace, error) {
	switch {
	case len(args) == 1:
		t, err := j.Trace(ctx, args[0])
		if errors.Is(err, query.ErrNotFound) {
			return nil, fmt.Errorf("%w; it may be older than what is kept", err)
		}
		return &t, err
	case f.correlation != "":
		return f.byCorrelation(ctx, j)
	}
	return f.slowestOf(ctx, j)
}

// perSearch is the number of traces that one search may return.
const perSearch = 100

// slowestOf returns the trace with the longest matching span.
func (f traceFlags) slowestOf(ctx context.Context, j query.Tracer) (*trace.Trace, error) {
	q := f.search(f.service, 0)
	q.Operation = f.operation
	t, err := traces.Slowest(ctx, j, q)
	if errors.Is(err, query.ErrNotFound) {
		return nil, f.none(ctx, j)
	}
	return t, err
}

// search selects the traces of a service within --since.
func (f traceFlags) search(service string, limit int) query.Search {
	now := time.Now()
	return query.Search{Service: service, From: now.Add(-f.since), To: now, Limit: limit}
}

// took returns the duration of the longest span of the service or operation that the
// flags select, or else of the request.
func (f traceFlags) took(t *trace.Trace) time.Duration {
	return traces.Took(t, query.Search{Service: f.service, Operation: f.operation})
}

// none returns the error for a request that does not exist. It lists the ones that do.
func (f traceFlags) none(ctx context.Context, j query.Tracer) error {
	services, err := j.Services(ctx)
	if err != nil {
		return err
	}
	var seen []string
	for _, service := range services {
		traces, err := j.Traces(ctx, f.search(service, perSearch))
		if err != nil {
			return err
		}
		for i := range traces {
			root := traces[i].Root()
			seen = append(seen, fmt.Sprintf("--service %s --operation %q", root.Service, root.Operation))
		}
	}
	if len(seen) == 0 {
		return fmt.Errorf("trace %w: %s has none of the last %s; do services send spans to it, and is there traffic?", query.ErrNotFound, j, f.since)
	}
	slices.Sort(seen)
	return fmt.Errorf("trace %w within %s: %s; the newest requests began with\n  %s", query.ErrNotFound, f.since,
		strings.TrimSpace(f.service+" "+f.operation), strings.Join(slices.Compact(seen), "\n  "))
}

func (f traceFlags) byCorrelation(ctx context.Context, j query.Tracer) (*trace.Trace, error) {
	t, err := traces.ByCorrelation(ctx, j, f.correlation, f.search("", 0))
	if errors.Is(err, query.ErrNotFound) {
		return nil, fmt.Errorf("trace %w: none within %s has the correlation ID %s", query.ErrNotFound, f.since, f.correlation)
	}
	return t, err
}
