//go:build linux

package knee

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/tenhop/tenhop/internal/uptest"
	"github.com/tenhop/tenhop/load"
)

// The limits that define the knee.
const (
	maxP99    = 250   // ms
	maxFailed = 0.005 // fraction of requests
)

// configuration is a kind of telemetry to compare.
type configuration struct {
	name string
	args []string // of `tenhop up`
}

// The first is what the others are compared with, the last what a team would have instead.
var configurations = []configuration{
	{"none", []string{"--telemetry", "none"}},
	{"metrics and logs", []string{"--telemetry", "metrics"}},
	{"tracing 10 %", []string{"--sampling", "0.1"}},
	{"tracing 100 %", nil},
	{"composed peers, 100 %", []string{"--telemetry", "composed"}},
}

// form is the length of a run.
type form struct {
	rounds    int
	warm, run time.Duration
	factor    float64 // between the rates of a search
}

func formOf(v string) (form, error) {
	if v == "short" {
		return form{rounds: 1, warm: 4 * time.Second, run: 6 * time.Second, factor: 1.25}, nil
	}
	rounds, err := strconv.Atoi(v)
	if err != nil || rounds < 1 {
		return form{}, fmt.Errorf("TENHOP_KNEE=%s: give a number of rounds, or short", v)
	}
	return form{rounds: rounds, warm: 10 * time.Second, run: 20 * time.Second, factor: 1.06}, nil
}

// TestKnee finds the knee of each configuration, in interleaved rounds.
func TestKnee(t *testing.T) {
	v := os.Getenv("TENHOP_KNEE")
	if v == "" {
		t.Skip("SKIPPED: no knee was searched; it loads the machine for an hour: set TENHOP_KNEE=5, the number of rounds, or short")
	}
	f, err := formOf(v)
	if err != nil {
		t.Fatal(err)
	}
	bin := uptest.Build(t)
	knees := make([][]outcome, len(configurations))
	start := 100.0
	if s := os.Getenv("TENHOP_KNEE_START"); s != "" {
		if start, err = strconv.ParseFloat(s, 64); err != nil {
			t.Fatal(err)
		}
	}
	only := os.Getenv("TENHOP_KNEE_ONLY")
	for round := range f.rounds {
		for i, c := range configurations {
			if only != "" && !strings.Contains(only, c.name) {
				continue
			}
			from, factor := start, 1.25
			if n := len(knees[i]); n > 0 {
				from, factor = knees[i][n-1].rate/f.factor/f.factor, f.factor
			}
			t.Run(fmt.Sprintf("round %d, %s", round+1, c.name), func(t *testing.T) {
				s := uptest.Up(t, bin, append([]string{"--rps", "0"}, c.args...)...)
				run := func(rate float64, d time.Duration) outcome {
					o, err := probe(t.Context(), s, rate, d, uint64(round+1))
					if err != nil {
						t.Fatal(err)
					}
					return o
				}
				run(from/2, f.warm)
				one := func(rate float64) outcome {
					o := run(rate, f.run)
					t.Logf("%4.0f requests/s: p99 %6.1f ms, %.2f %% failed, %.1f cores by us, %.1f by others, held %v", rate, o.p99, 100*o.failed,
						cores(o, f.run), o.usage.others*float64(runtime.NumCPU()), o.held)
					if !o.held {
						run(from/4, 3*time.Second) // drains the queues
					}
					return o
				}
				knee, _ := search(from, factor, load.MaxRPS, one)
				if factor > f.factor && knee.held {
					if finer, _ := search(knee.rate*f.factor, f.factor, knee.rate*factor/f.factor, one); finer.rate > knee.rate {
						knee = finer
					}
				}
				knees[i] = append(knees[i], knee)
			})
		}
	}
	t.Logf("%d rounds on %d cores, p99 <= %d ms and failed < %.1f %%\n%s", f.rounds, runtime.NumCPU(), maxP99, 100*maxFailed, table(knees))
}

// probe loads a storefront at a rate.
func probe(ctx context.Context, s *uptest.Storefront, rate float64, d time.Duration, seed uint64) (outcome, error) {
	m, err := newMeter(s.PIDs)
	if err != nil {
		return outcome{}, err
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, s.Program, "load", "--gateway", s.Endpoints["gateway"], "--json",
		"--rps", fmt.Sprint(rate), "--for", d.String(), "--seed", fmt.Sprint(seed))
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return outcome{}, fmt.Errorf("load: %w: %s", err, errs.String())
	}
	u, err := m.read(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime())
	if err != nil {
		return outcome{}, err
	}
	var sum load.Summary
	if err := json.Unmarshal(out.Bytes(), &sum); err != nil {
		return outcome{}, err
	}
	o := outcome{rate: rate, p99: sum.All.P99, usage: u, requests: sum.Requests,
		failed: float64(sum.Errors+sum.Skipped) / max(1, float64(sum.Requests+sum.Skipped))}
	o.held = o.p99 <= maxP99 && o.failed < maxFailed && sum.Requests > 0
	return o, nil
}

// cores returns the mean number of cores that all groups used.
func cores(o outcome, d time.Duration) float64 {
	var sum time.Duration
	for _, cpu := range o.usage.cpu {
		sum += cpu
	}
	return sum.Seconds() / d.Seconds()
}

// table returns the medians of the rounds.
func table(knees [][]outcome) string {
	of := func(i int, f func(outcome) float64) float64 {
		var values []float64
		for _, o := range knees[i] {
			values = append(values, f(o))
		}
		return median(values)
	}
	rate := func(o outcome) float64 { return o.rate }
	cpu := func(group string) func(outcome) float64 {
		return func(o outcome) float64 {
			return float64(o.usage.cpu[group].Microseconds()) / 1000 / max(1, float64(o.requests))
		}
	}
	none, composed := of(0, rate), of(len(configurations)-1, rate)
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "telemetry\trequests/s\trounds\tof none\tof composed\tp99 ms\tCPU ms/request: services\tbroker\ttelemetry\tload\tMB: a service\tall services\tbroker\ttelemetry\tother programs\t")
	for i, c := range configurations {
		if len(knees[i]) == 0 {
			continue
		}
		var rounds []string
		for _, o := range knees[i] {
			rounds = append(rounds, fmt.Sprintf("%.0f", o.rate))
		}
		services := func(o outcome) (sizes []float64) {
			for name, bytes := range o.usage.memory {
				if groupOf(name) == groupServices {
					sizes = append(sizes, float64(bytes)/1e6)
				}
			}
			return sizes
		}
		size := func(name string) func(outcome) float64 {
			return func(o outcome) float64 { return float64(o.usage.memory[name]) / 1e6 }
		}
		fmt.Fprintf(w, "%s\t%.0f\t%s\t%.2f\t%.2f\t%.0f\t%.2f\t%.2f\t%.2f\t%.2f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f %%\t\n", c.name, of(i, rate), strings.Join(rounds, " "),
			of(i, rate)/none, of(i, rate)/composed, of(i, func(o outcome) float64 { return o.p99 }),
			of(i, cpu(groupServices)), of(i, cpu(groupBroker)), of(i, cpu(groupTelemetry)), of(i, cpu(groupLoad)),
			of(i, func(o outcome) float64 { return median(services(o)) }), of(i, func(o outcome) float64 { return sum(services(o)) }),
			of(i, size(groupBroker)), of(i, size(groupTelemetry)), of(i, func(o outcome) float64 { return 100 * o.usage.others }))
	}
	_ = w.Flush()
	return b.String()
}

func sum(values []float64) (s float64) {
	for _, v := range values {
		s += v
	}
	return s
}
