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
		Short:   "Stop everything that `tenhop up` started here",
		Long:    "Stop everything that `tenhop up` started in this directory and wait until no\nprocess is left. Orders, traces and metrics stay for the next start.",
		Example: "  tenhop down",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := supervisor.In(dir)
			if err != nil {
				return err
			}
			n, err := d.Down(cmd.Context())
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "stopped %d processes; none is left\n", n)
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "dir", ".", "directory that holds .tenhop")
	return cmd
}
