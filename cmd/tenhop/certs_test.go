package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/services"
	"github.com/tenhop/tenhop/services/runtime"
)

func TestCerts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "certs")
	path := func(name string) string { return filepath.Join(dir, name) }
	if code := run(t.Context(), []string{"certs", "--dir", dir, "--host", "10.0.0.7"}); code != exitDone {
		t.Fatalf("exit code %d", code)
	}
	for _, name := range services.Names() {
		if _, err := runtime.ReadCertificates(path("ca.pem"), path(name+".pem"), path(name+"-key.pem")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		info, err := os.Stat(path(name + "-key.pem"))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the key of %s: %v %v", name, info, err)
		}
	}
	read := func(name string) string {
		b, err := os.ReadFile(path(name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	before := map[string]string{"ca.pem": read("ca.pem"), "payment.pem": read("payment.pem"), "fraud.pem": read("fraud.pem")}
	if code := run(t.Context(), []string{"certs", "--dir", dir, "payment"}); code != exitDone {
		t.Fatalf("a second call: exit code %d", code)
	}
	for name, same := range map[string]bool{"ca.pem": true, "payment.pem": false, "fraud.pem": true} {
		if (read(name) == before[name]) != same {
			t.Errorf("%s: kept %v, want %v", name, !same, same)
		}
	}
	for _, c := range []struct {
		why   string
		spoil func() error
		args  []string
		code  int
		says  string
	}{
		{"an unknown service", func() error { return nil }, []string{"shop"}, exitUsage, "there is no service"},
		{"a link to another file", func() error {
			victim := filepath.Join(t.TempDir(), "victim")
			_ = os.Remove(path("ca.pem"))
			return os.Symlink(victim, path("ca.pem"))
		}, nil, exitFailed, "escapes"},
		{"half an authority", func() error { return os.Remove(path("ca.pem")) }, nil, exitFailed, "remove the other one"},
	} {
		if err := c.spoil(); err != nil {
			t.Fatal(err)
		}
		var said bytes.Buffer
		if code := runTo(t.Context(), &said, append([]string{"certs", "--dir", dir}, c.args...)); code != c.code || !strings.Contains(said.String(), c.says) {
			t.Errorf("%s: exit code %d: %s", c.why, code, said.String())
		}
	}
}
