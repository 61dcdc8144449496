package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tenhop/tenhop/drill"
	"github.com/tenhop/tenhop/internal/app"
)

type drillFlags struct {
	dir, report, entry  string
	config              string
	kinds               []string
	auto, human, asJSON bool
}

func newDrillCmd() *cobra.Command {
	var f drillFlags
	var cfg drill.Config
	cmd := &cobra.Command{
		Use:   "drill",
		Short: "Inject a hidden fault and score the diagnosis",
		Long: `Inject a fault that the seed selects, without naming it: by default latency at a hop,
with --kinds any of the kinds below. Measure the time until customers, alerts and the
diagnosis notice, score the answer, remove the fault and wait until latency is back to
normal. The diagnosis runs in a process of its own, which knows only the URLs of Jaeger
and Prometheus. With --human, you answer.

The fault is removed however the drill ends. The exit code is 1 if an answer is wrong.

Kinds: ` + strings.Join(drill.Kinds(), ", ") + `. In rounds of the kind
` + drill.Control + ` there is no fault, and nothing may be named.`,
		Example: `  tenhop drill --auto --rounds 3 --seed 7 --report drill.md
  tenhop drill --auto --rounds 20 --kinds all
  tenhop drill --auto --rounds 5 --kinds error,freeze,none
  tenhop drill --human`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.auto && f.human {
				return usagef("--auto and --human exclude each other")
			}
			if cfg.Rounds < 1 || cfg.Rounds > 1000 {
				return usagef("--rounds %d: must be between 1 and 1000", cfg.Rounds)
			}
			if cfg.Kinds = f.kinds; slices.Equal(f.kinds, []string{"all"}) {
				cfg.Kinds = drill.Kinds()
			}
			for _, k := range cfg.Kinds {
				if !slices.Contains(drill.Kinds(), k) {
					return usagef("--kinds %s: there is no such kind; the kinds are %s", k, strings.Join(drill.Kinds(), ", "))
				}
			}
			return f.run(cmd, cfg)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.dir, "dir", ".", "directory that contains .tenhop")
	fl.StringVar(&f.config, "config", "", "file with the credentials of the back ends that the storefront reports to")
	fl.BoolVar(&f.auto, "auto", false, "let the diagnosis answer (default)")
	fl.BoolVar(&f.human, "human", false, "answer yourself")
	fl.IntVar(&cfg.Rounds, "rounds", 1, "number of faults, one after the other")
	fl.Uint64Var(&cfg.Seed, "seed", 1, "seed that selects the faults")
	fl.StringSliceVar(&f.kinds, "kinds", nil, "kinds of fault to choose from, or all (default latency)")
	fl.Lookup("kinds").DefValue = ""
	fl.DurationVar(&cfg.Latency, "latency", 0, "latency of latency faults (default 500ms)")
	fl.StringVar(&f.entry, "entry", app.DefaultEntry().Operation, "entry at the gateway whose latency is watched")
	fl.StringVar(&f.report, "report", "", "write a Markdown report to this file")
	fl.BoolVar(&f.asJSON, "json", false, "print one JSON object per round")
	return cmd
}

func (f drillFlags) run(cmd *cobra.Command, given drill.Config) error {
	cfg, history, err := app.Drill(f.dir)
	if err != nil {
		return advise(err)
	}
	if f.config != "" {
		if err := configureDrill(f.config, &cfg); err != nil {
			return err
		}
	}
	cfg.Rounds, cfg.Seed, cfg.Kinds, cfg.Latency, cfg.Entry.Operation = given.Rounds, given.Seed, given.Kinds, given.Latency, f.entry
	cfg.Say = func(format string, args ...any) { fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...) }
	if f.human {
		state, err := readState(f.dir)
		if err != nil {
			return err
		}
		cfg.Human = app.AskPerson(cmd.InOrStdin(), cmd.ErrOrStderr(), state.Endpoints)
	}
	enc := json.NewEncoder(cmd.OutOrStdout())
	cfg.Done = func(r drill.Round) {
		if err := history.Append(drill.Record{At: time.Now(), Round: r}); err != nil {
			cfg.Say("%v; dashboard and console will not show this round", err)
		}
		if f.asJSON {
			_ = enc.Encode(r) // a closed pipe ends the drill with its signal
		}
	}
	rounds, err := drill.Run(cmd.Context(), cfg)
	if f.report != "" && len(rounds) > 0 { // also after an error
		err = errors.Join(err, writeReport(f.report, rounds))
	}
	if !f.asJSON && len(rounds) > 0 {
		err = errors.Join(err, drill.WriteTable(cmd.OutOrStdout(), rounds))
	}
	if wrong := drill.Wrong(rounds); wrong > 0 {
		err = errors.Join(err, fmt.Errorf("%d of %d answers are wrong", wrong, len(rounds)))
	}
	return err
}

// configureDrill sets the back ends of a drill to those that a file names, and their
// clients.
func configureDrill(file string, cfg *drill.Config) error {
	asked := backendFlags{config: file, prometheus: cfg.Prometheus}
	found, err := asked.read()
	if err != nil {
		return err
	}
	if found.Jaeger != "" || found.Tempo != "" {
		cfg.Jaeger, cfg.Tempo = found.Jaeger, found.Tempo
	}
	cfg.Clients = found.Clients
	cfg.ConfigFile, err = filepath.Abs(file)
	for _, name := range found.File.Env {
		cfg.ConfigEnv = append(cfg.ConfigEnv, name+"="+os.Getenv(name))
	}
	return err
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
