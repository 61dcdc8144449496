package main

import (
	"fmt"
	"io"
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
	var quiet string
	var asJSON, noMetrics bool
	cmd := &cobra.Command{
		Use:   "eval --corpus DIR",
		Short: "Measure the diagnosis on recorded, labelled incidents",
		Long: `Measure the diagnosis on recorded, labelled incidents: the share of cases in
which the service at fault is ranked first, among the first three and five,
beside rankers that know less, and how often the verdict is a spike. Spans and
log lines are compared for nezha, metrics along a call graph for petshop.`,
		Example: `  tenhop eval --corpus ../shared/corpora
  tenhop eval --corpus ../shared/corpora --traces 20 --draws 20 --no-logs
  tenhop eval --corpus ../shared/corpora --quiet-split time
  tenhop eval --corpus ../shared/corpora --anonymise --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				dir = os.Getenv("TENHOP_CORPORA")
			}
			if dir == "" {
				return usagef("--corpus DIR is missing: the folder of the recorded incidents")
			}
			if opt.Traces < 0 || opt.Draws < 1 {
				return usagef("--traces %d --draws %d: must not be negative, and at least one draw", opt.Traces, opt.Draws)
			}
			if quiet != "" && quiet != "time" && quiet != "random" {
				return usagef("--quiet-split %s: must be time or random", quiet)
			}
			n, err := corpus.OpenNezha(filepath.Join(dir, "nezha"))
			if err != nil {
				return err
			}
			if quiet != "" {
				return evalQuiet(cmd.OutOrStdout(), n, opt, quiet, asJSON)
			}
			rep, err := eval.Run(n, opt, func(done, total int) { fmt.Fprintf(os.Stderr, "\r%d of %d incidents", done, total) })
			fmt.Fprintln(os.Stderr)
			if err != nil {
				return err
			}
			if !noMetrics {
				p, err := corpus.OpenPetShop(filepath.Join(dir, "petshop"))
				if err != nil {
					return err
				}
				if err := rep.RunPetShop(p, opt); err != nil {
					return err
				}
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), rep)
			}
			return printEval(cmd.OutOrStdout(), rep)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&dir, "corpus", "", "folder of recorded incidents (default $TENHOP_CORPORA)")
	fl.IntVar(&opt.Traces, "traces", 0, "fault traces a case, drawn by the seed; 0 for all")
	fl.IntVar(&opt.Draws, "draws", 1, "draws of fault traces to average over")
	fl.Uint64Var(&opt.Seed, "seed", 0, "of the draw and of the random ranker")
	fl.BoolVar(&opt.Anonymise, "anonymise", false, "hash the names first: the figures must not change")
	fl.BoolVar(&opt.NoLogs, "no-logs", false, "leave the log lines out")
	fl.BoolVar(&noMetrics, "no-metrics", false, "leave out the incidents that are told from metrics")
	fl.StringVar(&quiet, "quiet-split", "", "halve the ordinary windows instead, by time or at random, and count false alarms")
	fl.BoolVar(&asJSON, "json", false, "print JSON for programs")
	return cmd
}

func printEval(w io.Writer, rep eval.Report) error {
	t := tabwriter.NewWriter(w, 2, 8, 2, ' ', 0)
	fmt.Fprintln(t, "SYSTEM\tFAULTS\tN\tRANKER\tTOP 1\tTOP 3\tTOP 5")
	for _, r := range rep.Rows {
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%.1f %%\t%.1f %%\t%.1f %%\n", r.System, r.Group, r.N, r.Ranker, 100*r.Top1, 100*r.Top3, 100*r.Top5)
	}
	fmt.Fprintln(t, "\nSYSTEM\tFAULTS\tN\tSPIKE\tAND RIGHT\tUNSURE\tNONE")
	for _, r := range rep.Verdicts {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%d\t%d\n", r.System, r.Group, r.N, r.Spike, r.Right, r.Unsure, r.N-r.Spike-r.Unsure)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, m := range rep.Misses {
		fmt.Fprintf(w, "missed %s (%d times): %s, ranked %s\n", m.ID, m.Times, m.Label, strings.Join(m.Ranked, ", "))
	}
	return nil
}

func evalQuiet(w io.Writer, n *corpus.Nezha, opt eval.Options, split string, asJSON bool) error {
	rep, err := eval.Quiet(n, opt, split == "random")
	if err != nil {
		return err
	}
	if asJSON {
		return writeJSON(w, rep)
	}
	fmt.Fprintf(w, "%d ordinary windows halved by %s, %d comparisons: %d false alarms, %d unsure\n", rep.Windows, rep.Split, rep.Compared, rep.Alarms, rep.Unsure)
	for _, s := range rep.Which {
		fmt.Fprintln(w, "false alarm", s)
	}
	return nil
}
