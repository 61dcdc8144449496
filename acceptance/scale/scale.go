// Package scale computes how many instances of a service Kubernetes would run.
//
// The metric is a hop's own concurrency: the seconds of self time per second, which is the
// mean number of requests that an instance itself works on. It leaves out the time in which
// the hop waits for others, so a slow dependency does not scale its callers out.
package scale

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Autoscaler is a HorizontalPodAutoscaler with one metric of type Pods.
type Autoscaler struct {
	Service string  // whose instances it counts
	Metric  string  // as the adapter calls it
	Target  float64 // mean of the metric per instance
	Min     int
	Max     int
	Percent int // by which the number may grow in one period; 0 for no limit
}

// tolerance is Kubernetes' default: the share by which the metric may miss the target without
// a change.
const tolerance = .1

// Desired returns the number of instances that Kubernetes wants of a service whose instances,
// all of them ready, have these values of the metric.
// https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#algorithm-details
func (a Autoscaler) Desired(values []float64) int {
	sum := 0.
	for _, v := range values {
		sum += v
	}
	current := len(values)
	ratio := sum / float64(current) / a.Target
	desired := current
	if math.Abs(ratio-1) > tolerance {
		desired = int(math.Ceil(ratio * float64(current)))
	}
	if a.Percent > 0 {
		desired = min(desired, int(math.Ceil(float64(current)*(1+float64(a.Percent)/100))))
	}
	return min(max(desired, a.Min), a.Max)
}

// Read reads the manifest of an autoscaler.
func Read(file string) (Autoscaler, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return Autoscaler{}, err
	}
	var m struct {
		Spec struct {
			Target      struct{ Name string } `yaml:"scaleTargetRef"`
			MinReplicas int                   `yaml:"minReplicas"`
			MaxReplicas int                   `yaml:"maxReplicas"`
			Metrics     []struct {
				Type string
				Pods struct {
					Metric struct{ Name string }
					Target struct {
						AverageValue string `yaml:"averageValue"`
					}
				}
			}
			Behavior struct {
				ScaleUp struct {
					Policies []struct {
						Type  string
						Value int
					}
				} `yaml:"scaleUp"`
			}
		}
	}
	if err := yaml.Unmarshal(b, &m); err != nil {
		return Autoscaler{}, fmt.Errorf("%s: %w", file, err)
	}
	if len(m.Spec.Metrics) != 1 || m.Spec.Metrics[0].Type != "Pods" {
		return Autoscaler{}, errors.New(file + " has not one metric of type Pods")
	}
	pods := m.Spec.Metrics[0].Pods
	a := Autoscaler{Service: m.Spec.Target.Name, Metric: pods.Metric.Name, Min: m.Spec.MinReplicas, Max: m.Spec.MaxReplicas}
	if a.Target, err = quantity(pods.Target.AverageValue); err != nil {
		return Autoscaler{}, fmt.Errorf("%s: averageValue: %w", file, err)
	}
	for _, p := range m.Spec.Behavior.ScaleUp.Policies {
		if p.Type == "Percent" {
			a.Percent = p.Value
		}
	}
	return a, nil
}

// quantity parses a number such as 2 or 500m.
func quantity(s string) (float64, error) {
	digits, milli := strings.CutSuffix(s, "m")
	n, err := strconv.ParseFloat(digits, 64)
	if milli {
		n /= 1000
	}
	return n, err
}
