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
	"github.com/tenhop/tenhop/services"
	"github.com/tenhop/tenhop/supervisor"
)

func newChaosCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "chaos",
		Short: "Inject latency and errors into services",
		Long:  "Inject latency and errors into the services of the storefront. Telemetry does not\nname a fault: it looks like a real one of its kind.",
		Example: `  tenhop chaos inject payment --latency 500ms
  tenhop chaos list
  tenhop chaos clear`,
	}
	var dir string
	cmd.PersistentFlags().StringVar(&dir, "dir", ".", "directory that contains .tenhop")
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

// servicesIn lists the services of the storefront that runs in dir, or those that it
// would have.
func servicesIn(dir string) string {
	names := services.Names()
	if f, _, err := faultsIn(dir); err == nil {
		names = slices.Collect(maps.Keys(f.Services))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func newChaosInjectCmd(dir *string) *cobra.Command {
	var latency, jitter, lasting time.Duration
	var code, operation string
	var match map[string]string
	var percent float64
	cmd := &cobra.Command{
		Use:   "inject SERVICE",
		Short: "Add latency or errors to a service",
		Example: `  tenhop chaos inject payment --latency 500ms
  tenhop chaos inject payment --latency 300ms --jitter 100ms --match region=eu --percent 50
  tenhop chaos inject inventory --error UNAVAILABLE --percent 10 --for 1m`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("name one service; the services are %s", servicesIn(*dir))
			}
			fault := chaos.Fault{Kind: "latency", Latency: chaos.Duration(latency), Jitter: chaos.Duration(jitter), Code: code,
				Operation: operation, Match: match, Percent: percent, For: chaos.Duration(lasting)}
			switch {
			case (latency != 0) == (code != ""):
				return usagef("give either --latency or --error, such as --latency 500ms or --error UNAVAILABLE")
			case code != "":
				if jitter != 0 {
					return usagef("--jitter needs --latency")
				}
				fault.Kind = "error"
			}
			if !(percent > 0 && percent <= 100) {
				return usagef("--percent %v: must be greater than 0 and at most 100", percent)
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
	f.DurationVar(&latency, "latency", 0, "latency added to each request")
	f.DurationVar(&jitter, "jitter", 0, "maximum deviation from --latency, in both directions")
	f.StringVar(&code, "error", "", "gRPC code or HTTP status to fail with, such as UNAVAILABLE or 503")
	f.StringVar(&operation, "operation", "", "affect only this operation (default: all operations)")
	f.StringToStringVar(&match, "match", nil, "affect only requests with this attribute, `KEY=VALUE`; may be given again")
	f.Lookup("match").DefValue = "" // not [] in the help
	f.Float64Var(&percent, "percent", 100, "percentage of matching requests to affect")
	f.DurationVar(&lasting, "for", 2*time.Minute, "duration after which the fault is removed")
	return cmd
}

// Minimum times before a diagnosis is meaningful.
const (
	visibleAfter = 15 * time.Second // delay until metrics and rules show a fault
	baselineFor  = time.Minute      // of traffic before a fault
)

// afterInject returns the hint that is printed after a fault was injected.
func afterInject(state supervisor.State, lasting time.Duration, now time.Time) string {
	switch {
	case state.ReadyAt == nil || now.Sub(*state.ReadyAt) < baselineFor:
		return fmt.Sprintf("the storefront has not run for %s yet, which a diagnosis needs as its baseline: run `tenhop chaos clear` and inject the fault again then", baselineFor)
	case lasting < 2*visibleAfter:
		return fmt.Sprintf("it is over before a diagnosis is sure to see it; let it last for at least %s", 2*visibleAfter)
	}
	return fmt.Sprintf("run `tenhop diagnose` in about %.0f s, while the fault lasts; `tenhop chaos clear` removes it", visibleAfter.Seconds())
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
		Short:   "List the active faults; during a drill, only that a drill runs",
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
				fmt.Fprintln(out, "a drill is running; its fault is hidden until it ends")
				return nil
			case len(list) == 0:
				fmt.Fprintln(out, "no fault is active")
				return nil
			}
			t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "PROCESS\tFAULT\tEFFECT")
			for _, in := range list {
				fmt.Fprintf(t, "%s\t%s\t%s\n", in.Process, in.ID, describeFault(in.Fault))
			}
			return t.Flush()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newChaosClearCmd(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "clear [SERVICE...]",
		Short: "Remove the faults of the named services, or of all",
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
			of := "all services"
			if len(args) > 0 {
				of = strings.Join(args, ", ")
			}
			fmt.Fprintf(cmd.OutOrStdout(), "removed the faults of %s\n", of)
			return nil
		},
	}
}
