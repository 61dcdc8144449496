package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/tenhop/tenhop/drill"
	"github.com/tenhop/tenhop/internal/app"
	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/supervisor"
)

func newChaosCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "chaos",
		Short: "Make services slower, or fail, by hand",
		Long:  "Make services slower, or fail, by hand. Nothing that a fault does names it: it\nlooks in telemetry like a real one of its kind.",
		Example: `  tenhop chaos inject payment --latency 500ms
  tenhop chaos list
  tenhop chaos clear`,
	}
	var dir string
	cmd.PersistentFlags().StringVar(&dir, "dir", ".", "directory that holds .tenhop")
	group(cmd)
	cmd.AddCommand(newChaosInjectCmd(&dir), newChaosListCmd(&dir), newChaosClearCmd(&dir))
	return cmd
}

// faultsIn returns access to the faults of the storefront that runs in dir.
func faultsIn(dir string) (drill.Faults, supervisor.State, error) {
	state, err := readState(dir)
	if err != nil {
		return drill.Faults{}, state, err
	}
	f, err := app.Faults(state)
	return f, state, advise(err)
}

func newChaosInjectCmd(dir *string) *cobra.Command {
	var latency, jitter, lasting time.Duration
	var code, operation string
	var match map[string]string
	var percent float64
	cmd := &cobra.Command{
		Use:   "inject SERVICE",
		Short: "Make a service slower or make it fail",
		Example: `  tenhop chaos inject payment --latency 500ms
  tenhop chaos inject payment --latency 300ms --jitter 100ms --match region=eu --percent 50
  tenhop chaos inject inventory --error UNAVAILABLE --percent 10 --for 1m`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			fault := chaos.Fault{Kind: "latency", Latency: chaos.Duration(latency), Jitter: chaos.Duration(jitter), Code: code,
				Operation: operation, Match: match, Percent: percent, For: chaos.Duration(lasting)}
			switch {
			case (latency != 0) == (code != ""):
				return usagef("say what the fault is: either --latency 500ms or --error UNAVAILABLE")
			case code != "":
				if jitter != 0 {
					return usagef("--jitter belongs to --latency")
				}
				fault.Kind = "error"
			}
			if !(percent > 0 && percent <= 100) {
				return usagef("--percent %v: must be above 0 and at most 100", percent)
			}
			f, state, err := faultsIn(*dir)
			if err != nil {
				return err
			}
			done, err := f.Inject(cmd.Context(), args[0], fault)
			switch {
			case errors.Is(err, drill.ErrUnknownService) || drill.Refused(err):
				return &usageError{err}
			case err != nil:
				return err
			}
			for _, in := range done {
				fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, for %s (fault %s)\n", in.Process, describeFault(in.Fault), lasting, in.ID)
			}
			fmt.Fprintln(cmd.OutOrStdout(), afterInject(state, lasting, time.Now()))
			return nil
		},
	}
	f := cmd.Flags()
	f.DurationVar(&latency, "latency", 0, "added time of each request")
	f.DurationVar(&jitter, "jitter", 0, "how far the added time varies, up and down")
	f.StringVar(&code, "error", "", "gRPC code (UNAVAILABLE) or HTTP status (503) to fail with")
	f.StringVar(&operation, "operation", "", "only this operation (default all of the service)")
	f.StringToStringVar(&match, "match", nil, "only requests with these fields, such as region=eu")
	f.Float64Var(&percent, "percent", 100, "of the requests that match")
	f.DurationVar(&lasting, "for", 2*time.Minute, "lifts itself afterwards")
	return cmd
}

// Times from a fault to an answer.
const (
	seenAfter   = 15 * time.Second // scrapes and rules have it
	normalAfter = time.Minute      // of traffic, before which a diagnosis is not sure what is normal
)

// afterInject says what to do next, and when.
func afterInject(state supervisor.State, lasting time.Duration, now time.Time) string {
	switch {
	case state.ReadyAt == nil || now.Sub(*state.ReadyAt) < normalAfter:
		return fmt.Sprintf("the storefront has not run for %s yet, which a diagnosis needs to know what is normal: `tenhop chaos clear`, and again then", normalAfter)
	case lasting < 2*seenAfter:
		return fmt.Sprintf("it is over before a diagnosis is sure to see it; %s are better", 2*seenAfter)
	}
	return fmt.Sprintf("ask `tenhop diagnose` in about %.0f s, before it lifts itself; `tenhop chaos clear` lifts it now", seenAfter.Seconds())
}

func describeFault(f chaos.Fault) string {
	var b strings.Builder
	if f.Kind == "error" {
		fmt.Fprintf(&b, "fails with %s", f.Code)
	} else {
		fmt.Fprintf(&b, "+%s", time.Duration(f.Latency))
		if f.Jitter > 0 {
			fmt.Fprintf(&b, " ± %s", time.Duration(f.Jitter))
		}
	}
	if f.Operation != "" {
		fmt.Fprintf(&b, " at %s", f.Operation)
	}
	for _, k := range slices.Sorted(maps.Keys(f.Match)) {
		fmt.Fprintf(&b, ", %s=%s", k, f.Match[k])
	}
	if f.Percent > 0 && f.Percent < 100 {
		fmt.Fprintf(&b, ", %v %% of requests", f.Percent)
	}
	return b.String()
}

func newChaosListCmd(dir *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the faults in force; while a drill runs, only that it does",
		Example: "  tenhop chaos list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, _, err := faultsIn(*dir)
			if err != nil {
				return err
			}
			list, sealed, err := f.List(cmd.Context())
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			switch {
			case asJSON:
				return writeJSON(out, map[string]any{"faults": list, "sealed": sealed})
			case sealed:
				fmt.Fprintln(out, "a drill runs; what it did is sealed until it is over")
				return nil
			case len(list) == 0:
				fmt.Fprintln(out, "no fault is in force")
				return nil
			}
			t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
			for _, in := range list {
				fmt.Fprintf(t, "%s\t%s\t%s\n", in.Process, in.ID, describeFault(in.Fault))
			}
			return t.Flush()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "machine-readable")
	return cmd
}

func newChaosClearCmd(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "clear [SERVICE...]",
		Short: "Lift the faults, of the named services or of all",
		Example: `  tenhop chaos clear
  tenhop chaos clear payment`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f, _, err := faultsIn(*dir)
			if err != nil {
				return err
			}
			if err := f.Clear(cmd.Context(), args...); errors.Is(err, drill.ErrUnknownService) {
				return &usageError{err}
			} else if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "no fault is in force any more")
			return nil
		},
	}
}
