package protocols

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Table returns the results as a table in Markdown.
func Table(results []Result) string {
	var b strings.Builder
	b.WriteString("| way | answer, p50 | p99 | stored, p50 | p99 | calls/s | bytes per call | a call while the recipient is down |\n")
	b.WriteString("|---|--:|--:|--:|--:|--:|--:|---|\n")
	for _, r := range results {
		stored, late := "–", "–"
		if r.Broker {
			stored, late = ms(quantile(r.Accepted, 0.5)), ms(quantile(r.Accepted, 0.99))
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %.0f | %s |\n", r.Name, ms(quantile(r.Answered, 0.5)), ms(quantile(r.Answered, 0.99)),
			stored, late, rates(r.Rates), r.Bytes, r.Down)
	}
	return b.String()
}

// String says in a few words what happened.
func (d Down) String() string {
	switch {
	case d.Error != "":
		return fmt.Sprintf("fails after %s: %s", ms(d.Said), reason(d.Error))
	default:
		return fmt.Sprintf("stored after %s; answered %.1f s after the recipient's start", ms(d.Said), d.Answered.Seconds())
	}
}

// reason returns the last part of an error, which the system or the library reports.
func reason(err string) string {
	if i := strings.LastIndex(err, ": "); i >= 0 {
		err = err[i+2:]
	}
	return strings.Trim(strings.ReplaceAll(err, "|", "/"), `"`)
}

func ms(d time.Duration) string {
	v := float64(d) / float64(time.Millisecond)
	if v < 10 {
		return fmt.Sprintf("%.2f ms", v)
	}
	return fmt.Sprintf("%.0f ms", v)
}

// rates returns the median of sorted rates, with the lowest and the highest.
func rates(sorted []float64) string {
	if len(sorted) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f (%.0f to %.0f)", sorted[len(sorted)/2], sorted[0], sorted[len(sorted)-1])
}

// quantile returns a quantile of sorted durations by the nearest rank.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(int(math.Ceil(q*float64(len(sorted))))-1, 0)]
}

// Machine describes a machine and its load before a measurement.
type Machine struct {
	Processors int
	Model      string
	Platform   string
	Load       float64 // average of a minute; negative if unknown
}

// ThisMachine returns the machine with its present load.
func ThisMachine() Machine {
	m := Machine{
		Processors: runtime.NumCPU(), Model: runtime.GOARCH, Load: -1,
		Platform: fmt.Sprintf("%s/%s, %s", runtime.GOOS, runtime.GOARCH, runtime.Version()),
	}
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				m.Model = strings.TrimSpace(value)
				break
			}
		}
	}
	if avg, err := os.ReadFile("/proc/loadavg"); err == nil {
		if fields := strings.Fields(string(avg)); len(fields) > 0 {
			if load, err := strconv.ParseFloat(fields[0], 64); err == nil {
				m.Load = load
			}
		}
	}
	return m
}

// String returns a description for readers.
func (m Machine) String() string {
	load := ""
	if m.Load >= 0 {
		load = fmt.Sprintf(", load average %.2f before", m.Load)
	}
	return fmt.Sprintf("%d processors (%s), %s%s", m.Processors, m.Model, m.Platform, load)
}

// What a measurement needs so that its times can be compared.
const (
	minRounds = 5
	minCalls  = 1000 // per way: ten of them are above the p99
	maxLoad   = 0.5  // per processor, of other programs
)

// Measured returns paragraphs with the circumstances of a measurement. The last one begins
// with "Not worth comparing" if the machine was busy or the calls were few.
func Measured(day string, m Machine, l Load) string {
	text := fmt.Sprintf("Measured %s on %s. %d rounds in which the ways took turns, of %d calls one after the other and %s with %d calls at a time.\n",
		day, m, l.Rounds, l.Calls, l.Burst, inFlight)
	var why []string
	if m.Load > maxLoad*float64(m.Processors) {
		why = append(why, fmt.Sprintf("other programs kept the processors busy, with a load average of %.2f on %d", m.Load, m.Processors))
	}
	if n := l.Rounds * l.Calls; n < minCalls {
		why = append(why, fmt.Sprintf("%d calls per way are too few for a p99", n))
	}
	if l.Rounds < minRounds {
		why = append(why, fmt.Sprintf("%d rounds are too few for a rate", l.Rounds))
	}
	if len(why) == 0 {
		return text
	}
	return text + fmt.Sprintf("\nNot worth comparing: %s. The times show how each way works, not how fast it is.\n", strings.Join(why, "; "))
}
