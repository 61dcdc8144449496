package setup

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
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

// Each value that a variable honours starts a service, and so does an empty one.
func TestEnvironmentHonours(t *testing.T) {
	pem := pemFiles(t)
	for _, v := range variables {
		for _, name := range v.names() {
			valid := append([]string{"", "  "}, v.valid...)
			if strings.HasSuffix(name, "CERTIFICATE") || strings.HasSuffix(name, "KEY") {
				valid = append(valid, pem[name[len(name)-3:]])
			}
			for _, value := range valid {
				t.Run(name+"="+value, func(t *testing.T) {
					clean(t)
					if strings.Contains(name, "_OTLP_") || strings.Contains(name, "_BLRP_") || strings.Contains(name, "METRIC") || strings.Contains(name, "ATTRIBUTE") {
						t.Setenv("OTEL_METRICS_EXPORTER", "otlp")
						t.Setenv("OTEL_LOGS_EXPORTER", "otlp")
					}
					t.Setenv(name, value)
					switch pair, isKey := strings.CutSuffix(name, "CLIENT_KEY"); {
					case isKey && strings.TrimSpace(value) != "":
						t.Setenv(pair+"CLIENT_CERTIFICATE", pem["ATE"])
					case strings.HasSuffix(name, "CLIENT_CERTIFICATE") && strings.TrimSpace(value) != "":
						t.Setenv(strings.TrimSuffix(name, "CERTIFICATE")+"KEY", pem["KEY"])
					}
					rt, err := Start(t.Context(), "shop", WithLogWriter(io.Discard))
					if err != nil {
						t.Fatal(err)
					}
					ctx, cancel := context.WithCancel(t.Context())
					cancel()
					_ = rt.Shutdown(ctx) // there is no collector
				})
			}
		}
	}
}

// pemFiles writes a certificate and its key, and returns their files by the last letters of
// the variables that take them.
func pemFiles(t *testing.T) map[string]string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for last, block := range map[string]*pem.Block{"ATE": {Type: "CERTIFICATE", Bytes: cert}, "KEY": {Type: "PRIVATE KEY", Bytes: der}} {
		files[last] = filepath.Join(t.TempDir(), last+".pem")
		if err := os.WriteFile(files[last], pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// A file that is readable and not PEM ends Start too.
func TestEnvironmentRefusesOtherFiles(t *testing.T) {
	other := filepath.Join(t.TempDir(), "other.pem")
	if err := os.WriteFile(other, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, protocol := range []string{"grpc", "http/protobuf"} {
		for _, names := range [][]string{
			{"OTEL_EXPORTER_OTLP_CERTIFICATE"}, {"OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE"},
			{"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_KEY"},
			{"OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY"},
		} {
			clean(t)
			t.Setenv("OTEL_METRICS_EXPORTER", "otlp")
			t.Setenv("OTEL_LOGS_EXPORTER", "otlp")
			t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
			for _, n := range names {
				t.Setenv(n, other)
			}
			if _, err := Start(t.Context(), "shop", WithLogWriter(io.Discard)); err == nil || !strings.Contains(err.Error(), names[0]) {
				t.Errorf("%s, %v: %v", protocol, names, err)
			}
		}
	}
}

// A variable that nobody knows is a warning with the name that was meant. Those of other
// languages are none.
func TestUnknownVariables(t *testing.T) {
	for name, want := range map[string]string{
		"OTEL_TRACE_SAMPLER":                   "OTEL_TRACES_SAMPLER",
		"OTEL_EXPORTER_OLTP_ENDPOINT":          "OTEL_EXPORTER_OTLP_ENDPOINT",
		"OTEL_EXPORTER_OTLP_TRACE_ENDPOINT":    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
		"OTEL_RESOURCE_ATTRIBUTE":              "OTEL_RESOURCE_ATTRIBUTES",
		"OTEL_SERVICENAME":                     "OTEL_SERVICE_NAME",
		"OTEL_PROPAGATOR":                      "OTEL_PROPAGATORS",
		"OTEL_SDK_DISABLE":                     "OTEL_SDK_DISABLED",
		"OTEL_METRICS_EXPORT_INTERVAL":         "OTEL_METRIC_EXPORT_INTERVAL",
		"OTEL_PYTHON_LOG_CORRELATION":          "",
		"OTEL_RESOURCE_ATTRIBUTES_POD_NAME":    "",
		"OTEL_SOMETHING_WHOLLY_DIFFERENT_HERE": "has no effect",
	} {
		t.Run(name, func(t *testing.T) {
			clean(t)
			t.Setenv(name, "x")
			var log bytes.Buffer
			rt, err := Start(t.Context(), "shop", WithLogWriter(&log))
			if err != nil {
				t.Fatal(err)
			}
			_ = rt.Shutdown(t.Context())
			said := strings.Contains(log.String(), name)
			if said != (want != "") || !strings.Contains(log.String(), want) {
				t.Errorf("the log has %q, want %q", log.String(), want)
			}
		})
	}
}

// What is set and has no effect is a warning.
func TestVariablesWithoutEffect(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want []string
	}{
		{map[string]string{"OTEL_TRACES_SAMPLER_ARG": "0.1"}, []string{"OTEL_TRACES_SAMPLER_ARG has no effect while OTEL_TRACES_SAMPLER is unset; set that to parentbased_traceidratio"}},
		{map[string]string{"OTEL_TRACES_SAMPLER_ARG": "0.1", "OTEL_TRACES_SAMPLER": "TraceIDRatio"}, nil},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/v1/traces"}, []string{"the path of OTEL_EXPORTER_OTLP_ENDPOINT has no effect over gRPC; set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf if the collector speaks that there"}},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, nil},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317/"}, nil},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "unix:///run/otel.sock"}, nil},
	} {
		clean(t)
		for k, v := range c.env {
			t.Setenv(k, v)
		}
		if got := environmentWarnings(); !slices.Equal(got, c.want) {
			t.Errorf("%v: %q, want %q", c.env, got, c.want)
		}
	}
}

// The settings of a signal are the same for every exporter.
func TestOTLPSettings(t *testing.T) {
	for _, c := range []struct {
		why  string
		env  map[string]string
		want string
	}{
		{"default", nil, "https://localhost:4317"},
		{"default without TLS", map[string]string{"OTEL_EXPORTER_OTLP_INSECURE": "True"}, "http://localhost:4317"},
		{"default of HTTP", map[string]string{"OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "http/protobuf"}, "https://localhost:4318/v1/logs"},
		{"scheme wins", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c:1", "OTEL_EXPORTER_OTLP_INSECURE": "true"}, "https://c:1"},
		{"base URL", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:1/base/", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, "http://c:1/base/v1/logs"},
		{"URL of the signal is used as it is", map[string]string{"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": " http://c:1 ", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://d:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, "http://c:1/"},
		{"empty is unset", map[string]string{"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://d:1"}, "http://d:1"},
		{"socket", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "unix:///run/otel.sock"}, "unix:///run/otel.sock"},
	} {
		clean(t)
		for k, v := range c.env {
			t.Setenv(k, v)
		}
		s, err := otlpSettingsOf("LOGS")
		if err != nil || s.endpoint.String() != c.want || s.plain != (s.endpoint.Scheme != "https") {
			t.Errorf("%s: %s, plain %v, want %s (%v)", c.why, s.endpoint, s.plain, c.want, err)
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
		if err := checkEnvironment(false); err == nil || strings.Contains(err.Error(), "s3cret") {
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
		if checkEnvironment(false) == nil {
			t.Errorf("%v is no error", env)
		}
	}
}

// The size of a queue is honoured as it was checked.
func TestQueueSizeWithSpaces(t *testing.T) {
	clean(t)
	t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", " 10 ")
	if n := queueSize("BSP"); n != 10 || checkEnvironment(false) != nil {
		t.Errorf("a queue of %d, %v", n, checkEnvironment(false))
	}
}

// A disabled SDK starts whatever else is set.
func TestDisabledSDKIgnoresTheOthers(t *testing.T) {
	clean(t)
	t.Setenv("OTEL_SDK_DISABLED", "TRUE")
	t.Setenv("OTEL_TRACES_EXPORTER", "zipkin")
	if err := checkEnvironment(false); err != nil {
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
variable and says what to do. An empty value is an unset variable, spaces around a value are ignored, and the case of
booleans and names does not matter. The sentence is of the first refused value. The table is generated from the code by
`+"`go test ./middleware/setup -run TestVariablesPage -update`"+`.

| variable | honoured values | effect | refused, for example | sentence |
|---|---|---|---|---|
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
		var sentence string
		if len(v.refused) > 0 {
			sentence = v.refusal(v.refused[0]).Error()
		}
		fmt.Fprintf(&want, "| %s | %s | %s | %s | %s |\n", name, v.values, v.effect, strings.Join(refused, ", "), sentence)
	}
	fmt.Fprint(&want, `
A variable with another name that begins with `+"`OTEL_`"+` is a warning in the log with the name that was probably meant,
unless it is for another language.
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
