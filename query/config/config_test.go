package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/query/config"
	"github.com/tenhop/tenhop/signals"
)

func read(t *testing.T, text string) (*config.File, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tenhop.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Read(path)
}

func TestRead(t *testing.T) {
	t.Setenv("T_PORT", "9090")
	t.Setenv("T_PASSWORD", `a: "b" # c`)
	_, err := read(t, `# the shop's
x: &auth {basic_auth: {username: me, password: "${T_PASSWORD}"}}
`)
	if err == nil || !strings.Contains(err.Error(), "line 2: there is no option x here") {
		t.Errorf("%v", err)
	}
	f, err := read(t, `backends:
  prometheus: &shared
    url: http://prometheus:${T_PORT}/base
    basic_auth: {username: "$${T_PORT}", password: "${T_PASSWORD}"}
    tenant: a|b
  tempo:
    <<: *shared
    url: http://tempo
labels: {service: app}
`)
	if err != nil {
		t.Fatal(err)
	}
	p, tempo := f.Backends.Prometheus, f.Backends.Tempo
	if p.URL != "http://prometheus:9090/base" || p.HTTP.BasicAuth.Username != "${T_PORT}" || p.HTTP.BasicAuth.Password != `a: "b" # c` || p.Tenant != "a|b" {
		t.Errorf("%+v %+v", p, p.HTTP.BasicAuth)
	}
	if tempo.URL != "http://tempo" || tempo.HTTP.BasicAuth == nil || f.Backends.Jaeger != nil || !slices.Equal(f.Labels["service"], signals.Names{"app"}) {
		t.Errorf("%+v, labels %v", tempo, f.Labels)
	}
	if !p.HTTP.ProxyFromEnvironment || !p.HTTP.FollowRedirects {
		t.Errorf("defaults %+v", p.HTTP)
	}
	for name, text := range map[string]string{"empty": "", "comment": "# nothing", "null": "backends:\n", "no options": "backends: {loki: }\nlabels:\n"} {
		if _, err := read(t, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Errors have the line and the option, and no value.
func TestErrors(t *testing.T) {
	for _, c := range []struct{ text, says string }{
		{"backends:\n  prometeus: {url: http://secret}", "line 2: there is no option prometeus here"},
		{"backends:\n  jaeger:\n    url: http://j\n    bearer_token_fil: secret", "line 4: there is no option bearer_token_fil here"},
		{"backends:\n  jaeger:\n    url: http://j\n    basic_auth: {user: secret}", "line 4: there is no option user here"},
		{"backends:\n  jaeger:\n    url: http://j\n    url: http://secret", "line 4: mapping key"},
		{"backends:\n  jaeger:\n    tls_config: secret", "line 3: "},
		{"backends:\n  jaeger:\n    follow_redirects: secret", "line 3: a str cannot be used here as bool"},
		{"backends:\n  loki:\n    url: secret:3100", "line 3: backends.loki: url must look like"},
		{"backends:\n  loki:\n    proxy_url: \"http://u:secret%zz@p\"", "line 3: backends.loki.proxy_url: not a valid URL"},
		{"backends:\n  loki:\n    bearer_token: secret\n    basic_auth: {username: secret}", "backends.loki: at most one of basic_auth"},
		{"backends:\n  loki:\n    tenant: ${T_UNSET}", "line 3: the environment variable T_UNSET is not set"},
		{"backends: [secret]", "line 1: "},
		{"secret", "line 1: "},
		{"backends: {}\n---\nlabels: {}", "more than one YAML document"},
		{"backends:\n\tloki: secret", "line 2: "},
		{"labels: {a: [secret]}", `line 1: labels: "a" is not known`},
	} {
		_, err := read(t, c.text)
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "tenhop.yaml") {
			t.Errorf("%q: error %v, want %q", c.text, err, c.says)
		}
		if err != nil && (strings.Contains(err.Error(), "config.") || strings.Contains(err.Error(), "struct")) {
			t.Errorf("%q: error %v names a Go type", c.text, err)
		}
	}
}

func TestMissingSecretFile(t *testing.T) {
	f, err := read(t, "backends:\n  loki:\n    url: http://l\n    authorization:\n      credentials_file: gone\n")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Client("loki"); err == nil || !strings.Contains(err.Error(), "line 5: credentials_file of backends.loki") {
		t.Errorf("%v", err)
	}
	if _, err := f.Client("tempo"); err != nil {
		t.Errorf("another back end: %v", err)
	}
}
