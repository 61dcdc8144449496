package dora_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/dora"
	"github.com/tenhop/tenhop/query/prometheus"
)

// lifetime is the time in which an instance with a version is scraped.
type lifetime struct {
	service, version string
	from, to         time.Duration // from the beginning of the window
}

// server answers range queries about target_info as Prometheus does.
func server(t *testing.T, scrape time.Duration, alive []lifetime) *prometheus.Client {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := func(name string) time.Duration {
			f, err := strconv.ParseFloat(r.FormValue(name), 64)
			if err != nil {
				t.Error(err)
			}
			return time.Unix(0, int64(f*1e9)).Sub(start).Round(time.Millisecond)
		}
		seconds, err := strconv.ParseFloat(r.FormValue("step"), 64)
		if err != nil {
			t.Error(err)
		}
		step := time.Duration(seconds * float64(time.Second))
		var back time.Duration
		if strings.Contains(r.FormValue("query"), "(target_info") {
			back = scrape // an instance that ended is stale
		}
		if strings.Contains(r.FormValue("query"), "count_over_time(target_info") {
			back = max(back, step)
		}
		result := []any{}
		for _, l := range alive {
			var values []any
			for now := at("start"); now <= at("end"); now += step {
				last := min(now, l.to) / scrape * scrape // of the scrapes
				if last > now-back && last >= l.from && now >= l.from {
					values = append(values, []any{float64(start.Add(now).UnixMilli()) / 1000, "1"})
				}
			}
			if len(values) > 0 {
				result = append(result, map[string]any{"metric": map[string]string{"job": "group/" + l.service, "service_version": l.version, "vcs_ref_head_revision": "rev" + l.version}, "values": values})
			}
		}
		if err := json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"resultType": "matrix", "result": result}}); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	c, err := prometheus.New(s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestReadMetrics covers a month, whose slots are of 43 minutes: deployments must be found
// to 5 s and a scrape, and one that lasted a minute must be found at all.
func TestReadMetrics(t *testing.T) {
	const day, scrape = 24 * time.Hour, 7 * time.Second
	c := server(t, scrape, []lifetime{
		{"a", "1", 10 * day, 12*day + time.Minute},
		{"a", "2", 12 * day, 30 * day}, // beside 1 for a minute
		{"b", "7", 10 * day, 15 * day},
		{"b", "8", 15*day + time.Second, 15*day + time.Minute},
		{"b", "7", 15*day + time.Minute + 2*time.Second, 30 * day}, // rolled back
	})
	v, err := dora.Metrics{Client: c}.Read(t.Context(), start, start.Add(30*day))
	if err != nil {
		t.Fatal(err)
	}
	if v.Covered < 20*day-time.Minute || v.Covered > 20*day+time.Minute {
		t.Errorf("covered %v, want 20 days", v.Covered)
	}
	if v.Revisions[[2]string{"a", "2"}] != "rev2" {
		t.Errorf("revisions %v", v.Revisions)
	}
	r := dora.Compute(dora.Input{From: start, To: start.Add(30 * day), Versions: v})
	want := []struct {
		name     string
		at       time.Duration
		rollback bool
	}{{"a 2", 12 * day, false}, {"b 8", 15*day + time.Second, false}, {"b 7", 15*day + time.Minute + 2*time.Second, true}}
	if len(r.Deployments) != len(want) {
		t.Fatalf("deployments %+v", r.Deployments)
	}
	for n, d := range r.Deployments {
		late := d.Seen.Sub(start.Add(want[n].at))
		if d.Service+" "+d.Version != want[n].name || d.Rollback != want[n].rollback || late < 0 || late > scrape+5*time.Second {
			t.Errorf("%+v is %v late; want %+v", d, late, want[n])
		}
	}
}

// TestShortVersion runs a version for two scrapes of one second, between two steps of the
// fine reading.
func TestShortVersion(t *testing.T) {
	c := server(t, time.Second, []lifetime{{"a", "1", 31 * time.Second, 32 * time.Second}, {"a", "2", 34 * time.Second, time.Minute}})
	v, err := dora.Metrics{Client: c}.Read(t.Context(), start, start.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	r := dora.Compute(dora.Input{From: start, To: start.Add(time.Minute), Versions: v})
	if len(r.Deployments) != 1 || r.Deployments[0].Version != "2" || r.Deployments[0].Before != "1" {
		t.Errorf("deployments %+v; want 2 after 1", r.Deployments)
	}
}
