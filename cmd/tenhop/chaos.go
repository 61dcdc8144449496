package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
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
		Short: "Inject faults into services",
		Long:  "Inject latency, errors and other faults into the services of the storefront, or into its\nshoppers. Telemetry does not name a fault: it looks like a real one of its kind.",
		Example: `  tenhop chaos inject payment --latency 500ms
  tenhop chaos kinds
  tenhop chaos list
  tenhop chaos clear`,
	}
	var dir string
	cmd.PersistentFlags().StringVar(&dir, "dir", ".", "directory that contains .tenhop")
	group(cmd)
	cmd.AddCommand(newChaosInjectCmd(&dir), newChaosKindsCmd(), newChaosListCmd(&dir), newChaosClearCmd(&dir), newChaosProxyCmd())
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
	var kind, code, operation, dependency, size, fleet string
	var match map[string]string
	var percent, factor float64
	var hold bool
	cmd := &cobra.Command{
		Use:   "inject SERVICE|PROCESS",
		Short: "Inject a fault into a service, or into one process of it",
		Long: "Inject a fault into every process of a service, or into one process of it. The load\ngenerator is the service " + app.Shoppers + ". The kind of fault is --kind, or latency with --latency and\n" +
			"error with --error; `tenhop chaos kinds` describes them. With --hold the fault is lifted\nwhen this program ends, however it ends.\n\n" + kindsHelp(),
		Example: `  tenhop chaos inject payment --latency 500ms
  tenhop chaos inject payment --latency 300ms --jitter 100ms --match region=eu --percent 50
  tenhop chaos inject inventory --error UNAVAILABLE --percent 10 --for 1m
  tenhop chaos inject order --latency 200ms --dependency order-db
  tenhop chaos inject payment-2 --kind freeze --latency 400ms --for 1m
  tenhop chaos inject catalog --kind leak --bytes 32MiB
  tenhop chaos inject payment --latency 2s --percent 1                  # the tail only
  tenhop chaos inject order --kind link_delay --latency 80ms --dependency payment
  tenhop chaos inject cart --kind down --dependency carts --for 30s
  tenhop chaos inject order --kind slow_query --latency 60ms
  tenhop chaos inject inventory --kind throttle --percent 2 --for 1m
  tenhop chaos inject order --kind retry_storm --factor 5
  tenhop chaos inject shoppers --kind surge --factor 3 --hold
  tenhop chaos inject stock --fleet fleet.yaml --latency 200ms --percent 50 --for 1m`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 && fleet != "" {
				return usagef("name one service")
			}
			if len(args) != 1 {
				return usagef("name one service; the services are %s", servicesIn(*dir))
			}
			if (hold || fleet != "") && !cmd.Flags().Changed("for") {
				lasting = 0
			}
			fault := chaos.Fault{Kind: kind, Latency: chaos.Duration(latency), Jitter: chaos.Duration(jitter), Code: code,
				Factor: factor, Operation: operation, Dependency: dependency, Match: match, Percent: percent, For: chaos.Duration(lasting)}
			if err := complete(&fault, size); err != nil {
				return err
			}
			if fleet != "" {
				return injectIntoFleet(cmd, fleet, args[0], fault)
			}
			f, state, err := faultsIn(*dir)
			if err != nil {
				return err
			}
			if hold {
				return holdFault(cmd, f, args[0], fault)
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
	f.StringVar(&kind, "kind", "", "kind of fault (default: latency or error, by the flags given)")
	f.DurationVar(&latency, "latency", 0, "latency added to each request; other kinds use it as their duration")
	f.DurationVar(&jitter, "jitter", 0, "maximum deviation from --latency, in both directions")
	f.StringVar(&code, "error", "", "gRPC code or HTTP status to fail with, such as UNAVAILABLE or 503")
	f.StringVar(&size, "bytes", "", "amount per second, such as 32MiB, for the kinds that use it")
	f.Float64Var(&factor, "factor", 0, "multiple of the usual amount, for the kinds that use it")
	f.BoolVar(&hold, "hold", false, "lift the fault when this program ends, and after --for if given")
	f.StringVar(&fleet, "fleet", "", fleetHelp+"; implies --hold")
	f.StringVar(&operation, "operation", "", "affect only this operation (default: all operations)")
	f.StringVar(&dependency, "dependency", "", "affect calls of this dependency, such as payment-db, in place of requests")
	f.StringToStringVar(&match, "match", nil, "affect only requests with this attribute, `KEY=VALUE`; may be given again")
	f.Lookup("match").DefValue = "" // not [] in the help
	f.Float64Var(&percent, "percent", 100, "percentage of matching requests to affect")
	f.DurationVar(&lasting, "for", 2*time.Minute, "duration after which the fault is removed")
	return cmd
}

// holdFault holds a fault until it is over or this program is stopped.
func holdFault(cmd *cobra.Command, f drill.Faults, name string, fault chaos.Fault) error {
	err := f.Hold(cmd.Context(), name, fault, func(done []drill.Injected) {
		for _, in := range done {
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, until Ctrl-C (fault %s)\n", in.Process, describeFault(in.Fault), in.ID)
		}
	})
	switch {
	case errors.Is(err, drill.ErrUnknownService) || drill.Refused(err):
		return &usageError{err}
	case err != nil && (cmd.Context().Err() == nil || errors.Is(err, drill.ErrNotLifted)):
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), "the fault is lifted")
	return nil
}

// kindsHelp lists the kinds with an example of each.
func kindsHelp() string {
	var b strings.Builder
	b.WriteString("Kinds, with an example of each:\n")
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, k := range app.Kinds() {
		service := "payment"
		if len(k.Services) > 0 {
			service = k.Services[0]
		}
		fmt.Fprintf(t, "  %s\ttenhop chaos inject %s %s\n", k.Name, service, injectFlags(k.Example))
	}
	_ = t.Flush()
	return strings.TrimRight(b.String(), "\n")
}

// complete sets the kind of a fault from the flags given, and its bytes.
func complete(f *chaos.Fault, size string) error {
	switch {
	case f.Kind == "" && (f.Latency != 0) == (f.Code != ""):
		return usagef("give --latency, --error or --kind, such as --latency 500ms, --error UNAVAILABLE or --kind gc")
	case f.Kind == "" && f.Code != "":
		if f.Kind = "error"; f.Jitter != 0 {
			return usagef("--jitter needs --latency")
		}
	case f.Kind == "":
		f.Kind = "latency"
	}
	if !(f.Percent > 0 && f.Percent <= 100) {
		return usagef("--percent %v: must be greater than 0 and at most 100", f.Percent)
	}
	if size == "" {
		return nil
	}
	n, err := humanize.ParseBytes(size)
	if err != nil || n > math.MaxInt64 {
		return usagef("--bytes %q: must be an amount such as 32MiB", size)
	}
	f.Bytes = int64(n)
	return nil
}

func newChaosKindsCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "kinds",
		Short:   "List the kinds of fault, with their symptoms and an example",
		Example: "  tenhop chaos kinds",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			if asJSON {
				return writeJSON(out, app.Kinds())
			}
			for _, k := range app.Kinds() {
				service, offered := "SERVICE", "any service"
				if len(k.Services) > 0 {
					service, offered = k.Services[0], strings.Join(k.Services, ", ")
				}
				fmt.Fprintf(out, "%s\n  %s\n  Symptoms: %s\n  Cause to expect: %s\n  Offered by: %s\n  tenhop chaos inject %s %s\n\n",
					k.Name, k.Does, k.Symptom, k.Cause, offered, service, injectFlags(k.Example))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// injectFlags returns the flags of `tenhop chaos inject` for a fault.
func injectFlags(f chaos.Fault) string {
	flags := []string{"--kind " + f.Kind}
	if f.Latency != 0 {
		flags = append(flags, "--latency "+time.Duration(f.Latency).String())
	}
	if f.Bytes != 0 {
		flags = append(flags, "--bytes "+strings.ReplaceAll(humanize.IBytes(uint64(f.Bytes)), " ", ""))
	}
	if f.Factor != 0 {
		flags = append(flags, fmt.Sprintf("--factor %v", f.Factor))
	}
	if f.Dependency != "" {
		flags = append(flags, "--dependency "+f.Dependency)
	}
	if f.Code != "" {
		flags = append(flags, "--error "+f.Code)
	}
	if f.Percent != 0 {
		flags = append(flags, fmt.Sprintf("--percent %v", f.Percent))
	}
	return strings.Join(flags, " ")
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
	switch f.Kind {
	case "error":
		fmt.Fprintf(&b, "fails with %s", cmp.Or(f.Code, "UNAVAILABLE"))
	case "latency":
		fmt.Fprintf(&b, "+%s", time.Duration(f.Latency))
		if f.Jitter > 0 {
			fmt.Fprintf(&b, " ± %s", time.Duration(f.Jitter))
		}
	default:
		b.WriteString(f.Kind)
		if f.Latency > 0 {
			fmt.Fprintf(&b, " %s", time.Duration(f.Latency))
		}
		if f.Factor > 0 {
			fmt.Fprintf(&b, " × %v", f.Factor)
		}
		if f.Bytes > 0 {
			fmt.Fprintf(&b, " %s/s", humanize.IBytes(uint64(f.Bytes)))
		}
	}
	if f.Dependency != "" {
		fmt.Fprintf(&b, " in calls of %s", f.Dependency)
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
		Use:   "clear [SERVICE|PROCESS...]",
		Short: "Remove the faults of the named services or processes, or of all",
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
