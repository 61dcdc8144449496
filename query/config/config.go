// Package config reads the file that says how the telemetry back ends are asked: their
// URLs, credentials, tenants, TLS settings and proxies.
//
// A back end has the options of prometheus/common's HTTPClientConfig, a URL and a tenant:
//
//	backends:
//	  prometheus:
//	    url: https://metrics.example/prometheus
//	    bearer_token_file: /run/secrets/token
//	    tls_config: {ca_file: ca.pem}
//	  tempo:
//	    url: https://tempo.example
//	    basic_auth: {username: tenhop, password: "${TEMPO_PASSWORD}"}
//	    tenant: shop
//	labels:
//	  service: app
//
// ${NAME} in a value is the environment variable NAME; $${NAME} is the text ${NAME}.
// Relative paths start at the file's directory. Unknown options are errors. Errors have
// line numbers and no values.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	promconfig "github.com/prometheus/common/config"
	"go.yaml.in/yaml/v3"

	"github.com/tenhop/tenhop/signals"
)

// File is a configuration file. Its zero value configures nothing.
type File struct {
	Name     string // its path, as errors show it
	Backends Backends
	Labels   signals.Labels // names of labels that differ from the conventions'
	Env      []string       // names of the environment variables that it uses
}

// Backends holds the back ends of a file; nil for one that it does not name.
type Backends struct{ Prometheus, Jaeger, Tempo, Loki *Backend }

// Backend configures the client of one back end.
type Backend struct {
	URL          string            `yaml:"url"`
	Tenant       promconfig.Secret `yaml:"tenant"`        // value of TenantHeader
	TenantHeader string            `yaml:"tenant_header"` // X-Scope-OrgID if empty

	HTTP promconfig.HTTPClientConfig `yaml:",inline"`

	given    map[string]int // line of each option
	files    []secretFile
	secrets  []string
	settings string // "backends.prometheus in tenhop.yaml"
}

// layout is the form of a file, for the check of its options.
type layout struct {
	Backends struct {
		Prometheus, Jaeger, Tempo, Loki *Backend
	}
	Labels signals.Labels
}

// Read reads a file. It does not read the files that the options name; Client does.
func Read(path string) (*File, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := &File{Name: path, Labels: signals.Labels{}}
	if err := f.parse(raw); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

func (f *File) parse(raw []byte) error {
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return plain(err)
	}
	if len(doc.Content) == 0 {
		return nil
	}
	if err := strict(raw); err != nil {
		return plain(err)
	}
	if err := f.expand(&doc); err != nil {
		return err
	}
	for key, value := range pairs(doc.Content[0]) {
		switch key.Value {
		case "labels":
			if err := value.Decode(&f.Labels); err != nil {
				return plain(err)
			}
			if err := f.Labels.Check(); err != nil {
				return fmt.Errorf("line %d: %w", value.Line, err)
			}
		case "backends":
			for name, options := range pairs(value) {
				b, err := f.backend(name.Value, options)
				if err != nil {
					return err
				}
				*f.named(name.Value) = b
			}
		}
	}
	return nil
}

// named returns the place of a back end. strict has checked the name.
func (f *File) named(name string) **Backend {
	switch name {
	case "prometheus":
		return &f.Backends.Prometheus
	case "jaeger":
		return &f.Backends.Jaeger
	case "tempo":
		return &f.Backends.Tempo
	}
	return &f.Backends.Loki
}

// backend decodes the options of one back end, one after the other, so that an error has
// the line and name of its option.
func (f *File) backend(name string, options *yaml.Node) (*Backend, error) {
	b := &Backend{HTTP: promconfig.DefaultHTTPClientConfig, given: map[string]int{}, settings: "backends." + name + " in " + f.Name}
	dir := filepath.Dir(f.Name)
	for key, value := range pairs(options) {
		b.given[key.Value] = key.Line
		one := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{key, value}}
		if err := one.Decode(b); err != nil {
			return nil, fmt.Errorf("line %d: backends.%s.%s: %w", key.Line, name, key.Value, valueless(err))
		}
	}
	fail := func(option, format string, args ...any) (*Backend, error) {
		line := options.Line
		if l := b.given[option]; l > 0 {
			line = l
		}
		return nil, fmt.Errorf("line %d: backends.%s: %w", line, name, fmt.Errorf(format, args...))
	}
	if b.URL != "" {
		if u, err := url.Parse(b.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return fail("url", "url must look like https://%s.example:443/path", name)
		}
	}
	if strings.ContainsAny(string(b.Tenant), "\r\n") {
		return fail("tenant", "tenant must be one line")
	}
	p := &b.HTTP.ProxyConfig
	if _, set := b.given["proxy_from_environment"]; !set && p.ProxyURL.URL == nil {
		p.ProxyFromEnvironment = true // as without a file
	}
	if err := b.HTTP.Validate(); err != nil {
		return fail("", "%w", valueless(err))
	}
	b.HTTP.SetDirectory(dir)
	b.collect(options, dir)
	return b, nil
}

// strict reports options that do not exist or occur twice.
func strict(raw []byte) error {
	dec := yaml.NewDecoder(bytes.NewReader(variable.ReplaceAllFunc(raw, func(v []byte) []byte {
		return bytes.Repeat([]byte("0"), len(v)) // valid in a URL, and as long
	})))
	dec.KnownFields(true)
	var l layout
	if err := dec.Decode(&l); err != nil && !errors.Is(err, io.EOF) {
		var wrong *yaml.TypeError
		if errors.As(err, &wrong) || strings.HasPrefix(err.Error(), "yaml: ") {
			return err
		}
		return nil // a value, which backend reports with its line
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return errors.New("more than one YAML document")
	}
	return nil
}

var variable = regexp.MustCompile(`\$?\$\{[A-Za-z_][A-Za-z0-9_]*\}`)

// expand replaces the environment variables in all values.
func (f *File) expand(n *yaml.Node) (err error) {
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			continue // a name
		}
		if err := f.expand(c); err != nil {
			return err
		}
	}
	if n.Kind != yaml.ScalarNode || !strings.Contains(n.Value, "${") {
		return nil
	}
	n.Value = variable.ReplaceAllStringFunc(n.Value, func(v string) string {
		if strings.HasPrefix(v, "$$") {
			return v[1:]
		}
		name := v[2 : len(v)-1]
		value, ok := os.LookupEnv(name)
		if !ok && err == nil {
			err = fmt.Errorf("line %d: the environment variable %s is not set", n.Line, name)
		}
		f.Env = append(f.Env, name)
		return value
	})
	n.Tag = "!!str" // whatever the variable holds
	return err
}

// pairs yields the keys and values of a mapping, those that it merges first.
func pairs(n *yaml.Node) func(func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		if n.Kind != yaml.MappingNode {
			return // strict has checked it: it is null
		}
		for _, merged := range []bool{true, false} {
			for i := 0; i+1 < len(n.Content); i += 2 {
				key, value := n.Content[i], n.Content[i+1]
				if (key.Tag == "!!merge") != merged {
					continue
				}
				all := func(yield func(key, value *yaml.Node) bool) { yield(key, value) }
				if merged {
					all = pairs(value)
				}
				for k, v := range all {
					if !yield(k, v) {
						return
					}
				}
			}
		}
	}
}

var (
	quoted   = regexp.MustCompile("`[^`]*`")
	typeName = regexp.MustCompile(`field (\S+) not found in type .+`)
	intoType = regexp.MustCompile(`cannot unmarshal !!(\w+) (?:` + "`[^`]*` )?" + `into (\S+)`)
	ownType  = regexp.MustCompile(` as \S*(?:\.|struct).*`)
)

// plain returns an error of the YAML library in the words of the file, without values.
func plain(err error) error {
	var wrong *yaml.TypeError
	if !errors.As(err, &wrong) {
		return errors.New(quoted.ReplaceAllString(strings.TrimPrefix(err.Error(), "yaml: "), "a value"))
	}
	var lines []string
	for _, line := range wrong.Errors {
		line = typeName.ReplaceAllString(line, "there is no option $1 here")
		line = intoType.ReplaceAllString(line, "a $1 cannot be used here as $2")
		line = ownType.ReplaceAllString(line, "")
		lines = append(lines, quoted.ReplaceAllString(line, "a value"))
	}
	return errors.New(strings.Join(lines, "; "))
}

// valueless returns the cause of an error about a value, without the value.
func valueless(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return errors.New("not a valid URL")
	}
	return plain(err)
}
