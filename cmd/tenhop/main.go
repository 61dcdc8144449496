// Command tenhop starts a storefront of thirteen services with the stack that
// observes it, makes one of its hops slower, and says which one it is.
//
// The files of this package hold flags, one file a verb; what the verbs do is
// in the packages beside them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tenhop/tenhop/supervisor"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() { os.Exit(run(context.Background(), os.Args[1:])) }

// run runs one command line and returns its exit code.
func run(ctx context.Context, args []string) int { return runTo(ctx, os.Stderr, args) }

// runTo is run with the errors told to w.
func runTo(ctx context.Context, w io.Writer, args []string) int {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	// A second Ctrl-C ends the program at once.
	context.AfterFunc(ctx, stop)
	ctx = supervisor.Lifeline(ctx)
	root := newRootCmd()
	root.SetArgs(args)
	begun := false
	root.PersistentPreRun = func(*cobra.Command, []string) { begun = true }
	cmd, err := root.ExecuteContextC(ctx)
	var usage *usageError
	switch {
	case err == nil:
		return exitDone
	case !begun, errors.As(err, &usage):
		fmt.Fprintf(w, "tenhop: %v\nusage: %s\nSee `%s --help`.\n", err, usageLine(cmd), cmd.CommandPath())
		return exitUsage
	case errors.Is(err, errReported):
		return exitFailed
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return exitFailed
	}
	fmt.Fprintf(w, "tenhop: %v\n", err)
	return exitFailed
}

// usageLine is one line on how a command is called.
func usageLine(cmd *cobra.Command) string {
	if cmd.HasSubCommands() {
		return cmd.CommandPath() + " COMMAND [flags]"
	}
	return cmd.UseLine()
}

// group makes a command that only holds others: without one of them it is help,
// with an unknown one wrong use.
func group(cmd *cobra.Command) {
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
}

// newRootCmd makes the whole command line.
func newRootCmd() *cobra.Command {
	root := &cobra.Command{
		Use:           "tenhop",
		Short:         "Which hop of a request got slower, and why",
		Long:          "tenhop starts a storefront of thirteen services with the stack that observes it,\nmakes one of its hops slower, and says which one it is, with evidence.",
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(
		newUpCmd(),
		newDownCmd(),
		newStatusCmd(),
		newLoadCmd(),
		newChaosCmd(),
		newTraceCmd(),
		newDrillCmd(),
		newDiagnoseCmd(),
		newEvalCmd(),
		newSLOCmd(),
		newStackCmd(),
		newServiceCmd(),
	)
	return root
}

// errReported ends a command that has told its failure already.
var errReported = errors.New("failed")

// usageError is wrong use of the command line: exit code 2.
type usageError struct{ err error }

// Error returns what is wrong and what would be right.
func (e *usageError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *usageError) Unwrap() error { return e.err }

// usagef reports wrong use.
func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// version is the module's version, or the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return s.Value[:12]
		}
	}
	return "devel"
}
