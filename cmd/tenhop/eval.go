package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/tenhop/tenhop/diagnose/corpus"
	"github.com/tenhop/tenhop/diagnose/eval"
)

func newEvalCmd() *cobra.Command {
	var dir string
	var opt eval.Options
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "eval --corpus DIR",
		Short: "Measure the diagnosis on recorded, labelled incidents",
		Long: `Measure the diagnosis on recorded, labelled incidents: the share of cases in
which the service at fault is ranked first, among the first three and five,
from spans alone, beside three rankers that know less.`,
		Example: `  tenhop eval --corpus ../shared/corpora
  tenhop eval --corpus ../shared/corpora --traces 20 --seed 1
  tenhop eval --corpus ../shared/corpora --anonymise --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				dir = os.Getenv("TENHOP_CORPORA")
			}
			if dir == "" {
				return usagef("--corpus DIR is missing: the folder of the recorded incidents")
			}
			if opt.Traces < 0 {
				return usagef("--traces %d: must not be negative", opt.Traces)
			}
			n, err := corpus.OpenNezha(filepath.Join(dir, "nezha"))
			if err != nil {
				return err
			}
			rep, err := eval.Run(n, opt, func(done, total int) { fmt.Fprintf(os.Stderr, "\r%d of %d incidents", done, total) })
			fmt.Fprintln(os.Stderr)
			if err != nil {
				return err
			}
			p, err := corpus.OpenPetShop(filepath.Join(dir, "petshop"))
			if err != nil {
				return err
			}
			if err := rep.RunPetShop(p, opt); err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), rep)
			}
			t := tabwriter.NewWriter(cmd.OutOrStdout(), 2, 8, 2, ' ', 0)
			fmt.Fprintln(t, "SYSTEM\tFAULTS\tN\tRANKER\tTOP 1\tTOP 3\tTOP 5")
			for _, r := range rep.Rows {
				fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%.1f %%\t%.1f %%\t%.1f %%\n", r.System, r.Group, r.N, r.Ranker, 100*r.Top1, 100*r.Top3, 100*r.Top5)
			}
			if err := t.Flush(); err != nil {
				return err
			}
			for _, m := range rep.Misses {
				fmt.Fprintf(cmd.OutOrStdout(), "missed %s (%d of %d draws): %s, ranked %s\n", m.ID, m.Times, max(opt.Draws, 1), m.Label, strings.Join(m.Ranked, ", "))
			}
			return nil
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&dir, "corpus", "", "folder of recorded incidents (default $TENHOP_CORPORA)")
	fl.IntVar(&opt.Traces, "traces", 0, "fault traces a case, drawn by the seed; 0 for all")
	fl.IntVar(&opt.Draws, "draws", 1, "draws of fault traces to average over")
	fl.Uint64Var(&opt.Seed, "seed", 0, "of the draw and of the random ranker")
	fl.BoolVar(&opt.Anonymise, "anonymise", false, "hash the names first: the figures must not change")
	fl.BoolVar(&opt.NoLogs, "no-logs", false, "leave the log lines out")
	fl.BoolVar(&asJSON, "json", false, "print JSON for programs")
	return cmd
}
