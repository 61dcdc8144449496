// Package slo generates Prometheus rules from a file of objectives: error ratios over
// eight windows, and multi-window, multi-burn-rate alerts as in the Google SRE
// workbook (chapter 5, "Alerting on SLOs").
package slo

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// File holds the objectives of one service.
type File struct {
	Version string `yaml:"version"` // "tenhop/v1"
	Service string `yaml:"service"` // service_name of the series
	// Windows are "standard" (5m to 3d) and "drill", the two paging pairs with an
	// hour compressed to three minutes. The default is standard.
	Windows []string `yaml:"windows"`
	// Histograms is "classic" or "native": the form of the histograms that Prometheus has
	// of the service. The default is classic. Of a native histogram, any latency may be
	// the threshold; Prometheus interpolates within its bucket.
	Histograms string `yaml:"histograms"`
	// Runbook is the base URL of the runbooks that alerts link to.
	Runbook string `yaml:"runbook"`
	SLOs    []SLO  `yaml:"slos"`
}

// SLO is one objective. Exactly one of HTTP, RPC, Messages and Events is set.
type SLO struct {
	Name      string  `yaml:"name"`
	Objective float64 `yaml:"objective"` // percent of good events, such as 99.5
	// Latency is the threshold above which an event is bad. Of classic histograms, it
	// must be a bound of a bucket. If it is zero, an event is bad if it failed.
	Latency  time.Duration `yaml:"latency"`
	HTTP     *HTTP         `yaml:"http"`
	RPC      *RPC          `yaml:"rpc"`
	Messages *Messages     `yaml:"messages"`
	Events   *Events       `yaml:"events"`
}

// HTTP selects server requests.
type HTTP struct {
	Method string `yaml:"method"`
	Route  string `yaml:"route"`
}

// RPC selects server calls by full method, such as tenhop.v1.Payment/Charge.
type RPC struct {
	Method string `yaml:"method"`
}

// Messages selects processed messages of a topic or queue. With Completion, latency
// is measured from the start of the entry that caused them.
type Messages struct {
	Destination string `yaml:"destination"`
	Completion  bool   `yaml:"completion"`
}

// Events counts events by two expressions, in which $window stands for the range.
type Events struct {
	Bad   string `yaml:"bad"`
	Total string `yaml:"total"`
}

// bounds are the classic bucket bounds of the semantic conventions, in seconds.
var bounds = []string{"0.005", "0.01", "0.025", "0.05", "0.075", "0.1", "0.25", "0.5", "0.75", "1", "2.5", "5", "7.5", "10"}

// Read parses and checks a file. Its errors name the invalid objective.
func Read(r io.Reader) (File, error) { return read(r, "") }

// ReadNative is like Read for a service whose histograms are native, whatever the file
// says.
func ReadNative(r io.Reader) (File, error) { return read(r, native) }

// Values of File.Histograms.
const (
	classic = "classic"
	native  = "native"
)

func read(r io.Reader, histograms string) (File, error) {
	var f File
	d := yaml.NewDecoder(r)
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil {
		return File{}, fmt.Errorf("read the SLO file: %w", err)
	}
	if histograms != "" {
		f.Histograms = histograms
	}
	return f, f.check()
}

var name = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

func (f File) check() error {
	var errs []error
	if f.Version != "tenhop/v1" {
		errs = append(errs, fmt.Errorf("version is %q, want tenhop/v1", f.Version))
	}
	if f.Service == "" {
		errs = append(errs, errors.New("service is empty; write the service_name of the series"))
	}
	if h := f.Histograms; h != "" && h != classic && h != native {
		errs = append(errs, fmt.Errorf("histograms are %q, want classic or native", h))
	}
	for _, kind := range f.kinds() {
		if _, err := windows(kind); err != nil {
			errs = append(errs, err)
		}
	}
	if len(f.SLOs) == 0 {
		errs = append(errs, errors.New("no slos"))
	}
	seen := map[string]bool{}
	for _, s := range f.SLOs {
		if seen[s.Name] {
			errs = append(errs, fmt.Errorf("slo %s: the name is taken", s.Name))
		}
		seen[s.Name] = true
		if err := s.check(f.Histograms == native); err != nil {
			errs = append(errs, fmt.Errorf("slo %s: %w", s.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (s SLO) check(native bool) error {
	var errs []error
	if !name.MatchString(s.Name) {
		errs = append(errs, errors.New("a name is lower-case letters, digits and dashes"))
	}
	if !(s.Objective > 0 && s.Objective < 100) { // nor NaN
		errs = append(errs, fmt.Errorf("objective %v is not a percentage between 0 and 100", s.Objective))
	}
	kinds := 0
	for _, set := range []bool{s.HTTP != nil, s.RPC != nil, s.Messages != nil, s.Events != nil} {
		if set {
			kinds++
		}
	}
	if kinds != 1 {
		errs = append(errs, errors.New("set one of http, rpc, messages and events"))
	}
	if s.Latency < 0 {
		errs = append(errs, fmt.Errorf("latency %s is negative", s.Latency))
	}
	if s.Latency > 0 && !native {
		if _, err := bound(s.Latency); err != nil && s.Events == nil {
			errs = append(errs, err)
		}
	}
	if s.Events != nil && (!strings.Contains(s.Events.Bad, "$window") || !strings.Contains(s.Events.Total, "$window")) {
		errs = append(errs, errors.New("events.bad and events.total need $window where the range goes"))
	}
	return errors.Join(errs...)
}

// bound returns the le label of d, or an error if d is not a bucket bound.
func bound(d time.Duration) (string, error) {
	le := fmt.Sprint(d.Seconds())
	for _, b := range bounds {
		if b == le {
			return le, nil
		}
	}
	return "", fmt.Errorf("latency %v is no bucket's bound; use one of %s seconds", d, strings.Join(bounds, " "))
}
