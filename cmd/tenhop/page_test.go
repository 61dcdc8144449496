package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/tenhop/tenhop/supervisor"
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
		if !c.Hidden && c.Name() != "help" {
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
		{"a verb of a group that does not exist", []string{"chaos", "injct"}, exitUsage},
		{"a group without a verb is help", []string{"slo"}, exitDone},
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

// TestUsageErrors: what is wrong comes first, then how the command is called.
func TestUsageErrors(t *testing.T) {
	for args, want := range map[string]string{
		"chaos inject":       "tenhop: accepts 1 arg(s), received 0\nusage: tenhop chaos inject SERVICE [flags]\nSee `tenhop chaos inject --help`.\n",
		"chaos injct":        "tenhop: unknown command \"injct\" for \"tenhop chaos\"\nusage: tenhop chaos COMMAND [flags]\nSee `tenhop chaos --help`.\n",
		"up --replicas x":    "tenhop: --replicas \"x\": must be SERVICE=NUMBER, such as payment=3\nusage: tenhop up [flags]\nSee `tenhop up --help`.\n",
		"diagnose --sinc 5m": "tenhop: unknown flag: --sinc\nusage: tenhop diagnose [flags]\nSee `tenhop diagnose --help`.\n",
		"frobnicate":         "tenhop: unknown command \"frobnicate\" for \"tenhop\"\nusage: tenhop COMMAND [flags]\nSee `tenhop --help`.\n",
	} {
		var b strings.Builder
		if code := runTo(t.Context(), &b, strings.Fields(args)); code != exitUsage || b.String() != want {
			t.Errorf("tenhop %s: %d\n%s\nwant\n%s", args, code, b.String(), want)
		}
	}
}

// TestAfterInject: the hint fits what the diagnosis will see.
func TestAfterInject(t *testing.T) {
	now := time.Now()
	early, late := now.Add(-20*time.Second), now.Add(-10*time.Minute)
	for _, c := range []struct {
		ready   *time.Time
		lasting time.Duration
		want    string
	}{
		{&late, 2 * time.Minute, "ask `tenhop diagnose` in about 15 s"},
		{&late, 10 * time.Second, "over before a diagnosis is sure to see it"},
		{&early, 2 * time.Minute, "has not run for 1m0s yet"},
		{nil, 2 * time.Minute, "has not run for 1m0s yet"},
	} {
		if got := afterInject(supervisor.State{ReadyAt: c.ready}, c.lasting, now); !strings.Contains(got, c.want) {
			t.Errorf("%v, %v: %q, want %q", c.ready, c.lasting, got, c.want)
		}
	}
}
