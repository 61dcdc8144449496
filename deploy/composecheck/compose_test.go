// Package composecheck_test compares docker-compose.yml with the pages that
// describe it and with the configurations that it mounts, using compose's own
// loader. It is a module of its own, because compose-go brings dependencies that
// nothing else needs.
package composecheck_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

const root = "../.."

var environment = []string{
	"POSTGRES_PASSWORD=a", "POSTGRES_SERVICE_PASSWORD=b", "GRAFANA_ADMIN_PASSWORD=c", "TENHOP_WATCH_TOKEN=d",
}

func load(t *testing.T, profiles ...string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yml")},
		cli.WithWorkingDirectory(root), cli.WithProfiles(profiles), cli.WithEnv(environment))
	if err != nil {
		t.Fatal(err)
	}
	p, err := options.LoadProject(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var storefront = []string{"gateway", "identity", "catalog", "cart", "checkout", "pricing", "loyalty",
	"inventory", "order", "payment", "fraud", "shipping", "notification"}

func TestProfiles(t *testing.T) {
	full, minimal := load(t, "full"), load(t, "minimal")
	for _, name := range append(slices.Clone(storefront), "load", "postgres", "valkey", "kafka",
		"otel-collector", "jaeger", "prometheus", "alertmanager", "watch") {
		for _, p := range []*types.Project{full, minimal} {
			if _, err := p.GetService(name); err != nil {
				t.Errorf("profile without %s: %v", name, err)
			}
		}
	}
	for _, name := range []string{"loki", "grafana"} {
		if _, err := full.GetService(name); err != nil {
			t.Errorf("full: %v", err)
		}
		if _, ok := minimal.Services[name]; ok {
			t.Errorf("minimal has %s", name)
		}
	}
}

// TestSearchProfile adds the search engine to the other profiles, and to them only.
func TestSearchProfile(t *testing.T) {
	plain := load(t, "full")
	if _, ok := plain.Services["opensearch"]; ok {
		t.Error("full has a search engine")
	}
	if url := plain.Services["catalog"].Environment["TENHOP_SEARCH"]; url == nil || *url != "" {
		t.Errorf("catalog searches in %v without being told", url)
	}
	for _, profile := range []string{"full", "minimal"} {
		without, with := load(t, profile), load(t, profile, "search")
		engine, ok := with.Services["opensearch"]
		if !ok || len(with.Services) != len(without.Services)+1 {
			t.Fatalf("%s with search has %d services, without it %d", profile, len(with.Services), len(without.Services))
		}
		if engine.MemLimit != 1024<<20 || len(engine.Ports) > 0 || !pinned.MatchString(engine.Image) || engine.HealthCheck == nil {
			t.Errorf("%s: %d bytes, ports %v, image %s", profile, engine.MemLimit, engine.Ports, engine.Image)
		}
	}
	example, err := os.ReadFile(filepath.Join(root, ".env.example"))
	if err != nil || !strings.Contains(string(example), "TENHOP_SEARCH=http://opensearch:9200\n") {
		t.Errorf(".env.example does not say where the engine is: %v", err)
	}
}

// TestMemory prints the sums that docker-compose.yml and the README state.
func TestMemory(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(root, "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for profile, want := range map[string]string{"full": "4,064 MiB", "minimal": "3,424 MiB"} {
		var sum int64
		for name, s := range load(t, profile).Services {
			if s.MemLimit == 0 {
				t.Errorf("%s has no memory limit", name)
			}
			sum += int64(s.MemLimit)
		}
		t.Logf("%s: memory limits sum to %d MiB", profile, sum>>20)
		if sum > 4<<30 {
			t.Errorf("%s: %d MiB is above 4 GiB", profile, sum>>20)
		}
		if strings.ReplaceAll(want, ",", "") != fmt.Sprintf("%d MiB", sum>>20) ||
			!strings.Contains(string(content), want) {
			t.Errorf("%s: the file's first lines say %s, the sum is %d MiB", profile, want, sum>>20)
		}
	}
}

var pinned = regexp.MustCompile(`^[a-z0-9./-]+:v?[0-9]+\.[0-9]+`)

func TestEveryServiceIsPinnedHealthyAndContained(t *testing.T) {
	published := []string{"gateway", "console", "jaeger", "prometheus", "grafana"}
	noProbe := []string{"otel-collector", "jaeger", "loki"} // no shell in the image, or nothing to ask
	for name, s := range load(t, "full").Services {
		if !pinned.MatchString(s.Image) {
			t.Errorf("%s: image %q is not pinned by version", name, s.Image)
		}
		if (s.HealthCheck == nil || s.HealthCheck.Disable) && !slices.Contains(noProbe, name) {
			t.Errorf("%s has no health check", name)
		}
		if len(s.Ports) > 0 && !slices.Contains(published, name) {
			t.Errorf("%s publishes a port", name)
		}
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s publishes %s beyond loopback", name, port.Published)
			}
		}
		if slices.Contains(storefront, name) && (!s.ReadOnly || !slices.Contains(s.CapDrop, "ALL")) {
			t.Errorf("%s can write its file system or has capabilities", name)
		}
		for dependency, d := range s.DependsOn {
			if d.Condition == types.ServiceConditionHealthy && slices.Contains(noProbe, dependency) {
				t.Errorf("%s waits for the health of %s, which has no check", name, dependency)
			}
		}
		for _, v := range s.Volumes {
			if v.Type != types.VolumeTypeBind {
				continue
			}
			if _, err := os.Stat(v.Source); err != nil {
				t.Errorf("%s mounts what is not there: %v", name, err)
			}
		}
	}
}

// TestDatabases compares the script that creates databases with the stores' DSNs.
func TestDatabases(t *testing.T) {
	script, err := os.ReadFile(filepath.Join(root, "deploy/postgres/init.sh"))
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(script), "for service in ")
	list, _, _ = strings.Cut(list, ";")
	have := strings.Fields(list)
	for name, s := range load(t, "full").Services {
		dsn := s.Environment["TENHOP_STORE"]
		if dsn == nil {
			continue
		}
		if !strings.HasPrefix(*dsn, "postgres://"+name+":") || !strings.Contains(*dsn, "/"+name+"?") {
			t.Errorf("%s uses a database or a role that is not its own: %s", name, *dsn)
		}
		if !slices.Contains(have, name) {
			t.Errorf("init.sh creates no database for %s", name)
		}
	}
}

// TestNoSecretIsWrittenDown fails if a password has a default.
func TestNoSecretIsWrittenDown(t *testing.T) {
	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yml")},
		cli.WithWorkingDirectory(root), cli.WithProfiles([]string{"full"}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := options.LoadProject(context.Background()); err == nil || !strings.Contains(err.Error(), ".env") {
		t.Errorf("without .env the file must not load and say what to do, got %v", err)
	}
}
