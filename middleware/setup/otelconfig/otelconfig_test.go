package otelconfig_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/setup"
	"github.com/tenhop/tenhop/middleware/setup/otelconfig"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), // idle connections of the exporters
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
	)
}

// file writes a configuration file and sets OTEL_CONFIG_FILE.
func file(t *testing.T, text string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "otel.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("OTEL_CONFIG_FILE", name)
}

const whole = `
file_format: "1.0"
resource:
  attributes:
    - name: service.name
      value: shop-of-the-file
propagator:
  composite:
    - tracecontext:
    - b3multi:
tracer_provider:
  processors:
    - batch:
        exporter:
          otlp_http:
            endpoint: ${COLLECTOR}/v1/traces
logger_provider:
  processors:
    - batch:
        exporter:
          otlp_http:
            endpoint: ${COLLECTOR}/v1/logs
`

// The file decides: its resource, exporters and propagators hold, and the other variables
// do not.
func TestFile(t *testing.T) {
	var mu sync.Mutex
	var paths []string
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		paths = append(paths, r.URL.Path)
		if !bytes.Contains(body, []byte("shop-of-the-file")) {
			t.Errorf("%s is of another service", r.URL.Path)
		}
	}))
	defer collector.Close()
	file(t, whole)
	t.Setenv("COLLECTOR", collector.URL)
	t.Setenv("OTEL_SDK_DISABLED", "true")
	t.Setenv("OTEL_TRACES_EXPORTER", "zipkin")
	rt, err := setup.Start(t.Context(), "shop", setup.WithLogWriter(io.Discard), setup.WithConfigFile(otelconfig.Load))
	if err != nil {
		t.Fatal(err)
	}
	if rt.Telemetry.ServiceName() != "shop-of-the-file" {
		t.Errorf("service_name is %q", rt.Telemetry.ServiceName())
	}
	var out http.Header
	leaf := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { out = r.Header }))
	defer leaf.Close()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, leaf.URL, nil)
	resp, err := httpmw.Transport(nil, httpmw.WithTelemetry(rt.Telemetry)).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	rt.Logger.Info().Msg("hello")
	if err := rt.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if out.Get("Traceparent") == "" || out.Get("X-B3-TraceId") == "" {
		t.Errorf("the next service gets %v", out)
	}
	slices.Sort(paths)
	if want := []string{"/v1/logs", "/v1/traces"}; !slices.Equal(paths, want) {
		t.Errorf("the collector got %v, want %v", paths, want)
	}
}

// What the file cannot be honoured for is an error of Start that names the variable.
func TestFileErrors(t *testing.T) {
	for name, text := range map[string]string{
		"no schema":       "a: [",
		"no format":       "resource: {}",
		"no service.name": "file_format: \"1.0\"\n",
		"propagator":      strings.Replace(whole, "b3multi:", "ottrace:", 1),
		"attributes_list": "file_format: \"1.0\"\nresource:\n  attributes_list: service.name=a\n",
		"exporter":        strings.Replace(whole, "otlp_http:", "zipkin:", 1),
	} {
		t.Run(name, func(t *testing.T) {
			file(t, text)
			t.Setenv("COLLECTOR", "http://127.0.0.1:1")
			rt, err := setup.Start(t.Context(), "shop", setup.WithLogWriter(io.Discard), setup.WithConfigFile(otelconfig.Load))
			if err == nil {
				_ = rt.Shutdown(context.Background())
			}
			if err == nil || !strings.Contains(err.Error(), "OTEL_CONFIG_FILE") {
				t.Errorf("Start returns %v", err)
			}
		})
	}
	t.Run("no file", func(t *testing.T) {
		t.Setenv("OTEL_CONFIG_FILE", "/does/not/exist.yaml")
		if _, err := setup.Start(t.Context(), "shop", setup.WithConfigFile(otelconfig.Load)); err == nil {
			t.Error("Start returns nil")
		}
	})
	t.Run("no loader", func(t *testing.T) {
		file(t, whole)
		if _, err := setup.Start(t.Context(), "shop"); err == nil || !strings.Contains(err.Error(), "setup.WithConfigFile(otelconfig.Load)") {
			t.Errorf("Start returns %v", err)
		}
	})
}

// A disabled SDK sends nothing and passes the caller's context on.
func TestDisabledFile(t *testing.T) {
	file(t, "disabled: true\n"+whole)
	t.Setenv("COLLECTOR", "http://127.0.0.1:1")
	rt, err := setup.Start(t.Context(), "shop", setup.WithLogWriter(io.Discard), setup.WithConfigFile(otelconfig.Load))
	if err != nil {
		t.Fatal(err)
	}
	rt.Logger.Info().Msg("hello")
	if err := rt.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// Without the variable the environment decides as always.
func TestNoFile(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	rt, err := setup.Start(t.Context(), "shop", setup.WithLogWriter(io.Discard), setup.WithConfigFile(otelconfig.Load))
	if err != nil {
		t.Fatal(err)
	}
	if err := rt.Shutdown(t.Context()); err != nil || rt.Telemetry.ServiceName() != "shop" {
		t.Error(err, rt.Telemetry.ServiceName())
	}
}
