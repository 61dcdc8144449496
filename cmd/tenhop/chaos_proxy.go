package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tenhop/tenhop/drill/fleet"
	"github.com/tenhop/tenhop/drill/proxy"
)

func newChaosProxyCmd() *cobra.Command {
	var c proxy.Config
	var tokenFile, name string
	cmd := &cobra.Command{
		Use:   "proxy",
		Short: "Put a proxy with faults in front of a service that cannot import the middleware",
		Long: `Forward TCP connections to a service, and add latency, limit the bandwidth or reset
connections while a fault is in force. The fault endpoint is that of the middleware: name
it in the targets of a fleet, and inject faults with tenhop chaos inject --fleet. It
listens on the loopback interface only, and takes a bearer token. Faults with a share of
the requests choose connections.`,
		Example: `  tenhop chaos proxy --listen 127.0.0.1:9202 --upstream 127.0.0.1:9102 --service stock
  tenhop chaos inject stock --fleet fleet.yaml --latency 200ms --for 1m`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if c.Listen == "" || c.Upstream == "" {
				return usagef("give --listen and --upstream, such as --listen 127.0.0.1:9202 --upstream 127.0.0.1:9102")
			}
			generated := ""
			switch {
			case tokenFile != "":
				b, err := os.ReadFile(tokenFile)
				if err != nil {
					return err
				}
				c.Token = strings.TrimSpace(string(b))
			default:
				if c.Token = os.Getenv(fleet.TokenVariable); c.Token == "" {
					generated = rand.Text()
					c.Token = generated
				}
			}
			p, err := proxy.Start(c)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "%s forwards to %s\n", p.Address(), c.Upstream)
			if generated != "" {
				fmt.Fprintf(out, "token of the fault endpoint, for %s: %s\n", fleet.TokenVariable, generated)
			}
			fmt.Fprintf(out, "in the targets of a fleet:\n  {\"targets\":[%q],\"labels\":{\"job\":%q,\"instance\":%q}}\nCtrl-C ends it and lifts the faults\n", p.Admin(), name, name+"-proxy")
			<-cmd.Context().Done()
			return p.Close()
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&c.Listen, "listen", "", "address that callers use")
	fl.StringVar(&c.Upstream, "upstream", "", "address of the service")
	fl.StringVar(&c.Admin, "admin", "", "address of the fault endpoint, on the loopback interface (default: a free port)")
	fl.StringVar(&tokenFile, "token-file", "", "file with the bearer token of the fault endpoint (default: "+fleet.TokenVariable+", or a new one)")
	fl.StringVar(&name, "service", "service", "name of the service in a fleet")
	return cmd
}
