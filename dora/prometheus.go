package dora

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tenhop/tenhop/query/prometheus"
	"github.com/tenhop/tenhop/signals"
)

// Metrics says where Prometheus has the versions of services. Its zero value reads
// service_version of target_info, which OpenTelemetry's exporters and receivers write.
type Metrics struct {
	Client   *prometheus.Client
	Selector string        // series that exist while a version runs; target_info if empty
	Version  string        // their label with the version; service_version if empty
	Labels   signals.Names // their labels with the service, before those of the conventions
}

const (
	// revisionLabel is the label of the resource attribute vcs.ref.head.revision.
	revisionLabel = "vcs_ref_head_revision"

	coarse    = 1000             // slots of the first reading
	minSlot   = 15 * time.Second // one scrape at least
	fine      = 5 * time.Second  // resolution around a deployment, at worst
	maxPoints = 10000            // of a range query; Prometheus answers 11,000
)

// Read reads the versions that ran between from and to. Every version that was scraped at
// least once is found: the time is divided into slots, and those in which the versions of
// a service change are read again, in steps of 5 s or less.
func (m Metrics) Read(ctx context.Context, from, to time.Time) (Versions, error) {
	version, selector := cmp.Or(m.Version, "service_version"), cmp.Or(m.Selector, "target_info")
	out := Versions{Source: "prometheus", Seen: map[string][]Sighting{}, Revisions: map[[2]string]string{}, Resolution: fine}
	length := to.Sub(from)
	if length < minSlot {
		return out, errors.New("the time asked for is shorter than a scrape interval")
	}
	n := min(int(length/minSlot), coarse)
	slot := length / time.Duration(n) / time.Millisecond * time.Millisecond
	step := fine
	if slot < time.Minute {
		step = time.Second
	}
	q := reading{m, version, step, slices.Concat([]string{version, revisionLabel}, m.Labels, signals.ServiceLabels())}
	grid, err := q.read(ctx, fmt.Sprintf("count_over_time(%s[%dms])", selector, slot.Milliseconds()), to.Add(-slot*time.Duration(n-1)), to, slot, out.Revisions)
	if err != nil {
		return out, err
	}
	times, first := map[time.Time]bool{}, to
	for service, seen := range grid {
		for _, s := range seen {
			times[s.At] = true
		}
		all, err := q.refine(ctx, selector, service, seen, slot, from)
		if err != nil {
			return out, err
		}
		out.Seen[service] = all
		if len(all) > 0 && all[0].At.Before(first) {
			first = all[0].At
		}
	}
	out.Covered = min(time.Duration(len(times))*slot, to.Sub(first)) // without what a slot has before the first
	return out, nil
}

var legacy = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// reading reads sightings from series.
type reading struct {
	Metrics
	version string
	fine    time.Duration // steps around a change of versions
	by      []string
}

// read returns the sightings of all services at the steps of a query.
func (q reading) read(ctx context.Context, expr string, from, to time.Time, step time.Duration, revisions map[[2]string]string) (map[string][]Sighting, error) {
	var quoted []string
	for _, l := range q.by {
		if !legacy.MatchString(l) { // Prometheus 2 does not know quotes here
			l = strconv.Quote(l)
		}
		quoted = append(quoted, l)
	}
	found, err := q.Client.Range(ctx, fmt.Sprintf("group by (%s) (%s)", strings.Join(quoted, ", "), expr), from, to, step)
	if err != nil {
		return nil, err
	}
	at := map[string]map[time.Time]map[string]bool{}
	for _, series := range found {
		service, v := signals.ServiceOf(series.Labels, q.Labels, ""), series.Labels[q.version]
		if service == "" || v == "" {
			continue
		}
		if rev := series.Labels[revisionLabel]; rev != "" {
			revisions[[2]string{service, v}] = rev
		}
		if at[service] == nil {
			at[service] = map[time.Time]map[string]bool{}
		}
		for _, s := range series.Samples {
			if at[service][s.At] == nil {
				at[service][s.At] = map[string]bool{}
			}
			at[service][s.At][v] = true
		}
	}
	out := map[string][]Sighting{}
	for service, times := range at {
		for _, t := range slices.SortedFunc(maps.Keys(times), time.Time.Compare) {
			out[service] = append(out[service], Sighting{t, slices.Sorted(maps.Keys(times[t]))})
		}
	}
	return out, nil
}

// refine replaces the first slot and those next to a change of versions by finer sightings.
// The sighting of a slot is at its end.
func (q reading) refine(ctx context.Context, selector, service string, seen []Sighting, slot time.Duration, start time.Time) ([]Sighting, error) {
	changes := func(n int) bool {
		return n == 0 || !slices.Equal(seen[n].Versions, seen[n-1].Versions) || n+1 < len(seen) && !slices.Equal(seen[n].Versions, seen[n+1].Versions)
	}
	var out []Sighting
	for n := 0; n < len(seen); n++ {
		if !changes(n) {
			out = append(out, seen[n])
			continue
		}
		first := n
		most := max(1, int(maxPoints*q.fine/slot))
		for n+1 < len(seen) && changes(n+1) && n+1-first < most && seen[n+1].At.Sub(seen[n].At) == slot {
			n++
		}
		from := seen[first].At.Add(-slot)
		if from.Before(start) {
			from = start
		}
		end := seen[n].At.Add(q.fine) // what was scraped last in the slot is seen by the next step
		if last := seen[len(seen)-1].At; end.After(last) {
			end = last
		}
		// Steps are at multiples of their length, whenever the report is made. A version that ran for a
		// few scrapes may be stale at all of them; what was scraped since the step before counts.
		expr := fmt.Sprintf("%s or count_over_time(%s[%dms])", selector, selector, q.fine.Milliseconds())
		found, err := q.read(ctx, expr, from.Truncate(q.fine).Add(q.fine), end, q.fine, map[[2]string]string{})
		if err != nil {
			return nil, err
		}
		if len(found[service]) == 0 { // scraped once, and stale at every step
			out = append(out, seen[first:n+1]...)
		}
		out = append(out, found[service]...)
	}
	return out, nil
}
