package pullrequest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/tenhop/tenhop/internal/uptest"
)

// shop is a service whose repository has the workflow of docs/ci.md.
const shop = `package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/setup"
)

func main() {
	rt, err := setup.Start(context.Background(), "shop")
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /items/{item}", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(5 * time.Millisecond)
		_, _ = io.WriteString(w, r.PathValue("item")+": 7\n")
	})
	panic(http.ListenAndServe(os.Args[1], httpmw.Handler(mux, httpmw.WithTelemetry(rt.Telemetry))))
}
`

// TestWorkflow runs the steps of the workflow of docs/ci.md as they stand there, in a
// repository with a pull request that adds 20 ms and one that refactors. The workflow uses
// the usual ports, so that the test runs if they are free.
func TestWorkflow(t *testing.T) {
	if os.Getenv("TENHOP_WORKFLOW") == "" {
		t.Skip("set TENHOP_WORKFLOW=1: it builds and runs services for three minutes")
	}
	for _, at := range []string{"4317", "4318", "9101", "9201", "16686"} {
		l, err := net.Listen("tcp", "127.0.0.1:"+at)
		if err != nil {
			t.Skipf("SKIPPED: the workflow was not run: %v; in a network namespace of its own the ports are free", err)
		}
		l.Close()
	}
	steps := workflow(t)
	bin := filepath.Dir(uptest.Build(t))
	for _, c := range []struct {
		what     string
		old, new string
		code     int
	}{
		{"20 ms more", "\t\ttime.Sleep(5 * time.Millisecond)", "\t\ttime.Sleep(5 * time.Millisecond)\n\t\ttime.Sleep(20 * time.Millisecond)", 3},
		{"a refactoring", "\t\ttime.Sleep(5 * time.Millisecond)", "\t\twork := func() { time.Sleep(5 * time.Millisecond) }\n\t\twork()", 0},
	} {
		dir, base := repository(t, c.old, c.new)
		summary := filepath.Join(t.TempDir(), "summary.md")
		code := 0
		for _, s := range steps {
			// As at GitHub, what a step leaves running serves the next ones.
			cmd := exec.Command("bash", "-e", "-o", "pipefail", "-c", strings.ReplaceAll(s.Run, "${{ github.event.pull_request.base.sha }}", base))
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "GITHUB_STEP_SUMMARY="+summary, "GOWORK=off", "GOFLAGS=-mod=mod")
			for k, v := range s.Env {
				cmd.Env = append(cmd.Env, k+"="+v)
			}
			log, err := os.CreateTemp(t.TempDir(), "")
			if err != nil {
				t.Fatal(err)
			}
			cmd.Stdout, cmd.Stderr = log, log
			err = cmd.Run()
			said, _ := os.ReadFile(log.Name())
			log.Close()
			t.Logf("%s: %s: %v\n%s", c.what, s.Name, err, said)
			if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
				code = exit.ExitCode()
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		end(t, dir)
		if code != c.code {
			t.Errorf("%s: the workflow ended with %d, want %d", c.what, code, c.code)
		}
		if b, err := os.ReadFile(summary); err != nil || !strings.Contains(string(b), "shop") {
			t.Errorf("%s: the summary is %q, %v", c.what, b, err)
		}
		if b, err := os.ReadFile(filepath.Join(dir, "report.xml")); err != nil || strings.Contains(string(b), "<failure") != (c.code != 0) {
			t.Errorf("%s: the report is %q, %v", c.what, b, err)
		}
	}
}

type step struct {
	Name string
	Env  map[string]string
	Run  string
}

// workflow returns the steps of the workflow for GitHub that run commands.
func workflow(t *testing.T) (out []step) {
	t.Helper()
	page, err := os.ReadFile("../../docs/ci.md")
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile("(?s)```yaml\n(name: speed\n.*?)```").FindSubmatch(page)
	if code == nil {
		t.Fatal("docs/ci.md has no workflow")
	}
	var w struct {
		Jobs map[string]struct{ Steps []step }
	}
	if err := yaml.Unmarshal(code[1], &w); err != nil {
		t.Fatal(err)
	}
	for _, job := range w.Jobs {
		for _, s := range job.Steps {
			if s.Run != "" {
				out = append(out, s)
			}
		}
	}
	if len(out) < 3 {
		t.Fatalf("the workflow has the steps %+v", out)
	}
	return out
}

// repository makes a repository with the commit that a change is based on and the change.
func repository(t *testing.T, old, now string) (dir, base string) {
	t.Helper()
	root, err := filepath.Abs("../../middleware")
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	sums, err := os.ReadFile(filepath.Join(root, "setup", "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.ReadFile(filepath.Join(root, "setup", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	module := regexp.MustCompile(`(?m)^(module|replace) .*\n`).ReplaceAllString(string(own), "")
	module = fmt.Sprintf("module example.com/shop\n%s\nrequire github.com/tenhop/tenhop/middleware/setup v0.1.0\nreplace github.com/tenhop/tenhop/middleware => %s\nreplace github.com/tenhop/tenhop/middleware/setup => %s\n", module, root, filepath.Join(root, "setup"))
	write := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	git := func(args ...string) string {
		cmd := exec.Command("git", append([]string{"-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "core.hooksPath=/dev/null"}, args...)...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %s: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	write("go.mod", module)
	write("go.sum", string(sums))
	write("cmd/shop/main.go", shop)
	git("init", "-q")
	git("add", ".")
	git("commit", "-q", "-m", "shop: base")
	base = git("rev-parse", "HEAD")
	if !strings.Contains(shop, old) {
		t.Fatalf("%q is not in the service", old)
	}
	write("cmd/shop/main.go", strings.Replace(shop, old, now, 1))
	git("commit", "-q", "-a", "-m", "shop: change")
	return dir, base
}

// end ends the processes that the steps have left, which run in a directory: a runner does
// so after a job.
func end(t *testing.T, dir string) {
	t.Helper()
	at, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range at {
		if where, err := os.Readlink(link); err == nil && where == dir {
			_ = exec.Command("kill", filepath.Base(filepath.Dir(link))).Run()
		}
	}
}
