// Command tenhop runs a storefront of thirteen services with the stack that
// observes it, injects faults into it, and names the hop that got slower.
//
// This package has only the command line, one file per verb. See docs/cli.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tenhop/tenhop/drill"
	"github.com/tenhop/tenhop/supervisor"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
	exitFound  = 3 // what --fail-on asks for
)

func main() { os.Exit(run(context.Background(), os.Args[1:])) }

// run executes a command line and returns its exit code.
func run(ctx context.Context, args []string) int { return runTo(ctx, os.Stderr, args) }

// runTo is run with error messages written to w.
func runTo(ctx context.Context, w io.Writer, args []string) int {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	// A second Ctrl-C kills the program.
	context.AfterFunc(ctx, stop)
	ctx = supervisor.Lifeline(ctx)
	root := newRootCmd()
	root.SetArgs(args)
	begun := false
	root.PersistentPreRun = func(*cobra.Command, []string) { begun = true }
	cmd, err := root.ExecuteContextC(ctx)
	var usage *usageError
	var found *foundError
	switch {
	case err == nil:
		return exitDone
	case !begun, errors.As(err, &usage):
		fmt.Fprintf(w, "tenhop: %s\nusage: %s\nSee `%s --help`.\n", printableLines(err.Error()), usageLine(cmd), cmd.CommandPath())
		return exitUsage
	case errors.As(err, &found):
		fmt.Fprintf(w, "tenhop: %s\n", printable(found.Error()))
		return exitFound
	case errors.Is(err, errReported):
		return exitFailed
	case ctx.Err() != nil && errors.Is(err, context.Canceled) && !errors.Is(err, drill.ErrNotLifted):
		return exitFailed
	}
	fmt.Fprintf(w, "tenhop: %s\n", printableLines(err.Error()))
	return exitFailed
}

// printableLines is printable for a text of several lines: errors may quote names from
// telemetry.
func printableLines(s string) string {
	lines := strings.Split(strings.ReplaceAll(s, "\t", "    "), "\n")
	for i, l := range lines {
		lines[i] = printable(l)
	}
	return strings.Join(lines, "\n")
}

// usageLine returns the synopsis of a command.
func usageLine(cmd *cobra.Command) string {
	if cmd.HasSubCommands() {
		return cmd.CommandPath() + " COMMAND [flags]"
	}
	return cmd.UseLine()
}

// group makes cmd a parent of other commands. Without a subcommand it prints its help.
// An unknown subcommand is a usage error.
func group(cmd *cobra.Command) {
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
}

// newRootCmd returns the whole command line.
func newRootCmd() *cobra.Command {
	root := &cobra.Command{
		Use:           "tenhop",
		Short:         "Find the hop of a request that got slower, and why",
		Long:          "tenhop runs a storefront of thirteen services with the stack that observes it,\ninjects faults into it, and names the hop that got slower, with evidence.",
		Example:       "  tenhop up\n  tenhop chaos inject payment --latency 500ms\n  tenhop diagnose",
		Version:       thisBuild().String(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetVersionTemplate("{{.Version}}")
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(
		newUpCmd(),
		newDownCmd(),
		newStatusCmd(),
		newLoadCmd(),
		newChaosCmd(),
		newTraceCmd(),
		newDrillCmd(),
		newDiagnoseCmd(),
		newWatchCmd(),
		newDoraCmd(),
		newMCPCmd(),
		newEvalCmd(),
		newSLOCmd(),
		newStackCmd(),
		newCertsCmd(),
		newServiceCmd(),
		newCompletionCmd(),
		newVersionCmd(),
	)
	addCompletions(root)
	return root
}

// errReported is returned by a command that has printed its failure.
var errReported = errors.New("failed")

// usageError is a usage error, with exit code 2.
type usageError struct{ err error }

// Error implements error.
func (e *usageError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *usageError) Unwrap() error { return e.err }

// usagef returns a usage error.
func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }
