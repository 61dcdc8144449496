package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tenhop/tenhop/internal/app"
	"github.com/tenhop/tenhop/stack"
	"github.com/tenhop/tenhop/stack/endpoint"
)

func newCompletionCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "completion {bash | zsh | fish}",
		Short: "Write a script that completes commands in a shell",
		Long: `Write a script that completes commands, flags and values in a shell. Services,
operations, entries and trace IDs are those of the back ends that --config and the
URLs name, or else of the storefront or stack that runs in this directory, or in
that given by --dir.`,
		Example: `  source <(tenhop completion bash)
  tenhop completion zsh > "${fpath[1]}/_tenhop"
  tenhop completion fish > ~/.config/fish/completions/tenhop.fish`,
		ValidArgs:             []string{"bash", "zsh", "fish"},
		Args:                  cobra.ExactArgs(1),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			root, out := cmd.Root(), cmd.OutOrStdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			}
			return usagef("there is no completion for %q; the shells are bash, zsh and fish", args[0])
		},
	}
}

// completionTimeout is the timeout of a completion.
const completionTimeout = time.Second

// suggest returns suggestions from a running storefront or stack. args are the
// arguments before the word to complete.
type suggest func(ctx context.Context, names app.Names, args []string) []string

// Suggestions from a running storefront or stack.
var (
	suggestServices suggest = func(ctx context.Context, n app.Names, args []string) []string {
		return slices.DeleteFunc(n.Services(ctx), func(s string) bool { return slices.Contains(args, s) })
	}
	suggestOneService suggest = func(ctx context.Context, n app.Names, args []string) []string {
		if len(args) > 0 {
			return nil
		}
		return n.Services(ctx)
	}
	suggestEntries suggest = func(ctx context.Context, n app.Names, _ []string) []string { return n.Entries(ctx) }
	suggestTraces  suggest = func(ctx context.Context, n app.Names, args []string) []string {
		if len(args) > 0 {
			return nil
		}
		return n.TraceIDs(ctx)
	}
)

// faultCodes lists the codes that --error suggests. It accepts any code.
var faultCodes = []string{"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "INTERNAL", "NOT_FOUND", "PERMISSION_DENIED",
	"UNAUTHENTICATED", "429", "500", "502", "503", "504"}

// addCompletions registers the completions of all verbs, in one place, so that
// equal arguments and flags complete equally.
func addCompletions(root *cobra.Command) {
	at := func(path string) *cobra.Command {
		cmd, _, err := root.Find(strings.Fields(path))
		if err != nil {
			panic(err) // a verb of this program
		}
		return cmd
	}
	at("chaos inject").ValidArgsFunction = fromRun(suggestOneService)
	at("chaos clear").ValidArgsFunction = fromRun(suggestServices)
	at("trace").ValidArgsFunction = fromRun(suggestTraces)
	completeFlag(at("chaos inject"), "operation", fromRun(func(ctx context.Context, n app.Names, args []string) []string {
		if len(args) == 0 {
			return nil
		}
		return n.Operations(ctx, args[0])
	}))
	completeFlag(at("chaos inject"), "error", cobra.FixedCompletions(faultCodes, cobra.ShellCompDirectiveNoFileComp))
	completeFlag(at("trace"), "service", fromRun(suggestOneService))
	completeFlag(at("trace"), "operation", func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		service := cmd.Flag("service").Value.String()
		return fromRun(func(ctx context.Context, n app.Names, _ []string) []string { return n.Operations(ctx, service) })(cmd, args, word)
	})
	completeFlag(at("diagnose"), "entry", fromRun(suggestEntries))
	completeFlag(at("drill"), "entry", fromRun(suggestEntries))
	completeFlag(at("up"), "replicas", assignments(at("service").ValidArgs))
	completeFlag(at("stack"), "listen", assignments(append(stack.Endpoints(), endpoint.Console)))
	forAll(root, func(cmd *cobra.Command) {
		for _, name := range []string{"dir", "data", "logs", "rules", "dashboards", "corpus"} {
			// These fail only for flags that the command does not have.
			_ = cmd.MarkFlagDirname(name)
			_ = cmd.MarkPersistentFlagDirname(name)
		}
		if cmd.ValidArgsFunction == nil && len(cmd.ValidArgs) == 0 && cmd.Name() != "generate" {
			cmd.ValidArgsFunction = cobra.NoFileCompletions
		}
	})
}

// forAll calls do for cmd and all commands below it.
func forAll(cmd *cobra.Command, do func(*cobra.Command)) {
	do(cmd)
	for _, c := range cmd.Commands() {
		forAll(c, do)
	}
}

// completeFlag registers the completion of a flag.
func completeFlag(cmd *cobra.Command, name string, complete cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(name, complete); err != nil {
		panic(err) // a flag of this program
	}
}

// assignments completes NAME=VALUE up to the equals sign.
func assignments(names []string) cobra.CompletionFunc {
	var all []string
	for _, name := range names {
		all = append(all, name+"=")
	}
	return cobra.FixedCompletions(all, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace)
}

// namesFor returns where the flags of a command look up names: in the back ends that
// they or the configuration file name, or in what runs in the directory given by --dir.
func namesFor(cmd *cobra.Command) (app.Names, error) {
	var b backendFlags
	for name, to := range map[string]*string{"config": &b.config, "prometheus": &b.prometheus, "jaeger": &b.jaeger, "tempo": &b.tempo} {
		if f := cmd.Flag(name); f != nil {
			*to = f.Value.String()
		}
	}
	if cmd.Flag("config") != nil { // the command asks back ends
		asked, err := b.read()
		if err != nil {
			return app.Names{}, err
		}
		if !asked.none() {
			return app.Names{Prometheus: asked.Prometheus, Jaeger: asked.Jaeger, Tempo: asked.Tempo, Clients: asked.Clients}, nil
		}
	}
	state, err := app.ReadState(cmd.Flag("dir").Value.String())
	return app.Names{State: state}, err
}

// fromRun completes from the back ends of namesFor. Without one it suggests nothing.
func fromRun(ask suggest) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		const none = cobra.ShellCompDirectiveNoFileComp
		names, err := namesFor(cmd)
		if err != nil {
			return nil, none
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		fitting := slices.DeleteFunc(ask(ctx, names, args), func(s string) bool { return !strings.HasPrefix(s, word) })
		return fitting, none
	}
}
