package dora

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tenhop/tenhop/query"
)

// missing returns what is not known, and what to do about it.
func missing(r *Report, in Input) []string {
	out := []string{}
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	asked := in.To.Sub(in.From)
	switch {
	case len(in.Versions.Seen) == 0:
		say("no service reports a version: set service.version (OTEL_RESOURCE_ATTRIBUTES=service.version=1.2.3), so that target_info or spans have it")
	case in.Versions.Covered < asked*9/10:
		say("versions are known for %s of %s: nothing is known of deployments before", Duration(in.Versions.Covered.Seconds()), Duration(asked.Seconds()))
	}
	if r.Frequency.PerDay == nil && len(in.Versions.Seen) > 0 {
		say("deployments per day: there is less than a day of evidence")
	}
	if in.Commit == nil {
		say("no git: lead time unknown; give --git DIR or --git SERVICE=DIR")
	} else {
		reasons := map[string]int{}
		var order []string
		for _, d := range r.Deployments {
			if d.LeadTimeS == nil && !d.again {
				if reasons[d.NoLead]++; reasons[d.NoLead] == 1 {
					order = append(order, d.NoLead)
				}
			}
		}
		for n, why := range order {
			if n == maxReasons {
				say("lead time: %d more reasons; --json has all", len(order)-n)
				break
			}
			say("lead time of %d of %d deployments is unknown: %s", reasons[why], len(r.Deployments), why)
		}
	}
	if in.Incidents == nil {
		say("no incidents are recorded: change failure rate and recovery time unknown; run `tenhop watch`, or give --incidents")
	}
	nowhere := 0
	for _, i := range r.Incidents {
		if len(i.Services) == 0 {
			nowhere++
		}
	}
	if nowhere > 0 {
		say("%d of %d incidents name no service and count against no deployment", nowhere, len(r.Incidents))
	}
	return out
}

// maxReasons is the number of reasons for unknown lead times that are printed.
const maxReasons = 5

// Duration returns seconds in words, in two units at most: 95 is 1m35s.
func Duration(seconds float64) string {
	d := time.Duration(math.Round(seconds)) * time.Second
	days, d := d/(24*time.Hour), d%(24*time.Hour)
	h, m, s := d/time.Hour, d%time.Hour/time.Minute, d%time.Minute/time.Second
	for _, u := range []struct {
		a     time.Duration
		unitA string
		b     time.Duration
		unitB string
	}{{days, "d", h, "h"}, {h, "h", m, "m"}, {m, "m", s, "s"}} {
		switch {
		case u.a > 0 && u.b > 0:
			return fmt.Sprintf("%d%s%d%s", u.a, u.unitA, u.b, u.unitB)
		case u.a > 0:
			return fmt.Sprintf("%d%s", u.a, u.unitA)
		}
	}
	return fmt.Sprintf("%ds", s)
}

func (t Times) words(of string) string {
	if t.Known == 0 {
		if t.Open > 0 {
			return fmt.Sprintf("unknown   (%d still open)", t.Open)
		}
		return "unknown"
	}
	s := fmt.Sprintf("%s median, %s mean   (%d %s", Duration(*t.MedianS), Duration(*t.MeanS), t.Known, of)
	if t.Open > 0 {
		s += fmt.Sprintf(", %d still open", t.Open)
	}
	return s + ")"
}

// Text prints a report.
func Text(w io.Writer, r Report) error {
	frequency, failures := "unknown", "unknown"
	if n := r.Frequency; len(r.Services) > 0 {
		frequency = fmt.Sprintf("%d in %s", n.Deployments, Duration(r.Days*24*3600))
		if n.PerDay != nil {
			frequency = fmt.Sprintf("%.3g per day   (%s)", *n.PerDay, frequency)
		}
		if n.Rollbacks > 0 {
			frequency += fmt.Sprintf(", %d of them rollbacks", n.Rollbacks)
		}
	}
	switch f := r.Failures; {
	case f.Ratio != nil:
		failures = fmt.Sprintf("%.3g %%   (%d of %d deployments)", 100**f.Ratio, f.Failed, f.Deployments)
	case f.Failed > 0:
		failures = fmt.Sprintf("unknown   (at least %d of %d deployments)", f.Failed, f.Deployments)
	}
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintf(t, "deployment frequency\t%s\n", frequency)
	fmt.Fprintf(t, "lead time for changes\t%s\n", r.Lead.words("deployments"))
	fmt.Fprintf(t, "change failure rate\t%s\n", failures)
	fmt.Fprintf(t, "failed deployment recovery\t%s\n", r.Recovery.words("failed deployments"))
	fmt.Fprintf(t, "time to restore, all incidents\t%s\n", r.Restore.words("incidents"))
	if err := t.Flush(); err != nil {
		return err
	}
	if len(r.Deployments) > 0 {
		fmt.Fprintln(t, "\nSEEN\tSERVICE\tVERSION\tBEFORE\tLEAD TIME\tOUTCOME")
		for _, d := range r.Deployments[max(0, len(r.Deployments)-maxRows):] {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", d.Seen.UTC().Format("2006-01-02 15:04:05"), query.Printable(d.Service), query.Printable(d.Version), query.Printable(d.Before), lead(d), outcome(d))
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	for n, m := range r.Missing {
		if n == 0 {
			fmt.Fprintln(w)
		}
		if _, err := fmt.Fprintln(w, query.Printable(m)); err != nil {
			return err
		}
	}
	return nil
}

// maxRows is the number of deployments that are printed, the newest ones.
const maxRows = 20

func lead(d Deployment) string {
	if d.LeadTimeS == nil {
		return "-"
	}
	return Duration(*d.LeadTimeS)
}

func outcome(d Deployment) string {
	var words []string
	if d.Rollback {
		words = append(words, "rollback")
	}
	switch {
	case d.RecoveryS != nil:
		words = append(words, "failed, recovered in "+Duration(*d.RecoveryS))
	case d.Incident != "":
		words = append(words, "failed, not recovered yet")
	}
	if d.RolledBack {
		words = append(words, "rolled back")
	}
	if len(words) == 0 {
		return "ok"
	}
	return strings.Join(words, ", ")
}
