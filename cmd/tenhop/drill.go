package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tenhop/tenhop/drill"
	"github.com/tenhop/tenhop/supervisor"
)

type drillFlags struct {
	dir, report, entry  string
	auto, human, asJSON bool
}

func newDrillCmd() *cobra.Command {
	var f drillFlags
	var cfg drill.Config
	cmd := &cobra.Command{
		Use:   "drill",
		Short: "Hide a fault, time its discovery, check the answer",
		Long: `Make a hop that the seed chooses slower without saying which, time when customers,
alerts and the diagnosis notice, check the answer, lift the fault and wait until
the storefront is well again. The diagnosis runs in a process of its own that is
given two URLs and nothing else; with --human it is you who answers.

The fault is lifted whatever ends the drill.`,
		Example: `  tenhop drill --auto --rounds 3 --seed 7 --report drill.md
  tenhop drill --human`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.auto && f.human {
				return usagef("either --auto or --human")
			}
			if cfg.Rounds < 1 || cfg.Rounds > 1000 {
				return usagef("--rounds %d: must be between 1 and 1000", cfg.Rounds)
			}
			return f.run(cmd, cfg)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.dir, "dir", ".", "directory that holds .tenhop")
	fl.BoolVar(&f.auto, "auto", false, "the diagnosis answers, not you (default)")
	fl.BoolVar(&f.human, "human", false, "you answer")
	fl.IntVar(&cfg.Rounds, "rounds", 1, "how many")
	fl.Uint64Var(&cfg.Seed, "seed", 1, "chooses the hops")
	fl.DurationVar(&cfg.Latency, "latency", 0, "how much slower (default 500ms)")
	fl.StringVar(&f.entry, "entry", "POST /checkout", "operation of the gateway whose customers wait")
	fl.StringVar(&f.report, "report", "", "write a Markdown report to this file")
	fl.BoolVar(&f.asJSON, "json", false, "one JSON object a round")
	return cmd
}

func (f drillFlags) run(cmd *cobra.Command, cfg drill.Config) error {
	state, err := readState(f.dir)
	if err != nil {
		return err
	}
	if cfg.Faults, err = faults(state); err != nil {
		return err
	}
	if state.ReadyAt == nil {
		return errors.New("the storefront is still starting; see `tenhop status`")
	}
	if cfg.Program, err = os.Executable(); err != nil {
		return err
	}
	cfg.Jaeger, cfg.Prometheus, cfg.Up = state.Endpoints["jaeger"], state.Endpoints["prometheus"], *state.ReadyAt
	cfg.Entry = drill.Entry{Service: "gateway", Operation: f.entry}
	cfg.Say = func(format string, args ...any) { fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...) }
	if f.human {
		cfg.Human = askPerson(cmd.InOrStdin(), cmd.ErrOrStderr(), state.Endpoints)
	}
	d, err := supervisor.In(f.dir)
	if err != nil {
		return err
	}
	history := drill.NewHistory(d.Path("data", drillFile))
	enc := json.NewEncoder(cmd.OutOrStdout())
	cfg.Done = func(r drill.Round) {
		if err := history.Append(drill.Record{At: time.Now(), Round: r}); err != nil {
			cfg.Say("%v; dashboard and console leave this round out", err)
		}
		if f.asJSON {
			_ = enc.Encode(r) // a closed pipe ends the drill by its signal
		}
	}
	rounds, err := drill.Run(cmd.Context(), cfg)
	if f.report != "" && len(rounds) > 0 { // what there is, whatever ended it
		err = errors.Join(err, writeReport(f.report, rounds))
	}
	if f.asJSON || len(rounds) == 0 {
		return err
	}
	return errors.Join(err, drill.WriteTable(cmd.OutOrStdout(), rounds))
}

func writeReport(path string, rounds []drill.Round) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := drill.WriteMarkdown(file, rounds); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}

// askPerson returns a function that reads the answer from a terminal.
func askPerson(in io.Reader, out io.Writer, endpoints map[string]string) func(context.Context, []string) (drill.Guess, error) {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(in); s.Scan(); {
			lines <- strings.TrimSpace(s.Text())
		}
	}()
	ask := func(ctx context.Context, question string) (string, error) {
		fmt.Fprint(out, question)
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case line, ok := <-lines:
			if !ok {
				return "", io.ErrUnexpectedEOF
			}
			return line, nil
		}
	}
	return func(ctx context.Context, hops []string) (drill.Guess, error) {
		fmt.Fprintf(out, "look at Jaeger %s, Prometheus %s and the console %s\nthe hops: %s\n",
			endpoints["jaeger"], endpoints["prometheus"], endpoints["console"], strings.Join(hops, ", "))
		var g drill.Guess
		for _, q := range []struct {
			text   string
			answer *string
		}{{"which hop is slower? ", &g.Hop}, {"which of its operations? ", &g.Operation}, {"what kind (self, dependency, link, queue)? ", &g.Kind}} {
			line, err := ask(ctx, q.text)
			if err != nil {
				return g, err
			}
			*q.answer = line
		}
		return g, nil
	}
}
