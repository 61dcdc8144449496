package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tenhop/tenhop/supervisor"
)

func newDownCmd() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:     "down",
		Short:   "Stop what `tenhop up` or `tenhop stack` runs here",
		Long:    "Stop what `tenhop up` or `tenhop stack` runs in this directory and wait until no\nprocess is left. Orders, traces and metrics are kept for the next start.",
		Example: "  tenhop down",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := supervisor.In(dir)
			if err != nil {
				return err
			}
			n, err := d.Down(cmd.Context())
			if err != nil {
				return advise(err)
			}
			said := fmt.Sprintf("stopped %d processes; none is left", n)
			switch n {
			case 0:
				said = "nothing was running; removed the state of a killed run"
			case 1:
				said = "stopped 1 process; none is left"
			}
			fmt.Fprintln(cmd.OutOrStdout(), said)
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "dir", ".", "directory that contains .tenhop")
	return cmd
}
