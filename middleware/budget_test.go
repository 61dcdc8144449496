package middleware_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Limits on what httpmw adds to a service that imports it.
const (
	maxModules  = 60 // go list -m all
	maxWithGRPC = 80 // the same for a service that holds grpc v1.70.0
	maxLinked   = 25 // modules that httpmw links
)

const plainConsumer = `package main

import (
	"log"
	"net/http"

	"github.com/tenhop/tenhop/middleware/httpmw"
)

func main() { log.Fatal(http.ListenAndServe(":8080", httpmw.Handler(http.NotFoundHandler()))) }
`

const grpcConsumer = `package main

import (
	"log"
	"net/http"

	"github.com/tenhop/tenhop/middleware/httpmw"
	"google.golang.org/grpc"
)

func main() {
	_ = grpc.Version
	log.Fatal(http.ListenAndServe(":8080", httpmw.Handler(http.NotFoundHandler())))
}
`

// TestDependencyBudget builds consumers outside this workspace that import httpmw. The
// versions that a consumer requires must not move: docs/middleware/README.md names them.
func TestDependencyBudget(t *testing.T) {
	if testing.Short() {
		t.Skip("resolves modules")
	}
	for _, c := range []struct {
		name, source, require string
		modules               int
	}{
		{"plain", plainConsumer, "", maxModules},
		{"with grpc", grpcConsumer, "\tgoogle.golang.org/grpc v1.70.0\n", maxWithGRPC},
		{"with the oldest OpenTelemetry", plainConsumer, "\tgo.opentelemetry.io/otel v1.40.0\n\tgithub.com/prometheus/client_golang v1.20.5\n\tgithub.com/rs/zerolog v1.33.0\n", maxModules},
	} {
		t.Run(c.name, func(t *testing.T) {
			run := consume(t, c.source, c.require)
			for line := range strings.Lines(c.require) {
				path, version, _ := strings.Cut(strings.TrimSpace(line), " ")
				if v := run("list", "-m", "-f", "{{.Version}}", path); v[0] != version {
					t.Errorf("%s moved from %s to %s", path, version, v[0])
				}
			}
			modules := len(run("list", "-m", "-f", "{{.Path}}", "all"))
			linked := map[string]bool{}
			for _, m := range run("list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "github.com/tenhop/tenhop/middleware/httpmw") {
				linked[m] = true
			}
			t.Logf("%d modules, %d linked", modules, len(linked))
			if modules > c.modules || len(linked) > maxLinked {
				t.Errorf("the budget is %d modules, %d linked", c.modules, maxLinked)
			}
		})
	}
}

// consume makes a tidied module and returns what runs go in it.
func consume(t *testing.T, source, require string) func(args ...string) []string {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	mod := "module example.com/consumer\n\ngo 1.25.0\n\nrequire (\n\tgithub.com/tenhop/tenhop/middleware v0.1.0\n" + require +
		")\n\nreplace github.com/tenhop/tenhop/middleware => " + here + "\n"
	for name, content := range map[string]string{"main.go": source, "go.mod": mod} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) []string {
		t.Helper()
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, &stderr)
		}
		return strings.Fields(string(out))
	}
	run("mod", "tidy")
	return run
}
