package setup

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/middleware/otel-variables.md")

// Each value that a variable does not honour ends Start with an error that names the
// variable, whatever signal it is for, and does not quote a secret.
func TestEnvironmentRefusals(t *testing.T) {
	for _, v := range variables {
		for _, name := range v.names() {
			for _, value := range v.refused {
				t.Run(name+"="+value, func(t *testing.T) {
					clean(t)
					t.Setenv(name, value)
					rt, err := Start(t.Context(), "shop", WithLogWriter(io.Discard))
					if err == nil {
						_ = rt.Shutdown(t.Context())
						t.Fatal("Start returns no error")
					}
					if !strings.Contains(err.Error(), name) {
						t.Errorf("the error does not name the variable: %v", err)
					}
				})
			}
		}
	}
}

// A secret in a malformed value is not in the error.
func TestEnvironmentErrorsKeepSecrets(t *testing.T) {
	for name, value := range map[string]string{
		"OTEL_EXPORTER_OTLP_HEADERS":  "authorization: Bearer s3cret",
		"OTEL_EXPORTER_OTLP_ENDPOINT": "user:s3cret@collector:4317",
	} {
		clean(t)
		t.Setenv(name, value)
		if err := checkEnvironment(); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Values that belong together.
func TestEnvironmentPairs(t *testing.T) {
	for _, env := range []map[string]string{
		{"OTEL_EXPORTER_OTLP_CLIENT_KEY": os.Args[0]},
		{"OTEL_BSP_MAX_QUEUE_SIZE": "10", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "11"},
		{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "4096"}, // of the default queue
		{"OTEL_BSP_MAX_QUEUE_SIZE": " 10 ", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "11"},
		{"OTEL_BLRP_MAX_QUEUE_SIZE": "10", "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE": "11"},
	} {
		clean(t)
		for k, v := range env {
			t.Setenv(k, v)
		}
		if checkEnvironment() == nil {
			t.Errorf("%v is no error", env)
		}
	}
}

// The size of a queue is honoured as it was checked.
func TestQueueSizeWithSpaces(t *testing.T) {
	clean(t)
	t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", " 10 ")
	if n := queueSize("OTEL_BSP_MAX_QUEUE_SIZE"); n != 10 || checkEnvironment() != nil {
		t.Errorf("a queue of %d, %v", n, checkEnvironment())
	}
}

// A disabled SDK starts whatever else is set.
func TestDisabledSDKIgnoresTheOthers(t *testing.T) {
	clean(t)
	t.Setenv("OTEL_SDK_DISABLED", "TRUE")
	t.Setenv("OTEL_TRACES_EXPORTER", "zipkin")
	if err := checkEnvironment(); err != nil {
		t.Error(err)
	}
}

// clean unsets every variable of the specification for a test.
func clean(t *testing.T) {
	t.Helper()
	for _, v := range variables {
		for _, name := range v.names() {
			t.Setenv(name, "")
		}
	}
}

// The page of the documentation is what the table says.
func TestVariablesPage(t *testing.T) {
	const page = "../../docs/middleware/otel-variables.md"
	var want bytes.Buffer
	fmt.Fprint(&want, `# Environment variables of OpenTelemetry

`+"`setup.Start`"+` honours these variables of the OpenTelemetry specification, or returns an error that names the
variable. An empty value is an unset variable. The table is generated from the code by
`+"`go test ./middleware/setup -run TestVariablesPage -update`"+`.

| variable | honoured values | effect | refused, for example |
|---|---|---|---|
`)
	for _, v := range variables {
		var refused []string
		for _, r := range v.refused {
			refused = append(refused, "`"+r+"`")
		}
		name := "`" + v.name + "`"
		if strings.Contains(v.name, "*") {
			name = "`" + strings.Replace(v.name, "*", "", 1) + "`, with `TRACES_`, `METRICS_`, `LOGS_` for one signal"
		}
		fmt.Fprintf(&want, "| %s | %s | %s | %s |\n", name, v.values, v.effect, strings.Join(refused, ", "))
	}
	fmt.Fprint(&want, `
`+"`OTEL_SEMCONV_STABILITY_OPT_IN`"+` is not read: the middleware writes the stable conventions only.
`)
	if *update {
		if err := os.WriteFile(page, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Skipf("SKIPPED: the page is not beside this module: %v", err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("docs/middleware/otel-variables.md differs; run go test ./middleware/setup -run TestVariablesPage -update")
	}
}
