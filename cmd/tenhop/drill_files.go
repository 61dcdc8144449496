package main

import (
	"errors"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/tenhop/tenhop/drill/report"
	"github.com/tenhop/tenhop/drill/scenario"
	"github.com/tenhop/tenhop/services"
)

// storefrontOperations returns the operations by service, which scenarios may name.
func storefrontOperations() scenario.Known {
	known := scenario.Known{}
	for _, d := range services.Definitions() {
		known[d.Name] = d.Operations
	}
	return known
}

func newDrillScenariosCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "scenarios",
		Short: "List the exercises that are built in",
		Long: `List the exercises that are built in. The description gives the answer away: choose one
for somebody else, or let somebody choose one for you.`,
		Example: "  tenhop drill scenarios\n  tenhop drill --scenario payment-spike",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := scenario.Builtin(storefrontOperations())
			if err != nil {
				return err
			}
			t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, s := range all {
				fmt.Fprintf(t, "%s\t%s\n", s.Name, s.Description)
			}
			return t.Flush()
		},
	}
}

func newDrillReportCmd() *cobra.Command {
	var page string
	var markdown, sections bool
	cmd := &cobra.Command{
		Use:   "report FILE...",
		Short: "Summarise the rounds of reports",
		Long: `Summarise the rounds of one or more reports of JSON lines, which "tenhop drill --report
FILE.jsonl" writes, or of the history of a run, .tenhop/data/drills.jsonl.`,
		Example: "  tenhop drill report drills.jsonl\n  tenhop drill report drills.jsonl --html drills.html\n  tenhop drill report drills.jsonl --markdown > drills.md",
		Args:    anyReport,
		RunE: func(cmd *cobra.Command, files []string) error {
			var all report.File
			for _, name := range files {
				f, err := report.Read(name)
				if err != nil {
					return err
				}
				all.Rounds = append(all.Rounds, f.Rounds...)
			}
			if len(all.Rounds) == 0 {
				return errors.New("there are no rounds; `tenhop drill --report FILE.jsonl` writes them")
			}
			if page != "" {
				if err := writePageFile(page, all); err != nil {
					return err
				}
			}
			switch {
			case sections:
				return report.WriteMisses(cmd.OutOrStdout(), all.Rounds)
			case markdown:
				return report.WriteMarkdown(cmd.OutOrStdout(), all.Rounds)
			}
			return report.WriteSummary(cmd.OutOrStdout(), all.Rounds)
		},
	}
	cmd.Flags().StringVar(&page, "html", "", "write a page to this file; it needs nothing else")
	cmd.Flags().BoolVar(&markdown, "markdown", false, "print Markdown")
	cmd.Flags().BoolVar(&sections, "misses", false, "print Markdown sections without the single rounds, for a page of documentation")
	return cmd
}

func writePageFile(path string, all report.File) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(report.WriteHTML(file, all.Rounds), file.Close())
}

func newDrillVerifyCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "verify FILE...",
		Short: "Check the seals of reports",
		Long: `Check that the fault of each round of a report is the one that was sealed before the
round: the SHA-256 of the nonce, a newline and the fault as JSON. Print how many seals have
no round: a drill that was interrupted, or a round that was taken out.`,
		Example: "  tenhop drill verify drills.jsonl",
		Args:    anyReport,
		RunE: func(cmd *cobra.Command, files []string) error {
			var errs []error
			for _, name := range files {
				f, err := report.Read(name)
				if err != nil {
					return err
				}
				right, abandoned, err := f.Verify()
				fmt.Fprintf(cmd.OutOrStdout(), "%s: %d of %d rounds are as they were sealed; %d seals without a round; %d damaged lines\n",
					name, right, len(f.Rounds), abandoned, f.Damaged)
				if err != nil {
					errs = append(errs, fmt.Errorf("%s: %w", name, err))
				}
			}
			return errors.Join(errs...)
		},
	}
}

// anyReport requires a file, and says where there is one.
func anyReport(_ *cobra.Command, files []string) error {
	if len(files) == 0 {
		return usagef("name a report, or the history of a run: .tenhop/data/drills.jsonl")
	}
	return nil
}
