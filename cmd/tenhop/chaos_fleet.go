package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/tenhop/tenhop/drill"
	"github.com/tenhop/tenhop/drill/fleet"
	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/query/prometheus"
)

const fleetHelp = "file that describes a fleet of your own, in place of the storefront"

// fleetOf reads a fleet's file and finds its fault endpoints. The context that it returns
// ends when the fleet's condition to stop is met; done ends the watch for it.
func fleetOf(ctx context.Context, path string) (guarded context.Context, done context.CancelFunc, f *fleet.File, faults drill.Faults, err error) {
	if f, err = fleet.Read(path); err != nil {
		return nil, nil, nil, faults, err
	}
	if faults, err = f.Faults(ctx); err != nil {
		return nil, nil, nil, faults, err
	}
	if !f.Condition().Set() {
		guarded, done = context.WithCancel(ctx)
		return guarded, done, f, faults, nil
	}
	prom, err := prometheus.New(f.Prometheus, nil)
	if err != nil {
		return nil, nil, nil, faults, err
	}
	guarded, done, err = f.Condition().Guard(ctx, prom)
	return guarded, done, f, faults, err
}

// injectIntoFleet holds a fault in a service of a fleet until it is over, this program is
// stopped, or the condition to stop is met.
func injectIntoFleet(cmd *cobra.Command, path, service string, fault chaos.Fault) error {
	ctx, done, f, faults, err := fleetOf(cmd.Context(), path)
	if err != nil {
		return err
	}
	defer done()
	if fault.For == 0 {
		fault.For = chaos.Duration(f.Longest())
	}
	var began time.Time
	err = faults.Hold(ctx, service, fault, func(in []drill.Injected) {
		began = time.Now()
		for _, one := range in {
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, until Ctrl-C and for %s at most (fault %s)\n", one.Process, describeFault(one.Fault), time.Duration(fault.For), one.ID)
		}
	})
	var limit *drill.LimitError
	switch stopped := context.Cause(ctx); {
	case errors.As(err, &limit), errors.Is(err, drill.ErrUnknownService), drill.Refused(err):
		return &usageError{err}
	case errors.Is(err, drill.ErrNotLifted):
		return err
	case errors.Is(stopped, drill.ErrStopped) && began.IsZero():
		return fmt.Errorf("the fault did not come into force everywhere, and is lifted: %w", stopped)
	case errors.Is(stopped, drill.ErrStopped):
		return fmt.Errorf("the fault is lifted after %s: %w", time.Since(began).Round(time.Second), stopped)
	case err != nil && ctx.Err() == nil:
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), "the fault is lifted")
	return nil
}

// fleetDrill returns the configuration of a drill on a fleet.
func fleetDrill(ctx context.Context, path string) (guarded context.Context, done context.CancelFunc, cfg drill.Config, err error) {
	guarded, done, f, faults, err := fleetOf(ctx, path)
	if err != nil {
		return nil, nil, cfg, err
	}
	cfg = drill.Config{Faults: faults, Prometheus: f.Prometheus, Jaeger: f.Jaeger, Tempo: f.Tempo, Entry: f.Entry}
	switch {
	case f.Prometheus == "" || (f.Jaeger == "") == (f.Tempo == ""):
		err = fmt.Errorf("%s: a drill asks `prometheus`, and `jaeger` or `tempo`", path)
	case f.Entry.Service == "" || f.Entry.Operation == "":
		err = fmt.Errorf("%s: name the entry whose latency is watched, such as `entry: {service: shop, operation: \"GET /items/{item}\"}`", path)
	default:
		cfg.Program, err = os.Executable()
	}
	if err != nil {
		done()
		return nil, nil, cfg, err
	}
	return guarded, done, cfg, nil
}
