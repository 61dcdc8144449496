//go:build linux

package knee

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/tenhop/tenhop/internal/uptest"
)

// Bounds of the rise of a resource, as a fraction of its level per hour. Memory grows with
// the indexes of the stores until they are full, and disks with the orders.
const (
	mayRiseMemory = 0.5
	mayRiseCount  = 0.05 // goroutines and descriptors
	// mayRiseDisk is in bytes per request: the orders, and what is kept of telemetry until
	// its retention.
	mayRiseDisk = 40 << 10
)

// TestSoak runs the storefront for TENHOP_SOAK minutes at TENHOP_SOAK_RPS requests/s. The
// first third of the time is not judged: caches fill.
func TestSoak(t *testing.T) {
	minutes, err := strconv.ParseFloat(os.Getenv("TENHOP_SOAK"), 64)
	if err != nil || minutes <= 0 {
		t.Skip("SKIPPED: nothing was soaked; it loads the machine for half an hour: set TENHOP_SOAK=30, or 2 for the short form")
	}
	rps, err := strconv.ParseFloat(os.Getenv("TENHOP_SOAK_RPS"), 64)
	if err != nil || rps <= 0 {
		t.Fatalf("TENHOP_SOAK_RPS=%q: give half of the requests/s at the knee", os.Getenv("TENHOP_SOAK_RPS"))
	}
	length := time.Duration(minutes * float64(time.Minute))
	s := uptest.Start(t, "--rps", "0")
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	load := exec.CommandContext(ctx, s.Program, "load", "--gateway", s.Endpoints["gateway"], "--rps", fmt.Sprint(rps), "--for", length.String())
	if err := load.Start(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	all := map[string][]point{}
	for uptest.Sleep(ctx, max(length/90, 2*time.Second)) {
		at := time.Since(began).Minutes()
		for name, v := range sample(t, ctx, s) {
			all[name] = append(all[name], point{at, v})
		}
	}
	_ = load.Wait() // ctx may have ended it
	t.Logf("%s at %.0f requests/s\n%s", length, rps, soakTable(all, minutes/3, func(name string, points []point) {
		if len(points) < 20 {
			t.Errorf("%s: only %d samples", name, len(points))
			return
		}
		perMinute, _ := slope(points)
		rising := rises(points, mayRiseCount)
		switch {
		case strings.HasPrefix(name, "memory"):
			rising = rises(points, mayRiseMemory)
		case name == "disk":
			rising = perMinute > rps*60*mayRiseDisk
		}
		if rising {
			t.Errorf("%s rises by %.4g a minute, from %.4g to %.4g", name, perMinute, points[0].value, points[len(points)-1].value)
		}
	}))
}

// soakTable returns the resources from a minute on, and judges each.
func soakTable(all map[string][]point, from float64, judge func(string, []point)) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "resource\tfirst\tlast\tper minute\tp\t")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		points := slices.DeleteFunc(slices.Clone(all[name]), func(p point) bool { return p.at < from })
		if len(points) == 0 {
			continue
		}
		perMinute, p := slope(points)
		fmt.Fprintf(w, "%s\t%.4g\t%.4g\t%.4g\t%.3f\t\n", name, points[0].value, points[len(points)-1].value, perMinute, p)
		judge(name, points)
	}
	_ = w.Flush()
	return b.String()
}

// sample returns the resources of a storefront: memory in bytes and descriptors by process,
// goroutines of services, and the bytes on disk.
func sample(t *testing.T, ctx context.Context, s *uptest.Storefront) map[string]float64 {
	t.Helper()
	out := map[string]float64{}
	for name, pid := range s.PIDs {
		memory, err := memoryOf(pid)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out["memory "+name], out["descriptors "+name] = float64(memory), float64(len(open))
		if groupOf(name) != groupServices {
			continue
		}
		if n, err := goroutines(ctx, s.Admin[name]); err == nil {
			out["goroutines "+name] = n
		} else if ctx.Err() == nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	err := filepath.WalkDir(filepath.Join(s.Dir, ".tenhop"), func(_ string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if info, err := e.Info(); err == nil { // files are deleted meanwhile
				out["disk"] += float64(info.Size())
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// goroutines reads go_goroutines from a service's metrics.
func goroutines(ctx context.Context, admin string) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, admin+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return 0, err
	}
	if m := families["go_goroutines"].GetMetric(); len(m) > 0 {
		return m[0].GetGauge().GetValue(), nil
	}
	return 0, fmt.Errorf("%s/metrics has no go_goroutines", admin)
}
