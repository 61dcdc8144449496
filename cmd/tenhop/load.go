package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/tenhop/tenhop/internal/app"
	"github.com/tenhop/tenhop/internal/connlimit"
	"github.com/tenhop/tenhop/internal/hostcheck"
	"github.com/tenhop/tenhop/load"
	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/middleware/setup"
	"github.com/tenhop/tenhop/supervisor"
)

func newLoadCmd() *cobra.Command {
	var cfg load.Config
	var dir string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "load",
		Short: "Send shoppers to a storefront",
		Long: `Send shoppers to a storefront. They browse, search, view products, fill carts, check
out and view their orders. The load model is open: requests are scheduled in
advance, and latency is measured from the scheduled time.

Without --gateway, the storefront is that of ` + "`tenhop up`" + ` in this directory.`,
		Example: `  tenhop load --rps 50 --for 1m
  tenhop load --gateway http://shop.example:8080 --rps 5 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := loadTarget(&cfg, dir); err != nil {
				return err
			}
			stop, err := takeFaults(&cfg)
			if err != nil {
				return err
			}
			defer stop()
			summary, err := load.Run(cmd.Context(), cfg)
			if err != nil && !errors.Is(err, cmd.Context().Err()) {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), summary)
			}
			return writeLoad(cmd.OutOrStdout(), summary)
		},
	}
	f := cmd.Flags()
	f.StringVar(&cfg.Gateway, "gateway", "", "base URL of the storefront")
	f.StringVar(&dir, "dir", ".", "directory that contains .tenhop")
	f.Float64Var(&cfg.RPS, "rps", 20, "requests/s")
	f.Uint64Var(&cfg.Seed, "seed", 1, "seed that determines the journeys")
	f.DurationVar(&cfg.For, "for", 0, "duration (default: until Ctrl-C)")
	f.IntVar(&cfg.Requests, "requests", 0, "maximum number of requests (default: no limit)")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// takeFaults serves the faults of the shoppers on the socket that `tenhop up` passes on. It
// does nothing without one.
func takeFaults(cfg *load.Config) (stop func(), err error) {
	in, err := supervisor.Inherited()
	if err != nil || in.Listeners["admin"] == nil {
		return func() {}, err
	}
	token := os.Getenv("TENHOP_CHAOS_TOKEN")
	cfg.Chaos = chaos.New(chaos.WithToken(token), chaos.WithKinds(load.Kinds()...))
	admin := setup.NewAdmin(http.NotFoundHandler(), setup.AdminToken(token), setup.AdminChaos(cfg.Chaos))
	srv := &http.Server{Handler: hostcheck.Handler(in.Listeners["admin"].Addr(), nil, admin),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10}
	go func() { _ = srv.Serve(connlimit.Listener(in.Listeners["admin"], connlimit.Default)) }()
	return func() { _ = srv.Close() }, nil
}

func loadTarget(cfg *load.Config, dir string) error {
	if !(cfg.RPS >= load.MinRPS && cfg.RPS <= load.MaxRPS) {
		return usagef("--rps %v: must be between %v and %v", cfg.RPS, load.MinRPS, load.MaxRPS)
	}
	if cfg.Requests < 0 || cfg.For < 0 {
		return usagef("--requests and --for must not be negative")
	}
	if cfg.Gateway == "" {
		state, err := readState(dir)
		if err != nil {
			return fmt.Errorf("%w; or name the storefront with --gateway URL", err)
		}
		if cfg.Gateway = state.Endpoints["gateway"]; cfg.Gateway == "" {
			return fmt.Errorf("%w; name a storefront with --gateway URL", app.ErrNoStorefront)
		}
	}
	if u, err := url.Parse(cfg.Gateway); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return usagef("--gateway %q: must be a URL such as http://localhost:8080", cfg.Gateway)
	}
	return nil
}

// readState returns the state of what `tenhop up` or `tenhop stack` runs in dir.
func readState(dir string) (supervisor.State, error) {
	state, err := app.ReadState(dir)
	return state, advise(err)
}

func writeLoad(w io.Writer, s load.Summary) error {
	fmt.Fprintf(w, "%d requests in %s, %d failed, %d not sent\n", s.Requests,
		(time.Duration(s.Seconds * float64(time.Second))).Round(time.Second), s.Errors, s.Skipped)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "operation\trequests\tfailed\tp50 ms\tp95 ms\tp99 ms\t")
	for _, name := range slices.Sorted(maps.Keys(s.Operations)) {
		o := s.Operations[name]
		fmt.Fprintf(t, "%s\t%d\t%d\t%.1f\t%.1f\t%.1f\t\n", name, o.Requests, o.Errors, o.P50, o.P95, o.P99)
	}
	return t.Flush()
}
