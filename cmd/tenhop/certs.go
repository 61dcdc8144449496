package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tenhop/tenhop/internal/certs"
	"github.com/tenhop/tenhop/services"
)

func newCertsCmd() *cobra.Command {
	var dir string
	var hosts []string
	cmd := &cobra.Command{
		Use:   "certs [SERVICE...]",
		Short: "Issue certificates for mutual TLS between the services",
		Long: `Issue a certificate for each of the services, or for the given ones, and the
authority that signs them. A later call uses the authority of the directory again
and replaces the certificates, which are valid for 90 days.

A service with TENHOP_TLS_CA=ca.pem, TENHOP_TLS_CERT=NAME.pem and
TENHOP_TLS_KEY=NAME-key.pem refuses callers without a certificate of the
authority, and calls only services that have one. The gateway does not ask its
customers for one. Keep ca-key.pem away from the services: whoever has it can
issue certificates. ` + "`tenhop up --mtls`" + ` needs no files.`,
		Example: `  tenhop certs
  tenhop certs --dir /etc/tenhop/certs payment fraud
  TENHOP_TLS_CA=certs/ca.pem TENHOP_TLS_CERT=certs/payment.pem TENHOP_TLS_KEY=certs/payment-key.pem tenhop service payment`,
		RunE: func(cmd *cobra.Command, args []string) error {
			names := services.Names()
			for _, name := range args {
				if !slices.Contains(names, name) {
					return &usageError{fmt.Errorf("there is no service %q; the services are %v", name, names)}
				}
			}
			if len(args) > 0 {
				names = args
			}
			if err := issueCerts(dir, names, hosts); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d certificates in %s, signed by %s/ca.pem\n", len(names), dir, dir)
			return nil
		},
		ValidArgsFunction: cobra.FixedCompletions(services.Names(), cobra.ShellCompDirectiveNoFileComp),
	}
	cmd.Flags().StringVar(&dir, "dir", "certs", "directory of the certificates")
	cmd.Flags().StringSliceVar(&hosts, "host", nil, "additional host name or IP address of the services")
	return cmd
}

// issueCerts writes certificates to dir, and an authority if dir has none.
func issueCerts(dir string, names, hosts []string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir) // follows no link out of the directory
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // nothing is written through it
	authority, err := authorityIn(root)
	if err != nil {
		return err
	}
	for _, name := range names {
		pair, err := authority.Issue(name, hosts...)
		if err != nil {
			return err
		}
		if err := writePair(root, name, pair); err != nil {
			return err
		}
	}
	return nil
}

// authorityIn returns the authority of a directory. It makes one if there is none.
func authorityIn(root *os.Root) (*certs.Authority, error) {
	certificate, certErr := root.ReadFile("ca.pem")
	key, keyErr := root.ReadFile("ca-key.pem")
	switch {
	case errors.Is(certErr, fs.ErrNotExist) && errors.Is(keyErr, fs.ErrNotExist):
		authority, err := certs.NewAuthority()
		if err != nil {
			return nil, err
		}
		return authority, writePair(root, "ca", authority.Pair)
	case certErr != nil || keyErr != nil:
		return nil, fmt.Errorf("read the authority: %w; without both files, remove the other one for a new authority", errors.Join(certErr, keyErr))
	}
	authority, err := certs.ReadAuthority(certs.Pair{Certificate: certificate, Key: key})
	if err != nil {
		return nil, fmt.Errorf("%w; remove ca.pem and ca-key.pem for a new authority", err)
	}
	return authority, nil
}

// writePair replaces the files of a certificate and its key. Only their owner may read
// the key.
func writePair(root *os.Root, name string, p certs.Pair) error {
	for _, f := range []struct {
		name    string
		content []byte
		mode    os.FileMode
	}{{name + "-key.pem", p.Key, 0o600}, {name + ".pem", p.Certificate, 0o644}} {
		next := f.name + ".next"
		if err := root.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		file, err := root.OpenFile(next, os.O_CREATE|os.O_EXCL|os.O_WRONLY, f.mode)
		if err != nil {
			return err
		}
		_, err = file.Write(f.content)
		if err := errors.Join(err, file.Close()); err != nil {
			return err
		}
		if err := root.Rename(next, f.name); err != nil {
			return err
		}
	}
	return nil
}
