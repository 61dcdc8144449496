package main

import (
	"cmp"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/query/config"
	"github.com/tenhop/tenhop/signals"
)

// configVariable is the environment variable that stands for --config.
const configVariable = "TENHOP_CONFIG"

// backendFlags are the flags that say which back ends are asked.
type backendFlags struct {
	config                          string
	explicit                        bool   // whether the environment variable is ignored
	prometheus, jaeger, tempo, loki string // URLs
}

// path returns the path of the configuration file, or "" without one.
func (b *backendFlags) path() string {
	if b.explicit {
		return b.config
	}
	return cmp.Or(b.config, os.Getenv(configVariable))
}

// flags returns the flags with which another command asks the same source of traces,
// without credentials.
func (b *backendFlags) flags() string {
	var flags []string
	for _, f := range []struct{ name, value string }{{"config", b.config}, {"jaeger", query.Redact(b.jaeger)}, {"tempo", query.Redact(b.tempo)}} {
		if f.value != "" {
			flags = append(flags, "--"+f.name+" "+f.value)
		}
	}
	return strings.Join(flags, " ")
}

// addConfig adds --config, which the environment variable replaces.
func (b *backendFlags) addConfig(fl *pflag.FlagSet) {
	fl.StringVar(&b.config, "config", "", "file with the URLs and credentials of back ends (default: that named by "+configVariable+")")
}

// backends are the back ends to ask.
type backends struct {
	Prometheus, Jaeger, Tempo, Loki string // URLs, empty for one that is not asked
	Clients                         query.Clients
	Labels                          signals.Labels
	File                            *config.File
}

// none reports whether neither flags nor file name a back end.
func (b *backends) none() bool {
	return b.Prometheus == "" && b.Jaeger == "" && b.Tempo == "" && b.Loki == ""
}

// file reads the configuration file. Without one it returns an empty one, whose name
// tells how to give one.
func (b *backendFlags) file() (*config.File, error) {
	path := b.path()
	if path == "" {
		return &config.File{Name: "a file given by --config"}, nil
	}
	f, err := config.Read(path)
	if err != nil {
		return nil, usagef("--config %w", err)
	}
	return f, nil
}

// read returns the back ends that flags and file name, with their clients. The URL of a
// flag replaces that of the file.
func (b *backendFlags) read() (*backends, error) {
	f, err := b.file()
	if err != nil {
		return nil, err
	}
	url := func(flag string, of *config.Backend) string {
		if flag == "" && of != nil {
			return of.URL
		}
		return flag
	}
	out := &backends{Prometheus: url(b.prometheus, f.Backends.Prometheus), Jaeger: url(b.jaeger, f.Backends.Jaeger),
		Tempo: url(b.tempo, f.Backends.Tempo), Loki: url(b.loki, f.Backends.Loki), Labels: f.Labels, File: f}
	switch { // traces are in one of them
	case b.jaeger != "" && b.tempo == "":
		out.Tempo = ""
	case b.tempo != "" && b.jaeger == "":
		out.Jaeger = ""
	case b.tempo == "" && out.Jaeger != "" && out.Tempo != "":
		return nil, usagef("--config %s: backends names Jaeger and Tempo; remove one, or choose by --jaeger URL or --tempo URL", f.Name)
	}
	other := b.jaeger != "" || b.tempo != "" // a flag names the source of traces
	for name, at := range map[string]struct {
		url      string
		to       **http.Client
		of       *config.Backend
		replaced bool
	}{"prometheus": {out.Prometheus, &out.Clients.Prometheus, f.Backends.Prometheus, false}, "jaeger": {out.Jaeger, &out.Clients.Jaeger, f.Backends.Jaeger, other},
		"tempo": {out.Tempo, &out.Clients.Tempo, f.Backends.Tempo, other}, "loki": {out.Loki, &out.Clients.Loki, f.Backends.Loki, false}} {
		if at.url == "" {
			if at.of != nil && at.of.URL == "" && !at.replaced {
				return nil, usagef("--config %s: backends.%s has no url; add one, or give --%s URL", f.Name, name, name)
			}
			continue
		}
		if *at.to, err = f.Client(name); err != nil {
			return nil, fmt.Errorf("--config %w", err)
		}
	}
	return out, nil
}
