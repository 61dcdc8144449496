// Package fleet reads the file that describes a team's own fleet for faults and drills:
// where its fault endpoints are, what may be done to it, and when to stop.
//
//	prometheus: http://prometheus:9090
//	jaeger: http://jaeger:16686
//	targets: targets.json        # in the form of Prometheus's file_sd; else Prometheus's targets
//	token_file: chaos-token      # of the fault endpoints
//	allow: [stock]               # services that may have faults
//	entry: {service: shop, operation: "GET /items/{item}"}
//	limits:
//	  percent: 50                # of the requests
//	  for: 2m                    # of a fault
//	  operations: ["GET /levels/{item}"]
//	  kinds: [latency, error]
//	stop:                        # faults are lifted at once
//	  alerts: [ShopBurnsFast]
//	  query: sum(rate(http_server_request_duration_seconds_count{error_type!=""}[1m])) > 5
package fleet

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tenhop/tenhop/drill"
	"github.com/tenhop/tenhop/query/prometheus"
)

// File describes a fleet.
type File struct {
	Prometheus string      `yaml:"prometheus"` // base URL
	Jaeger     string      `yaml:"jaeger"`     // base URL
	Tempo      string      `yaml:"tempo"`      // base URL, instead of Jaeger
	Targets    string      `yaml:"targets"`    // file in the form of file_sd; the targets of Prometheus if empty
	TokenFile  string      `yaml:"token_file"` // of the fault endpoints; TokenVariable if empty
	Allow      []string    `yaml:"allow"`
	Entry      drill.Entry `yaml:"entry"`
	Limits     Limits      `yaml:"limits"`
	Stop       Stop        `yaml:"stop"`

	dir string // relative paths start here
}

// Limits are those of drill.Limits.
type Limits struct {
	Operations []string      `yaml:"operations"`
	Kinds      []string      `yaml:"kinds"`
	Percent    float64       `yaml:"percent"`
	For        time.Duration `yaml:"for"`
}

// Stop is that of drill.Stop.
type Stop struct {
	Alerts []string `yaml:"alerts"`
	Query  string   `yaml:"query"`
}

// TokenVariable is the environment variable that stands for token_file.
const TokenVariable = "TENHOP_CHAOS_TOKEN"

// defaultFor is the longest time of a fault if the file has none.
const defaultFor = 5 * time.Minute

// Read reads a file. Unknown options are errors.
func Read(path string) (*File, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := &File{}
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	dec.KnownFields(true)
	if err := dec.Decode(f); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f.dir = filepath.Dir(path)
	switch l := f.Limits; {
	case len(f.Allow) == 0:
		return nil, fmt.Errorf("%s: name the services that may have faults, such as `allow: [stock]`", path)
	case f.Targets == "" && f.Prometheus == "":
		return nil, fmt.Errorf("%s: give `targets` or `prometheus`, from which the fault endpoints are known", path)
	case !(l.Percent >= 0 && l.Percent <= 100): // nor NaN
		return nil, fmt.Errorf("%s: limits.percent must be between 0 and 100", path)
	case l.For < 0:
		return nil, fmt.Errorf("%s: limits.for must not be negative", path)
	case f.Condition().Set() && f.Prometheus == "":
		return nil, fmt.Errorf("%s: `stop` needs `prometheus`, which is asked for it", path)
	}
	return f, nil
}

// Condition returns the condition on which faults are lifted.
func (f *File) Condition() drill.Stop { return drill.Stop{Alerts: f.Stop.Alerts, Query: f.Stop.Query} }

// Longest returns the longest time of a fault.
func (f *File) Longest() time.Duration { return cmp.Or(f.Limits.For, defaultFor) }

// token returns the token of the fault endpoints.
func (f *File) token() (string, error) {
	if f.TokenFile == "" {
		if t := os.Getenv(TokenVariable); t != "" {
			return t, nil
		}
		return "", fmt.Errorf("the token of the fault endpoints is not known: give token_file, or set %s", TokenVariable)
	}
	b, err := os.ReadFile(f.path(f.TokenFile))
	if err != nil {
		return "", err
	}
	if t := strings.TrimSpace(string(b)); t != "" {
		return t, nil
	}
	return "", fmt.Errorf("%s is empty", f.TokenFile)
}

func (f *File) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(f.dir, name)
}

// Faults finds the fault endpoints of the services that may have faults. The faults that
// it injects keep within the limits, and end with this process. The token is sent to the
// targets of these services only. A service without an endpoint is an error.
func (f *File) Faults(ctx context.Context) (drill.Faults, error) {
	token, err := f.token()
	if err != nil {
		return drill.Faults{}, err
	}
	found, err := f.targets(ctx)
	if err != nil {
		return drill.Faults{}, err
	}
	out := drill.Faults{Services: map[string][]string{}, Admin: map[string]string{}, Token: token, Leases: &drill.Leases{},
		Limits: &drill.Limits{Services: f.Allow, Operations: f.Limits.Operations, Kinds: f.Limits.Kinds, Percent: f.Limits.Percent, For: f.Longest()}}
	refused := map[string]error{}
	for _, t := range found {
		if !slices.Contains(f.Allow, t.service) || out.Admin[t.process] != "" {
			continue
		}
		if err := probe(ctx, t.base, token); err != nil {
			refused[t.service] = fmt.Errorf("%s at %s: %w", t.process, t.base, err)
			continue
		}
		out.Services[t.service] = append(out.Services[t.service], t.process)
		out.Admin[t.process] = t.base
	}
	for _, name := range f.Allow {
		if len(out.Services[name]) > 0 {
			continue
		}
		if err := refused[name]; err != nil {
			return drill.Faults{}, err
		}
		return drill.Faults{}, fmt.Errorf("no target is of the service %q; the targets are of %s", name, names(found))
	}
	return out, nil
}

func names(found []target) string {
	seen := map[string]bool{}
	for _, t := range found {
		seen[t.service] = true
	}
	if len(seen) == 0 {
		return "no service"
	}
	return strings.Join(slices.Sorted(maps.Keys(seen)), ", ")
}

// target is a process that may have a fault endpoint.
type target struct{ service, process, base string }

// serviceLabels are the labels that name the service of a target, the first one first.
var serviceLabels = []string{"service_name", "service", "app", "job"}

func newTarget(labels map[string]string, address, base string) target {
	t := target{base: base}
	for _, l := range serviceLabels {
		if t.service = labels[l]; t.service != "" {
			break
		}
	}
	t.process = cmp.Or(labels["instance"], address)
	return t
}

// targets reads the list of targets, or asks Prometheus for its active ones.
func (f *File) targets(ctx context.Context) (out []target, err error) {
	if f.Targets == "" {
		prom, err := prometheus.New(f.Prometheus, nil)
		if err != nil {
			return nil, err
		}
		active, err := prom.Targets(ctx)
		if err != nil {
			return nil, err
		}
		for _, a := range active {
			u, err := url.Parse(a.ScrapeURL)
			if err != nil || u.Host == "" {
				continue
			}
			out = append(out, newTarget(a.Labels, u.Host, u.Scheme+"://"+u.Host))
		}
		return out, nil
	}
	raw, err := os.ReadFile(f.path(f.Targets))
	if err != nil {
		return nil, err
	}
	var groups []struct {
		Targets []string          `json:"targets"`
		Labels  map[string]string `json:"labels"`
	}
	if err := json.Unmarshal(raw, &groups); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Targets, err)
	}
	for _, g := range groups {
		for _, address := range g.Targets {
			scheme := cmp.Or(g.Labels["__scheme__"], "http")
			t := newTarget(g.Labels, address, scheme+"://"+address)
			if len(g.Targets) > 1 { // one name for several
				t.process = address
			}
			out = append(out, t)
		}
	}
	return out, nil
}

// probe asks whether there is a fault endpoint that takes the token.
func probe(ctx context.Context, base, token string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/chaos", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		var answer struct {
			Faults *[]json.RawMessage `json:"faults"`
		}
		if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&answer); err != nil || answer.Faults == nil {
			return errors.New("/chaos is not a fault endpoint of tenhop's middleware")
		}
		return nil
	case http.StatusNotFound:
		return errors.New("there is no fault endpoint: serve chaos.Injector.AdminHandler at /chaos, with a token, or put `tenhop chaos proxy` in front of it")
	case http.StatusUnauthorized, http.StatusForbidden:
		return errors.New("the token is not that of the fault endpoint")
	}
	return fmt.Errorf("/chaos answers %s", resp.Status)
}
