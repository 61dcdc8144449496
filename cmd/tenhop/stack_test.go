package main

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/supervisor"
)

// TestSecondStack: a directory has one stack, and the second that is started
// there ends before it opened a port or made a file.
func TestSecondStack(t *testing.T) {
	dir := t.TempDir()
	d, err := supervisor.In(dir)
	if err != nil {
		t.Fatal(err)
	}
	hold, err := d.Hold()
	if err != nil {
		t.Fatal(err)
	}
	before := files(t, dir)
	err = runCommand(t, "stack", "otlp", "--dir", dir, "--listen", "otlp_grpc=127.0.0.1:0,otlp_http=127.0.0.1:0")
	var held *supervisor.HeldError
	if !errors.As(err, &held) || held.PID != os.Getpid() {
		t.Errorf("the second stack says %v", err)
	}
	if after := files(t, dir); after != before {
		t.Errorf("the second stack left\n%s\nwhere there was\n%s", after, before)
	}
	if err := hold.Release(); err != nil {
		t.Error(err)
	}
}

// TestListenTaken: a port that was asked for is had, or the stack does not start.
func TestListenTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, endpoint := range []string{"otlp_grpc", "console"} {
		part := strings.TrimSuffix(endpoint, "_grpc")
		err := runCommand(t, "stack", part, "--dir", t.TempDir(), "--listen", "otlp_http=127.0.0.1:0", "--listen", endpoint+"="+l.Addr().String())
		if err == nil || !strings.Contains(err.Error(), l.Addr().String()+": another program listens there; end it, or name another port") {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
}

// runCommand runs a command line whose failure is expected.
func runCommand(t *testing.T, args ...string) error {
	t.Helper()
	root := newRootCmd()
	root.SetOut(io.Discard)
	root.SetArgs(args)
	return root.ExecuteContext(t.Context())
}

func files(t *testing.T, dir string) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		all = append(all, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, "\n")
}
