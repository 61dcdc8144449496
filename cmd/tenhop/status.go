package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/tenhop/tenhop/stack/endpoint"
	"github.com/tenhop/tenhop/supervisor"
)

func newStatusCmd() *cobra.Command {
	var dir string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what runs, where, and whether it is healthy",
		Long:  "Show the processes and addresses of what runs in this directory, and whether all\nprocesses are healthy. The exit code is 1 if one of them is not.\n\nRSS is the resident memory of a process. The processes run one program, whose code is\nin the RSS of each; PSS divides it among them (Linux only).",
		Example: `  tenhop status
  tenhop status --json | jq .pss_bytes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := supervisor.In(dir)
			if err != nil {
				return err
			}
			status, err := d.Status(cmd.Context())
			if err != nil {
				return advise(err)
			}
			if asJSON {
				err = writeJSON(cmd.OutOrStdout(), status)
			} else {
				err = writeStatus(cmd.OutOrStdout(), status)
			}
			if err == nil && !status.Ready {
				return errReported
			}
			return err
		},
	}
	cmd.Flags().StringVar(&dir, "dir", ".", "directory that contains .tenhop")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func writeStatus(w io.Writer, s supervisor.Status) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PROCESS\tPID\tHEALTH\tRSS\tPSS")
	for _, p := range slices.Concat(s.Services, s.Parts) {
		health := "healthy"
		switch {
		case p.PID == 0:
			health = "not running"
		case !p.Healthy:
			health = "not ready"
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%d MiB\t%d MiB\n", p.Name, p.PID, health, p.RSSBytes>>20, p.PSSBytes>>20)
	}
	fmt.Fprintf(t, "total\t\t\t%d MiB\t%d MiB\n", s.RSSBytes>>20, s.PSSBytes>>20)
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	return endpoint.WriteTable(w, s.Endpoints, nil)
}

// writeJSON writes v as indented JSON.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
