package config

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	promconfig "github.com/prometheus/common/config"
	"go.yaml.in/yaml/v3"

	"github.com/tenhop/tenhop/query"
)

// secretFile is a file that an option names.
type secretFile struct {
	option, path string
	line         int
	public       bool // it holds certificates
}

// secretOptions lists the options whose values must not be repeated.
var secretOptions = []string{"bearer_token", "credentials", "username", "password", "client_secret", "client_certificate_key", "key",
	"tenant", "values", "secrets", "proxy_connect_header", "claims", "endpoint_params"}

// collect notes the secrets and files in the options of a back end.
func (b *Backend) collect(options *yaml.Node, dir string) {
	for key, value := range pairs(options) {
		option := key.Value
		switch file := strings.HasSuffix(option, "_file"); {
		case file || option == "files":
			for _, path := range scalars(value) {
				b.files = append(b.files, secretFile{option, promconfig.JoinDir(dir, path), key.Line, option == "ca_file" || option == "cert_file"})
			}
		case slices.Contains(secretOptions, option):
			b.secrets = append(b.secrets, scalars(value)...)
		case option == "url" || option == "proxy_url" || option == "token_url":
			if u, err := url.Parse(value.Value); err == nil {
				b.secrets = append(b.secrets, query.UserSecrets(u)...)
			}
		default:
			b.collect(value, dir)
		}
	}
}

// scalars returns the values within a node.
func scalars(n *yaml.Node) []string {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind == yaml.ScalarNode {
		return []string{n.Value}
	}
	var all []string
	for i, c := range n.Content {
		if n.Kind != yaml.MappingNode || i%2 == 1 {
			all = append(all, scalars(c)...)
		}
	}
	return all
}

// maxSecret is the maximum size of a file with a secret in bytes.
const maxSecret = 1 << 20

// readable reports the first file that cannot be read.
func (b *Backend) readable() error {
	for _, f := range b.files {
		raw, err := os.ReadFile(f.path)
		if err == nil && len(raw) > maxSecret {
			err = fmt.Errorf("%s is longer than %d MiB", f.path, maxSecret>>20)
		}
		if err != nil {
			return fmt.Errorf("line %d: %s of %s: %w", f.line, f.option, b.settings, err)
		}
		if !f.public && strings.TrimSpace(string(raw)) == "" {
			return fmt.Errorf("line %d: %s of %s: %s is empty", f.line, f.option, b.settings, filepath.Clean(f.path))
		}
	}
	return nil
}

// known returns the secrets of the options and of the files that they name.
func (b *Backend) known() []string {
	all := slices.Clone(b.secrets)
	for _, f := range b.files {
		if f.public {
			continue
		}
		if raw, err := os.ReadFile(f.path); err == nil { // otherwise the request has failed, too
			all = append(all, strings.TrimSpace(string(raw)))
		}
	}
	if a := b.HTTP.BasicAuth; a != nil {
		all = append(all, query.BasicSecrets(a.Username, string(a.Password))...)
	}
	return all
}
