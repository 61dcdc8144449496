package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/tenhop/tenhop/slo"
)

func newSLOCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "slo",
		Short:   "Work with service level objectives",
		Example: "  tenhop slo generate alerts/slo/storefront.yaml > rules.yaml",
	}
	group(cmd)
	cmd.AddCommand(newSLOGenerateCmd())
	return cmd
}

func newSLOGenerateCmd() *cobra.Command {
	var output string
	var native bool
	cmd := &cobra.Command{
		Use:   "generate FILE",
		Short: "Generate burn-rate rules for the objectives in FILE",
		Long: `Generate Prometheus rules for the objectives in FILE: error ratios over 5m to 3d and
multi-window, multi-burn-rate alerts (14.4x, 6x, 3x, 1x) for availability and latency.
FILE names a service and its objectives, as in alerts/slo/storefront.yaml. With
--native, or "histograms: native" in FILE, the rules read native histograms, where
any latency can be an objective; otherwise it is the bound of a classic bucket.`,
		Example: `  tenhop slo generate alerts/slo/storefront.yaml > rules.yaml
  tenhop slo generate --native billing.yaml -o rules.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer in.Close()
			read := slo.Read
			if native {
				read = slo.ReadNative
			}
			f, err := read(in)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if output == "" {
				return slo.Generate(cmd.OutOrStdout(), f, args[0])
			}
			out, err := os.Create(output)
			if err != nil {
				return err
			}
			if err := slo.Generate(out, f, args[0]); err != nil {
				out.Close()
				return err
			}
			return out.Close()
		},
	}
	cmd.Flags().BoolVar(&native, "native", false, "rules for native histograms")
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write to, instead of standard output")
	return cmd
}
