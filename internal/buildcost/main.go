// Command buildcost measures what the first build of tenhop costs: it builds with an empty
// cache of its own and prints the processor time of compiler and linker by module, with
// who imports it. The cache is removed afterwards.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

func main() {
	target := flag.String("package", "github.com/tenhop/tenhop/cmd/tenhop", "package to build")
	rows := flag.Int("rows", 40, "modules to print")
	sizes := flag.Bool("sizes", false, "do not build: compare the sizes of the packages' Go files instead")
	flag.Parse()
	if err := run(*target, *rows, *sizes, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "buildcost:", err)
		os.Exit(1)
	}
}

func run(target string, rows int, sizes bool, out io.Writer) error {
	g, err := list(target)
	if err != nil {
		return err
	}
	cost, unit := g.sizes(), "MB"
	if !sizes {
		unit = "s"
		began := time.Now()
		if cost, err = build(target); err != nil {
			return err
		}
		fmt.Fprintf(out, "built in %s on %d processors\n", time.Since(began).Round(time.Second), runtime.NumCPU())
	}
	return g.print(out, cost, unit, rows)
}

// build builds a package with an empty cache. It returns the processor seconds by package;
// the linker's are those of "link".
func build(target string) (map[string]float64, error) {
	dir, err := os.MkdirTemp("", "buildcost-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	graph := filepath.Join(dir, "graph.json")
	cmd := exec.Command("go", "build", "-debug-actiongraph="+graph, "-o", filepath.Join(dir, "program"), target)
	cmd.Env = append(os.Environ(), "GOCACHE="+filepath.Join(dir, "cache"))
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("go build: %w", err)
	}
	content, err := os.ReadFile(graph)
	if err != nil {
		return nil, err
	}
	return costs(content)
}

// costs reads the graph of actions that the Go command has written.
func costs(graph []byte) (map[string]float64, error) {
	var actions []struct {
		Mode, Package   string
		CmdUser, CmdSys time.Duration
	}
	if err := json.Unmarshal(graph, &actions); err != nil {
		return nil, err
	}
	out := map[string]float64{}
	for _, a := range actions {
		name := a.Package
		if a.Mode == "link" {
			name = "link"
		}
		out[name] += (a.CmdUser + a.CmdSys).Seconds()
	}
	if len(out) == 0 {
		return nil, errors.New("the graph has no actions")
	}
	return out, nil
}
