// Command up builds tenhop and runs `tenhop up`. Unlike `go run ./cmd/tenhop up`, it says
// what the first build does and how long it will take. It imports the standard library
// only, so that it is itself built within seconds.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const (
	target  = "github.com/tenhop/tenhop/cmd/tenhop"
	program = "tenhop" // in the current directory; git ignores it
)

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "up:", err)
		os.Exit(1)
	}
}

// run builds the program and replaces this process by it. It returns after a failure only.
func run(args []string, out io.Writer) error {
	pending, err := stale()
	if err != nil {
		return err
	}
	if err := build(pending, out); err != nil {
		return err
	}
	path, err := filepath.Abs(program)
	if err != nil {
		return err
	}
	return syscall.Exec(path, append([]string{path, "up"}, args...), os.Environ())
}

// stale returns the packages that must be compiled, with the size of their Go files in
// bytes.
func stale() (map[string]int64, error) {
	const format = `{{if .Stale}}{{.ImportPath}}{{"\t"}}{{.Dir}}{{range .GoFiles}}{{"\t"}}{{.}}{{end}}{{end}}`
	list := exec.Command("go", "list", "-deps", "-f", format, target)
	list.Stderr = os.Stderr
	found, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w; run this in a clone of the repository, with Go 1.26", err)
	}
	return sizes(string(found)), nil
}

// sizes reads lines of an import path, a directory and the names of files.
func sizes(list string) map[string]int64 {
	out := map[string]int64{}
	for line := range strings.Lines(list) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		if len(fields) < 2 {
			continue
		}
		out[fields[0]] = 1
		for _, file := range fields[2:] {
			if info, err := os.Stat(filepath.Join(fields[1], file)); err == nil {
				out[fields[0]] += info.Size()
			}
		}
	}
	return out
}

// few is the number of packages that are compiled within seconds: an edit and what imports it.
const few = 60

// build builds the program and prints progress if many packages are pending.
func build(pending map[string]int64, out io.Writer) error {
	p := newProgress(pending, time.Now())
	if len(pending) > few {
		fmt.Fprintf(out, `building ./%s: %d packages, %.0f MB of Go, on %d processors. This is done once; the
next start takes seconds. The largest are SQLite in Go, Prometheus and the Kafka client.
Two idle processors took two to six minutes, a busy machine sixteen. What is left is
estimated from what is done, by the size of the packages.
`, program, len(pending), float64(p.total)/1e6, runtime.NumCPU())
	}
	cmd := exec.Command("go", "build", "-v", "-ldflags=-s -w", "-o", program, target)
	cmd.Stdout = os.Stdout
	said, err := cmd.StderrPipe() // -v names the packages there, as they are begun
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(said); s.Scan(); {
			lines <- s.Text()
		}
	}()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for open := true; open; {
		var line string
		select {
		case line, open = <-lines:
			if open && !p.compiled(line) && !strings.HasPrefix(line, "go: downloading") {
				fmt.Fprintln(out, line) // an error of the compiler
			}
		case now := <-tick.C:
			if len(pending) > few {
				fmt.Fprintln(out, p.at(now))
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("go build: %w", err)
	}
	if len(pending) > few {
		fmt.Fprintf(out, "built in %s\n", time.Since(p.began).Round(time.Second))
	}
	return nil
}

// interval is the time between two lines of progress.
const interval = 15 * time.Second
