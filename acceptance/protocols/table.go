package protocols

import (
	"fmt"
	"math"
	"os"
	"runtime"
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

// Machine describes the machine and its other load.
func Machine() string {
	model := runtime.GOARCH
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	load := ""
	if avg, err := os.ReadFile("/proc/loadavg"); err == nil {
		if fields := strings.Fields(string(avg)); len(fields) > 0 {
			load = ", load average " + fields[0] + " before"
		}
	}
	return fmt.Sprintf("%d processors (%s), %s/%s, %s%s", runtime.NumCPU(), model, runtime.GOOS, runtime.GOARCH, runtime.Version(), load)
}
