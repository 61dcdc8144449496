package scale_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"

	"github.com/tenhop/tenhop/acceptance/scale"
	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

const manifest = "../../deploy/kubernetes/base/checkout-hpa.yaml"

func checkout(t *testing.T) scale.Autoscaler {
	t.Helper()
	a, err := scale.Read(manifest)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestDesired(t *testing.T) {
	a := scale.Autoscaler{Target: .5, Min: 2, Max: 20, Percent: 400}
	for _, c := range []struct {
		why    string
		values []float64
		want   int
	}{
		{"at the target", []float64{.5, .5}, 2},
		{"within a tenth of it", []float64{.54, .55}, 2},
		{"beyond", []float64{.56, .56}, 3},
		{"the mean counts", []float64{1.5, .5}, 4},
		{"four times as much", []float64{2, 2}, 8},
		{"the step is 400 % at most", []float64{9, 9}, 10},
		{"the maximum", []float64{3, 3, 3, 3, 3}, 20},
		{"the minimum", []float64{.01, .01, .01}, 2},
		{"down", []float64{.1, .1, .1, .1, .1, .1, .1, .1, .1, .1}, 2},
	} {
		if got := a.Desired(c.values); got != c.want {
			t.Errorf("%s: %v: %d, want %d", c.why, c.values, got, c.want)
		}
	}
}

// fleet is some instances of checkout behind a balancer that takes them in turn. Each request
// works for a while and then waits for a dependency. Time is virtual.
type fleet struct {
	t         *testing.T
	instances []*instance
	next      int
	waits     time.Duration // for the dependency
}

type instance struct {
	*mwtest.Recorder
	handler http.Handler
}

const works = 100 * time.Millisecond

// resize runs n instances, the first of which are those that ran.
func (f *fleet) resize(n int) {
	for len(f.instances) < n {
		r := mwtest.New(f.t)
		payment := &http.Client{Transport: httpmw.Transport(roundTrip(func(*http.Request) { time.Sleep(f.waits) }),
			httpmw.WithTelemetry(r.Telemetry), httpmw.WithDependency("payment"))}
		f.instances = append(f.instances, &instance{r, httpmw.Handler(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
			time.Sleep(works)
			call, err := http.NewRequestWithContext(req.Context(), http.MethodPost, "http://payment/charge", nil)
			if err != nil {
				f.t.Error(err)
				return
			}
			resp, err := payment.Do(call)
			if err != nil {
				f.t.Error(err)
				return
			}
			resp.Body.Close()
		}), httpmw.WithTelemetry(r.Telemetry))})
	}
	f.instances = f.instances[:n]
}

type roundTrip func(*http.Request)

// RoundTrip implements http.RoundTripper.
func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	f(r)
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{}, Request: r}, nil
}

// load sends requests at a rate for a minute, and returns the metric of each instance over the
// last half of it: the rate of hop_self_duration_seconds_sum. It returns the rate of
// hop_duration_seconds_sum of all, too.
func (f *fleet) load(perSecond float64) (self []float64, whole float64) {
	const warm, measured = 30 * time.Second, 30 * time.Second
	sums := func(family string) (out []float64) {
		for _, i := range f.instances {
			out = append(out, i.Sum(family))
		}
		return out
	}
	var running sync.WaitGroup
	var self0, whole0 []float64
	began := time.Now()
	for n := 0; ; n++ {
		at := time.Duration(float64(n) / perSecond * float64(time.Second))
		if at >= warm && self0 == nil {
			self0, whole0 = sums("hop_self_duration_seconds"), sums("hop_duration_seconds")
		}
		if at >= warm+measured {
			break
		}
		time.Sleep(time.Until(began.Add(at)))
		i := f.instances[f.next%len(f.instances)]
		f.next++
		running.Go(func() {
			i.handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/checkout", nil))
		})
	}
	self1, whole1 := sums("hop_self_duration_seconds"), sums("hop_duration_seconds")
	for i := range self1 {
		self = append(self, (self1[i]-self0[i])/measured.Seconds())
		whole += (whole1[i] - whole0[i]) / measured.Seconds()
	}
	running.Wait()
	return self, whole
}

// TestDecisions reads the metric that the middleware of each instance exports under load and
// computes what Kubernetes decides by the manifest. Traffic times four scales checkout to
// 400 %, after which the metric is at its target again. A dependency that is 40 times as slow
// changes nothing.
func TestDecisions(t *testing.T) {
	a := checkout(t)
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{t: t, waits: 20 * time.Millisecond}
		f.resize(2)
		for _, step := range []struct {
			why       string
			perSecond float64
			waits     time.Duration
			want      int
		}{
			{"ordinary traffic", 9.4, 20 * time.Millisecond, 2},
			{"four times as much", 37.6, 20 * time.Millisecond, 8},
			{"the same, on what was decided", 37.6, 20 * time.Millisecond, 8},
			{"payment is slow", 37.6, 800 * time.Millisecond, 8},
			{"ordinary traffic again", 9.4, 20 * time.Millisecond, 2},
		} {
			f.waits = step.waits
			n := len(f.instances)
			self, whole := f.load(step.perSecond)
			got := a.Desired(self)
			sum := 0.
			for _, v := range self {
				sum += v
			}
			t.Logf("%-30s %5.1f requests/s, %d instances: %s %.2f per instance (target %v), all in flight %.1f; desired %d",
				step.why, step.perSecond, n, a.Metric, sum/float64(n), a.Target, whole, got)
			if got != step.want {
				t.Errorf("%s: %v: %d instances, want %d", step.why, self, got, step.want)
			}
			f.resize(got)
		}
	})
}

// TestTheAdapterServesTheMetric: the rule of the adapter has the name that the autoscaler asks
// for, and a query that Prometheus parses.
func TestTheAdapterServesTheMetric(t *testing.T) {
	content, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	_, second, _ := strings.Cut(string(content), "\n---\n")
	var m struct {
		Data map[string]string `yaml:"data"`
	}
	if err := yaml.Unmarshal([]byte(second), &m); err != nil {
		t.Fatal(err)
	}
	var config struct {
		Rules []struct {
			SeriesQuery  string            `yaml:"seriesQuery"`
			Name         map[string]string `yaml:"name"`
			MetricsQuery string            `yaml:"metricsQuery"`
		} `yaml:"rules"`
	}
	if err := yaml.Unmarshal([]byte(m.Data["config.yaml"]), &config); err != nil || len(config.Rules) != 1 {
		t.Fatal(err, config)
	}
	rule := config.Rules[0]
	if rule.Name["as"] != checkout(t).Metric {
		t.Errorf("the rule serves %s", rule.Name["as"])
	}
	query := strings.NewReplacer("<<.GroupBy>>", "pod", "<<.Series>>", "hop_self_duration_seconds_sum", "<<.LabelMatchers>>", `namespace="tenhop",pod=~"a|b"`).Replace(rule.MetricsQuery)
	for _, q := range []string{query, rule.SeriesQuery} {
		if _, err := parser.NewParser(parser.Options{}).ParseExpr(q); err != nil {
			t.Errorf("%s: %v", q, err)
		}
	}
}

// TestTarget: 500m is one half.
func TestTarget(t *testing.T) {
	a := checkout(t)
	if a != (scale.Autoscaler{Service: "checkout", Metric: "hop_self_concurrency", Target: .5, Min: 2, Max: 20, Percent: 400}) {
		t.Errorf("%+v", a)
	}
}
