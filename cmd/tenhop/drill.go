package main

import (
	"context"
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
	"github.com/tenhop/tenhop/drill/report"
	"github.com/tenhop/tenhop/drill/scenario"
	"github.com/tenhop/tenhop/drill/seal"
	"github.com/tenhop/tenhop/internal/app"
)

type drillFlags struct {
	dir, report, entry, scenario string
	config, fleet                string
	kinds                        []string
	auto, human, asJSON, resume  bool
}

func newDrillCmd() *cobra.Command {
	var f drillFlags
	var cfg drill.Config
	cmd := &cobra.Command{
		Use:   "drill",
		Short: "Inject a hidden fault and score the diagnosis",
		Long: `Inject a fault that the seed selects, without naming it: by default latency at a hop,
with --kinds any of the kinds below, with --scenario an exercise from a file. Measure the
time until customers, alerts and the diagnosis notice, score the answer, remove the fault
and wait until latency is back to normal. The diagnosis runs in a process of its own, which
knows only the URLs of Jaeger and Prometheus. With --human, you answer.

Each fault is sealed: its hash is printed before the round, the fault and the nonce after
it. A round whose fault customers do not feel is void and does not count; another follows.
The fault is removed however the drill ends. The exit code is 1 if an answer is wrong.

With a report of JSON lines, rounds are added one by one, and --resume continues until
--rounds of them count. The report holds each diagnosis as it was answered.

Kinds: ` + strings.Join(drill.Kinds(), ", ") + `. In rounds of the kind
` + drill.Control + ` there is no fault, and nothing may be named.`,
		Example: `  tenhop drill --auto --rounds 3 --seed 7 --report drill.md
  tenhop drill --auto --rounds 150 --kinds all --report drills.jsonl --resume
  tenhop drill --auto --rounds 5 --kinds error,freeze,none
  tenhop drill --human --scenario payment-spike
  tenhop drill --fleet fleet.yaml --rounds 3 --seed 7`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case f.auto && f.human:
				return usagef("--auto and --human exclude each other")
			case f.scenario != "" && len(f.kinds) > 0:
				return usagef("--scenario and --kinds exclude each other")
			case f.scenario != "" && f.fleet != "":
				return usagef("--scenario is an exercise of the storefront: it excludes --fleet")
			case cfg.Rounds < 1 || cfg.Rounds > 1000:
				return usagef("--rounds %d: must be between 1 and 1000", cfg.Rounds)
			case f.resume && !f.lines():
				return usagef("--resume needs --report FILE with the ending .jsonl")
			}
			if cfg.Kinds = f.kinds; slices.Equal(f.kinds, []string{"all"}) {
				cfg.Kinds = drill.Kinds()
			}
			for _, k := range cfg.Kinds {
				if !slices.Contains(drill.Kinds(), k) {
					return usagef("--kinds %s: there is no such kind; the kinds are %s", k, strings.Join(drill.Kinds(), ", "))
				}
			}
			if f.scenario != "" {
				s, err := scenario.Load(f.scenario, storefrontOperations())
				if err != nil {
					return err
				}
				cfg.Scenario = &s
				if s.Entry != "" && !cmd.Flags().Changed("entry") {
					f.entry = s.Entry
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
	fl.IntVar(&cfg.Rounds, "rounds", 1, "number of rounds that count, one after the other")
	fl.Uint64Var(&cfg.Seed, "seed", 1, "seed that selects the faults")
	fl.StringSliceVar(&f.kinds, "kinds", nil, "kinds of fault to choose from, or all (default latency)")
	fl.Lookup("kinds").DefValue = ""
	fl.StringVar(&f.scenario, "scenario", "", "exercise: a name that \"tenhop drill scenarios\" lists, or a YAML file")
	fl.DurationVar(&cfg.Latency, "latency", 0, "latency of latency faults (default 500ms)")
	fl.StringVar(&f.entry, "entry", "", "entry whose latency is watched (default: "+app.DefaultEntry().Operation+" of the gateway, or that of the fleet)")
	fl.StringVar(&f.fleet, "fleet", "", fleetHelp)
	fl.StringVar(&f.report, "report", "", "write a report to this file: JSON lines (.jsonl), a page (.html) or Markdown")
	fl.BoolVar(&f.resume, "resume", false, "add to the rounds of the report until --rounds of them count")
	fl.BoolVar(&f.asJSON, "json", false, "print one JSON object per round")
	cmd.AddCommand(newDrillScenariosCmd(), newDrillReportCmd(), newDrillVerifyCmd())
	return cmd
}

// lines reports whether the report is one of JSON lines.
func (f drillFlags) lines() bool { return filepath.Ext(f.report) == ".jsonl" }

func (f drillFlags) run(cmd *cobra.Command, given drill.Config) error {
	ctx := cmd.Context()
	var cfg drill.Config
	var history *drill.History
	var err error
	if f.fleet != "" {
		var done context.CancelFunc
		if ctx, done, cfg, err = fleetDrill(ctx, f.fleet); err != nil {
			return err
		}
		defer done()
		if f.entry == "" {
			f.entry = cfg.Entry.Operation
		}
	} else if cfg, history, err = app.Drill(f.dir); err != nil {
		return advise(err)
	}
	if f.entry == "" {
		f.entry = app.DefaultEntry().Operation
	}
	if f.config != "" {
		if err := configureDrill(f.config, &cfg); err != nil {
			return err
		}
	}
	cfg.Rounds, cfg.Seed, cfg.Kinds, cfg.Latency, cfg.Scenario, cfg.Entry.Operation = given.Rounds, given.Seed, given.Kinds, given.Latency, given.Scenario, f.entry
	cfg.Voids = given.Rounds
	cfg.Say = func(format string, args ...any) { fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...) }
	if f.human && f.fleet == "" {
		state, err := readState(f.dir)
		if err != nil {
			return err
		}
		cfg.Human = app.AskPerson(cmd.InOrStdin(), cmd.ErrOrStderr(), state.Endpoints)
	} else if f.human {
		cfg.Human = app.AskPerson(cmd.InOrStdin(), cmd.ErrOrStderr(), map[string]string{"prometheus": cfg.Prometheus, "jaeger": cfg.Jaeger})
	}
	var lines report.Writer
	var before report.File
	if f.lines() {
		if lines, before, err = report.Append(f.report); err != nil {
			return err
		}
		if err := f.resumed(before, &cfg); err != nil {
			return err
		}
	}
	cfg.Sealed = func(round int, s seal.Seal) error {
		cfg.Say("round %d: the fault is sealed: sha256 %s", round, s.SHA256)
		if f.lines() {
			return lines.Sealed(round, s)
		}
		return nil
	}
	enc := json.NewEncoder(cmd.OutOrStdout())
	var failed error
	counted := report.Counted(before.Rounds)
	total := counted + cfg.Rounds
	cfg.Done = func(r drill.Round) {
		if r.Void == "" {
			counted++
		}
		printRound(cfg.Say, r, counted, total)
		if f.lines() {
			failed = errors.Join(failed, lines.Round(r))
		}
		if history != nil { // a fleet has no console here
			if err := history.Append(drill.Record{At: time.Now(), Round: r}); err != nil {
				cfg.Say("%v; dashboard and console will not show this round", err)
			}
		}
		if f.asJSON {
			_ = enc.Encode(r) // a closed pipe ends the drill with its signal
		}
	}
	var rounds []drill.Round
	if cfg.Rounds > 0 {
		rounds, err = drill.Run(ctx, cfg)
	}
	return f.finish(cmd, append(before.Rounds, rounds...), total, errors.Join(err, failed))
}

// resumed sets what is left to do after the rounds that a report holds.
func (f drillFlags) resumed(before report.File, cfg *drill.Config) error {
	if len(before.Rounds)+len(before.Seals) > 0 && !f.resume {
		return fmt.Errorf("%s holds %d rounds; add --resume to continue, or name another file", f.report, len(before.Rounds))
	}
	for _, r := range before.Rounds {
		if r.Seed != cfg.Seed {
			return fmt.Errorf("%s was begun with --seed %d; continue with this seed", f.report, r.Seed)
		}
	}
	cfg.First = before.Last() + 1
	cfg.Rounds = max(0, cfg.Rounds-report.Counted(before.Rounds))
	return nil
}

// printRound prints the fault and the seal of a round that is over.
func printRound(say func(string, ...any), r drill.Round, counted, total int) {
	verdict := "right"
	switch {
	case r.Void != "":
		verdict = "void: " + r.Void
	case r.Half:
		verdict = "half right, which is wrong: not " + strings.Join(r.Wrong(), ", ")
	case !r.Right():
		verdict = "wrong: not " + strings.Join(r.Wrong(), ", ")
	}
	say("round %d: %s; it was %s (%d of %d)", r.Round, verdict, r.Fault, counted, total)
	if r.Seal == nil {
		return
	}
	if b, err := json.Marshal(r.Fault); err == nil {
		say("round %d: nonce %s fault %s", r.Round, r.Seal.Nonce, b)
	}
}

// finish writes the reports about all rounds.
func (f drillFlags) finish(cmd *cobra.Command, rounds []drill.Round, wanted int, err error) error {
	if f.report != "" && !f.lines() && len(rounds) > 0 { // also after an error
		err = errors.Join(err, writeReport(f.report, rounds))
	}
	if !f.asJSON && len(rounds) > 0 {
		err = errors.Join(err, report.WriteTable(cmd.OutOrStdout(), rounds))
	}
	if wrong := report.Wrong(rounds); wrong > 0 {
		err = errors.Join(err, fmt.Errorf("%d of %d answers are wrong", wrong, report.Counted(rounds)))
	}
	if counted := report.Counted(rounds); err == nil && counted < wanted {
		err = fmt.Errorf("only %d of %d rounds count; the others are void", counted, wanted)
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

// writeReport writes a page or Markdown.
func writeReport(path string, rounds []drill.Round) error {
	write := report.WriteMarkdown
	if strings.EqualFold(filepath.Ext(path), ".html") {
		write = report.WriteHTML
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := write(file, rounds); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}
