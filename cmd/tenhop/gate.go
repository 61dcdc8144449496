package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/tenhop/tenhop/diagnose/collect"
	"github.com/tenhop/tenhop/diagnose/gate"
	"github.com/tenhop/tenhop/diagnose/render"
	"github.com/tenhop/tenhop/diagnose/result"
)

// Formats of a diagnosis.
const (
	formatText     = "text"
	formatJSON     = "json"
	formatMarkdown = "markdown"
	formatJUnit    = "junit"
)

func formats() []string { return []string{formatText, formatJSON, formatMarkdown, formatJUnit} }

// askAgain is the time between the diagnoses of --for.
const askAgain = 5 * time.Second

// gateFlags are the flags for pipelines.
type gateFlags struct {
	failOn  []string
	lasting time.Duration
	outputs []string
	canary  string
}

func (g *gateFlags) add(fl *pflag.FlagSet) {
	fl.StringSliceVar(&g.failOn, "fail-on", nil, "exit with 3 if this is found: "+strings.Join(gate.All(), ", ")+"; several are separated by commas")
	fl.DurationVar(&g.lasting, "for", 0, "with --fail-on, diagnose again and again for this time, until it is found")
	fl.StringArrayVar(&g.outputs, "output", nil, "`FORMAT` to print, or FORMAT=FILE to write; may be given again. Formats: "+strings.Join(formats(), ", ")+" (default text)")
	fl.StringVar(&g.canary, "canary", "", "compare the requests of this version of a service with those of its other versions at the same time, as `SERVICE=VERSION`")
}

// check checks the flags and sets what they say of cfg. asked reports whether --fail-on is
// given, which must not be empty then: a variable without a value would pass all.
func (g *gateFlags) check(cfg *collect.Config, asked bool) error {
	if asked && len(g.failOn) == 0 {
		return usagef("--fail-on is empty: give one of %s", strings.Join(gate.All(), ", "))
	}
	for _, c := range g.failOn {
		if !slices.Contains(gate.All(), c) {
			return usagef("--fail-on %q: must be one of %s", c, strings.Join(gate.All(), ", "))
		}
	}
	for _, o := range g.outputs {
		if format, _, _ := strings.Cut(o, "="); !slices.Contains(formats(), format) {
			return usagef("--output %q: the format must be one of %s", o, strings.Join(formats(), ", "))
		}
	}
	if g.canary != "" {
		service, version, _ := strings.Cut(g.canary, "=")
		if service == "" || version == "" {
			return usagef("--canary %q: must be SERVICE=VERSION, such as payment=1.4.0", g.canary)
		}
		cfg.Canary = collect.Canary{Service: service, Version: version}
	}
	switch {
	case g.lasting < 0 || g.lasting > 24*time.Hour:
		return usagef("--for %s: between 0s and 24h", g.lasting)
	case g.lasting > 0 && len(g.failOn) == 0:
		return usagef("--for goes with --fail-on")
	case g.lasting > 0 && len(cfg.Traces) > 0:
		return usagef("--for needs something that runs: files do not change")
	case g.lasting > 0 && !cfg.Now.IsZero():
		return usagef("--for and --at exclude each other: the past does not change")
	case g.canary != "" && len(cfg.Before) > 0:
		return usagef("--canary and --before exclude each other")
	case slices.Contains(g.failOn, gate.Growth) && len(cfg.Before) == 0 && g.canary == "":
		return usagef("--fail-on growth compares two versions: give --before and --traces, or --canary")
	}
	return nil
}

// foundError is returned if a diagnosis holds what --fail-on asks for.
type foundError struct{ checks []gate.Check }

// Error implements error.
func (e *foundError) Error() string {
	all := []string{}
	for _, c := range e.checks {
		all = append(all, c.Condition+": "+strings.TrimPrefix(c.Name+": "+c.Text, ": "))
	}
	return "found " + strings.Join(all, "; ")
}

// diagnose runs a diagnosis, or one after the other until something is found or the time
// is over. A diagnosis that fails is tried again, but for the last one.
func (g *gateFlags) diagnose(ctx context.Context, cfg collect.Config, progress io.Writer) (result.Result, error) {
	end := time.Now().Add(g.lasting)
	if g.lasting > 0 {
		fmt.Fprintf(progress, "watching for %s\n", g.lasting)
	}
	for said := ""; ; {
		last := time.Until(end) <= 0
		res, err := collect.Run(ctx, cfg)
		if ctx.Err() != nil {
			return res, ctx.Err()
		}
		if last || err == nil && len(gate.Found(g.checks(res))) > 0 {
			return res, err
		}
		var now string // said once
		if err != nil {
			now = "not diagnosed, will try again: " + err.Error()
		} else {
			now = res.Verdict
			if res.Why != "" {
				now += ": " + res.Why
			}
		}
		if now != said {
			fmt.Fprintf(progress, "%s  %s\n", time.Now().Format("15:04:05"), printable(now))
			said = now
		}
		select {
		case <-ctx.Done():
			return res, ctx.Err()
		case <-time.After(max(min(askAgain, time.Until(end)), 0)):
		}
	}
}

func (g *gateFlags) checks(res result.Result) []gate.Check {
	return gate.Checks(res, g.failOn, render.Verdict(res))
}

// write writes the outputs.
func (g *gateFlags) write(out io.Writer, res result.Result, l render.Links, web string) error {
	outputs := g.outputs
	if len(outputs) == 0 {
		outputs = []string{formatText}
	}
	for _, o := range outputs {
		format, path, _ := strings.Cut(o, "=")
		if path == "" {
			if err := g.writeTo(out, format, res, l, web); err != nil {
				return err
			}
			continue
		}
		file, err := os.Create(path)
		if err != nil {
			return err
		}
		if err := errors.Join(g.writeTo(file, format, res, l, web), file.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (g *gateFlags) writeTo(w io.Writer, format string, res result.Result, l render.Links, web string) error {
	switch format {
	case formatJSON:
		return writeJSON(w, res)
	case formatMarkdown:
		return render.Summary(w, res, g.checks(res), render.Links{Traces: web})
	case formatJUnit:
		checks := g.checks(res)
		if len(g.failOn) == 0 {
			checks = gate.Checks(res, []string{gate.Spike, gate.Errors}, render.Verdict(res))
		}
		return render.JUnit(w, res, checks, l)
	}
	return render.Text(w, res, l)
}

// outcome returns what makes the exit code: a foundError, or an error if a growth that
// was asked for cannot be told, or if --fail-on is given and a file was not read: what it holds
// may be what is asked for.
func (g *gateFlags) outcome(res result.Result) error {
	checks := g.checks(res)
	if found := gate.Found(checks); len(found) > 0 {
		return &foundError{found}
	}
	if len(g.failOn) > 0 {
		for _, s := range res.Sources {
			if s.Name == "file" && !s.OK {
				return errors.New("a file was not read completely: " + printable(s.Error))
			}
		}
	}
	for _, c := range checks {
		if c.Condition == gate.Growth && c.Outcome == gate.Undecided {
			return errors.New("growth is not known: " + printable(strings.TrimPrefix(c.Name+": "+c.Text, ": ")))
		}
	}
	return nil
}
