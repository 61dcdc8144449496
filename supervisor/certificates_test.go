package supervisor

import (
	"os"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/services"
	"github.com/tenhop/tenhop/services/runtime"
)

// TestCertificates: every service gets its own certificate, only the owner can read the
// files, and the key of the authority is in none of them.
func TestCertificates(t *testing.T) {
	dir, err := In(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // a second run replaces the files of the first
		p, err := newPlanFor(t, Config{MTLS: true, FreePorts: true}, dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, process := range p.processes {
			env := map[string]string{}
			for _, kv := range process.Env {
				if name, value, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "TENHOP_TLS_") {
					env[name] = value
				}
			}
			if process.Stage != StageService {
				if len(env) > 0 {
					t.Errorf("%s gets %v", process.Name, env)
				}
				continue
			}
			if _, err := runtime.ReadCertificates(env["TENHOP_TLS_CA"], env["TENHOP_TLS_CERT"], env["TENHOP_TLS_KEY"]); err != nil {
				t.Errorf("%s: %v", process.Name, err)
			}
		}
	}
	files, err := os.ReadDir(dir.Path("certs"))
	if err != nil {
		t.Fatal(err)
	}
	if want := 2*len(services.Names()) + 1; len(files) != want {
		t.Errorf("%d files, want %d: no key of the authority", len(files), want)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %s", f.Name(), info.Mode())
		}
	}
}

func TestNoCertificatesWithoutTheFlag(t *testing.T) {
	dir, err := In(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPlanFor(t, Config{FreePorts: true}, dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, process := range p.processes {
		if strings.Contains(strings.Join(process.Env, "\n"), "TENHOP_TLS_") {
			t.Errorf("%s has TLS", process.Name)
		}
	}
	if _, err := os.Stat(dir.Path("certs")); err == nil {
		t.Error("certificates are written")
	}
}

// newPlanFor returns a plan whose sockets the test closes.
func newPlanFor(t *testing.T, cfg Config, dir Dir) (*plan, error) {
	t.Helper()
	if err := dir.Make(); err != nil {
		return nil, err
	}
	p, err := newPlan(cfg, dir, "token")
	if err == nil {
		p.close()
	}
	return p, err
}
