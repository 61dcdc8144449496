package causes

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tenhop/tenhop/query/prometheus"
	"github.com/tenhop/tenhop/signals"
)

// rank returns the position of each cause signal, by which one of several of a measure is
// chosen.
func rank() map[string][]signals.CauseSignal {
	out := map[string][]signals.CauseSignal{}
	for _, s := range signals.CauseSignals() {
		out[s.Series] = append(out[s.Series], s)
	}
	return out
}

// add sorts series into instances. Their label \x00service holds the service.
func (r *reader) add(found []prometheus.Series) {
	bySeries := rank()
	order := map[string]int{}
	for i, s := range signals.CauseSignals() {
		order[s.Series+"\x00"+string(s.Measure)] = i
	}
	times := map[*instance]map[time.Time]bool{}
	place := func(s prometheus.Series) *instance {
		sigs, name := bySeries[s.Labels["__name__"]], r.name(s.Labels)
		if len(sigs) > 0 && sigs[0].Service != nil {
			name = signals.First(s.Labels, sigs[0].Instance)
		}
		k := [2]string{s.Labels["\x00service"], name}
		if k[0] == "" {
			return nil
		}
		if r.index[k] == nil {
			i := &instance{service: k[0], name: k[1], tracks: map[signals.Measure]track{}, store: map[storeKey]storeTrack{}}
			r.index[k] = i
			r.table.instances = append(r.table.instances, i)
		}
		return r.index[k]
	}
	for _, s := range found {
		if i := place(s); i != nil {
			if times[i] == nil {
				times[i] = map[time.Time]bool{}
			}
			for _, p := range s.Samples {
				times[i][p.At] = true
			}
		}
	}
	for i, at := range times {
		i.scraped = i.scraped[:0]
		for t := range at {
			i.scraped = append(i.scraped, t)
		}
		slices.SortFunc(i.scraped, time.Time.Compare)
	}
	for _, s := range found {
		i := place(s)
		if i == nil || len(s.Samples) == 0 {
			continue
		}
		name := s.Labels["__name__"]
		switch {
		case name == selfSum:
			self := r.table.self[i]
			self.time = plus(self.time, rates(s.Samples, i.scraped, 1))
			r.table.self[i] = self
		case name == selfCount:
			self := r.table.self[i]
			self.count = plus(self.count, rates(s.Samples, i.scraped, 1))
			r.table.self[i] = self
		case strings.HasPrefix(name, signals.DatabaseClient):
			i.addStore(s)
		default:
			for _, sig := range bySeries[name] {
				if sig.Selects(s.Labels) {
					i.addTrack(sig, s, order)
				}
			}
		}
	}
}

// addStore adds the time or number of database calls, or a bucket of their durations.
func (i *instance) addStore(s prometheus.Series) {
	k := storeKey{signals.First(s.Labels, []string{"dependency", "server_address", "db_system_name"}), s.Labels["db_operation_name"], s.Labels["error_type"]}
	t, v := i.store[k], rates(s.Samples, i.scraped, 1)
	switch name := s.Labels["__name__"]; {
	case strings.HasSuffix(name, "_sum"):
		t.time = plus(t.time, v)
	case strings.HasSuffix(name, "_count"):
		t.calls = plus(t.calls, v)
	default:
		bound, err := strconv.ParseFloat(s.Labels["le"], 64)
		if err != nil {
			return
		}
		if t.upTo == nil {
			t.upTo = map[float64][]point{}
		}
		t.upTo[bound] = plus(t.upTo[bound], v)
	}
	i.store[k] = t
}

// addTrack adds a series to the track of its measure, unless a preceding signal has it.
func (i *instance) addTrack(sig signals.CauseSignal, s prometheus.Series, order map[string]int) {
	at := func(s signals.CauseSignal) int { return order[s.Series+"\x00"+string(s.Measure)] }
	have, ok := i.tracks[sig.Measure]
	if ok && at(have.signal) < at(sig) {
		return
	}
	if !ok || at(have.signal) > at(sig) {
		have = track{signal: sig}
	}
	if sig.Measure.Gauge() {
		have.samples = append(have.samples, s.Samples...)
		have.points = plus(have.points, values(s.Samples, sig.Unit))
		if sig.Measure.ZeroIfAbsent() {
			have.points = plus(have.points, zeros(s.Samples, i.scraped))
		}
	} else {
		have.points = plus(have.points, rates(s.Samples, i.scraped, sig.Unit))
	}
	i.tracks[sig.Measure] = have
}
