package setup

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
)

type detector struct {
	attrs []attribute.KeyValue
	err   error
}

func (d detector) Detect(context.Context) (*resource.Resource, error) {
	return resource.NewSchemaless(d.attrs...), d.err
}

// The deployment wins over the program, the program over detectors, and the last of two
// attributes with one key counts. The instance of a process stays the same.
func TestResourcePrecedence(t *testing.T) {
	clean(t)
	value := func(c config, key string) string {
		t.Helper()
		res, warning, err := newResource(t.Context(), "shop", &c)
		if err != nil || warning != nil {
			t.Fatal(err, warning)
		}
		v, _ := res.Set().Value(attribute.Key(key))
		return v.AsString()
	}
	cloud := detector{attrs: []attribute.KeyValue{attribute.String("service.version", "cloud"), attribute.String("cloud.region", "eu-1"), attribute.String("service.name", "cloud")}}
	c := config{version: "2.0", detectors: []resource.Detector{cloud}}
	for key, want := range map[string]string{"service.version": "2.0", "cloud.region": "eu-1", "service.name": "shop"} {
		if got := value(c, key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if a, b := value(c, "service.instance.id"), value(config{}, "service.instance.id"); a == "" || a != b {
		t.Errorf("instances %q and %q", a, b)
	}
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "service.version=3%2E0,a=x,a=y, cloud.region=eu-2")
	for key, want := range map[string]string{"service.version": "3.0", "a": "y", "cloud.region": "eu-2"} {
		if got := value(c, key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
}

// A detector that fails is a warning that has its error; the attributes of the others stay.
func TestFailingDetector(t *testing.T) {
	clean(t)
	var log bytes.Buffer
	rt, err := Start(t.Context(), "shop", WithLogWriter(&log), WithDetectors(detector{err: errors.New("no metadata server")}))
	if err != nil {
		t.Fatal(err)
	}
	_ = rt.Shutdown(t.Context())
	if !strings.Contains(log.String(), "no metadata server") {
		t.Errorf("the log has %q", log.String())
	}
}
