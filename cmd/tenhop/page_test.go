package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

//go:generate go test -run TestCommandPage -update .

var update = flag.Bool("update", false, "write docs/cli.md again")

const commandPage = "../../docs/cli.md"

// TestCommandPage keeps docs/cli.md what the commands say of themselves.
func TestCommandPage(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("# Command line\n\nWritten by `go generate ./cmd/tenhop` from the commands themselves.\n\n" +
		"Exit codes: 0 done, 1 failed, 2 wrong usage.\n")
	writePage(&b, newRootCmd())
	if *update {
		if err := os.WriteFile(commandPage, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(commandPage)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, b.Bytes()) {
		t.Error("docs/cli.md is not what the commands say; run go generate ./cmd/tenhop")
	}
}

func writePage(b *bytes.Buffer, cmd *cobra.Command) {
	if cmd.Runnable() {
		text := cmd.Long
		if text == "" {
			text = cmd.Short + "."
		}
		fmt.Fprintf(b, "\n## %s\n\n%s\n\n```\n%s\n```\n", cmd.CommandPath(), text, cmd.UseLine())
		if cmd.Example != "" {
			fmt.Fprintf(b, "\nExamples:\n\n```\n%s\n```\n", cmd.Example)
		}
		if flags := strings.TrimRight(cmd.NonInheritedFlags().FlagUsages()+cmd.InheritedFlags().FlagUsages(), "\n"); flags != "" {
			fmt.Fprintf(b, "\n```\n%s\n```\n", flags)
		}
	}
	for _, c := range cmd.Commands() {
		if !c.Hidden && c.Name() != "help" && c.Name() != "completion" {
			writePage(b, c)
		}
	}
}

// TestHelp holds every verb to an example.
func TestHelp(t *testing.T) {
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Runnable() && (cmd.Example == "" || cmd.Short == "") {
			t.Errorf("%s has no example or no description", cmd.CommandPath())
		}
		for _, c := range cmd.Commands() {
			walk(c)
		}
	}
	walk(newRootCmd())
}

func TestExitCodes(t *testing.T) {
	empty := t.TempDir()
	for _, c := range []struct {
		why  string
		args []string
		want int
	}{
		{"help is no failure", []string{"up", "--help"}, exitDone},
		{"a verb that does not exist", []string{"frobnicate"}, exitUsage},
		{"a flag that does not exist", []string{"up", "--frobnicate"}, exitUsage},
		{"a flag's value of the wrong type", []string{"up", "--rps", "many"}, exitUsage},
		{"replicas without a number", []string{"up", "--replicas", "payment"}, exitUsage},
		{"replicas of an unknown service", []string{"up", "--replicas", "paymint=2"}, exitUsage},
		{"a size without a number", []string{"up", "--trace-memory", "MiB"}, exitUsage},
		{"a service that does not exist", []string{"service", "paymint"}, exitUsage},
		{"a part that does not exist", []string{"stack", "jeager"}, exitUsage},
		{"an endpoint that does not exist", []string{"stack", "--listen", "jeager=127.0.0.1:1"}, exitUsage},
		{"a port that cannot be", []string{"stack", "--listen", "jaeger=127.0.0.1:99999"}, exitUsage},
		{"no kind of fault", []string{"chaos", "inject", "payment"}, exitUsage},
		{"two kinds of fault", []string{"chaos", "inject", "payment", "--latency", "1s", "--error", "503"}, exitUsage},
		{"neither a person nor the program answers", []string{"drill", "--auto", "--human"}, exitUsage},
		{"no request named", []string{"trace"}, exitUsage},
		{"not a trace ID", []string{"trace", "xyz", "--jaeger", "http://127.0.0.1:1"}, exitUsage},
		{"Jaeger does not answer", []string{"trace", "--slowest", "--jaeger", "http://127.0.0.1:1"}, exitFailed},
		{"nothing runs here: status", []string{"status", "--dir", empty}, exitFailed},
		{"nothing runs here: down", []string{"down", "--dir", empty}, exitFailed},
		{"nothing runs here: faults", []string{"chaos", "list", "--dir", empty}, exitFailed},
	} {
		t.Run(c.why, func(t *testing.T) {
			if got := run(t.Context(), c.args); got != c.want {
				t.Errorf("tenhop %s: exit code %d, want %d", strings.Join(c.args, " "), got, c.want)
			}
		})
	}
}
