// Package zerolines builds a program that knows nothing of this library with Orchestrion, and
// tests that it is measured. It is a module of its own, so that Orchestrion is in no go.mod.
package zerolines

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const orchestrion = "github.com/DataDog/orchestrion"

// version is the version of Orchestrion that the aspects were written for.
const version = "v1.15.0"

// The build takes minutes: all of the standard library is woven. TENHOP_ZERO_LINES=1 asks
// for it.
func TestAnUnmodifiedProgramIsMeasured(t *testing.T) {
	if os.Getenv("TENHOP_ZERO_LINES") == "" {
		t.Skip("NOT TESTED: building a program with Orchestrion takes minutes; set TENHOP_ZERO_LINES=1")
	}
	dir := t.TempDir()
	tool := filepath.Join(dir, "orchestrion")
	if out, err := run(dir, "GOBIN="+dir, "go", "install", orchestrion+"@"+version); err != nil {
		t.Skipf("NOT TESTED: Orchestrion %s does not build with this Go: %v\n%s", version, err, out)
	}
	app := filepath.Join(dir, "app")
	if err := os.CopyFS(app, os.DirFS("testdata/app")); err != nil {
		t.Fatal(err)
	}
	middleware, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	steps := [][]string{{"go", "mod", "init", "example.com/app"}, {"go", "mod", "edit", "-require", orchestrion + "@" + version}}
	for _, m := range []string{"", "/grpcmw", "/kafkamw", "/setup", "/sqlmw"} {
		steps = append(steps, []string{"go", "mod", "edit", "-replace", "github.com/tenhop/tenhop/middleware" + m + "=" + middleware + m})
	}
	steps = append(steps, []string{"go", "mod", "tidy"}, []string{tool, "go", "build", "-o", "app", "."}, []string{"./app"})
	var out string
	for _, s := range steps {
		if out, err = run(app, "OTEL_SERVICE_NAME=app", s...); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(s, " "), err, out)
		}
	}
	for _, want := range []string{
		`http_server_request_duration_seconds_count{error_type="",http_request_method="GET",http_response_status_code="200",http_route="/items/{id}",service_name="app",url_scheme="http"} 1`,
		`http_client_request_duration_seconds_count{`,
		`rpc_server_call_duration_seconds_count{error_type="",rpc_method="grpc.testing.TestService/EmptyCall"`,
		`rpc_client_call_duration_seconds_count{dependency="127.0.0.1"`,
		`db_client_operation_duration_seconds_count{`,
		`messaging_client_operation_duration_seconds_count{`,
		`entry="GET /items/{id}",flow="request",operation="grpc.testing.TestService/EmptyCall"`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the program's output has no %s\n%s", want, out)
		}
	}
}

// run runs a command outside any workspace. It returns what the command printed.
func run(dir, env string, args ...string) (string, error) {
	cmd := exec.Command(args[0], args[1:]...) //nolint:gosec // the commands are this test's
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-p=1", "OTEL_TRACES_EXPORTER=none", env)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
