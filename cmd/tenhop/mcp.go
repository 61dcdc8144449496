package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/tenhop/tenhop/diagnose/collect"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/mcp"
	"github.com/tenhop/tenhop/query/prometheus"
	"github.com/tenhop/tenhop/query/traces"
	"github.com/tenhop/tenhop/stack/endpoint"
	"github.com/tenhop/tenhop/supervisor"
)

func newMCPCmd() *cobra.Command {
	var dir string
	var asked backendFlags
	var actions bool
	cmd := &cobra.Command{
		Use:   "mcp",
		Short: "Serve the answers to an assistant over the Model Context Protocol",
		Long: `Serve the answers to an assistant over the Model Context Protocol, on standard input and
output: the diagnosis, traces, comparisons, alerts and incidents. Each answer has at most
8 KB, however large a trace is. docs/mcp.md describes the tools. The console serves the
same at /mcp.

The tools only read. With --actions there are tools that inject faults into the
storefront that runs in this directory, and run drills.`,
		Example: `  tenhop mcp
  tenhop mcp --prometheus http://prometheus:9090 --jaeger http://jaeger:16686
  tenhop mcp --config backends.yaml
  tenhop mcp --actions
  claude mcp add tenhop -- tenhop mcp --dir "$PWD"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := mcpConfig(dir, asked, actions)
			if err != nil {
				return err
			}
			err = mcp.Serve(cmd.Context(), cfg, &sdk.IOTransport{Reader: io.NopCloser(cmd.InOrStdin()), Writer: keptOpen{cmd.OutOrStdout()}})
			if errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) {
				return nil // the assistant is gone, or Ctrl-C
			}
			return err
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&dir, "dir", ".", "directory that holds .tenhop")
	asked.addConfig(fl)
	fl.StringVar(&asked.prometheus, "prometheus", "", "URL of Prometheus (default: of the file, or of what runs in this directory)")
	fl.StringVar(&asked.jaeger, "jaeger", "", "URL of Jaeger (default: of the file, or of what runs in this directory)")
	fl.StringVar(&asked.tempo, "tempo", "", "URL of Tempo, instead of Jaeger")
	fl.StringVar(&asked.loki, "loki", "", "URL of Loki, for log lines to quote (default: of the file, or of what runs in this directory)")
	fl.BoolVar(&actions, "actions", false, "add the tools that inject faults and run drills in what runs in this directory")
	return cmd
}

// mcpConfig returns what the tools ask.
func mcpConfig(dir string, asked backendFlags, actions bool) (mcp.Config, error) {
	var from collect.Config
	if err := asked.forDiagnosis(dir, &from); err != nil {
		return mcp.Config{}, err
	}
	cfg := mcp.Config{Version: thisBuild().version,
		Diagnose: func(ctx context.Context, entry string, since time.Duration) (result.Result, error) {
			q := from
			q.Entry, q.Since = entry, since
			return collect.Run(ctx, q)
		}}
	if from.Prometheus != "" {
		var err error
		if cfg.Prometheus, err = prometheus.New(from.Prometheus, from.Clients.Prometheus); err != nil {
			return mcp.Config{}, fmt.Errorf("--prometheus: %w", err)
		}
	}
	if from.Jaeger != "" || from.Tempo != "" {
		var err error
		if cfg.Traces, err = traces.Open(from.Jaeger, from.Tempo, from.Clients); err != nil {
			return mcp.Config{}, err
		}
	}
	d, err := supervisor.In(dir)
	if err != nil {
		return mcp.Config{}, err
	}
	cfg.Watched = mcp.WatchedIn(d.Path("watch"))
	if actions {
		state, err := readState(dir)
		if err != nil {
			return mcp.Config{}, fmt.Errorf("--actions: %w", err)
		}
		console := state.Endpoints[endpoint.Console]
		if state.Token == "" || console == "" {
			return mcp.Config{}, errors.New("--actions: what runs here takes no faults; start a storefront with `tenhop up`")
		}
		cfg.Actions = &mcp.Actions{Console: console, Token: state.Token}
	}
	return cfg, nil
}

// keptOpen is standard output, which ends with the program.
type keptOpen struct{ io.Writer }

// Close implements io.Closer.
func (keptOpen) Close() error { return nil }
