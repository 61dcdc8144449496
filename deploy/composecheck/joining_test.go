package composecheck_test

import (
	"context"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
)

const joining = "deploy/compose/joining"

func loadJoining(t *testing.T) *types.Project {
	t.Helper()
	dir := filepath.Join(root, joining)
	options, err := cli.NewProjectOptions([]string{filepath.Join(dir, "compose.yaml")}, cli.WithWorkingDirectory(dir))
	if err != nil {
		t.Fatal(err)
	}
	p, err := options.LoadProject(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestStackProfile checks that the profile for other people's services has what they send
// to, and no service of the storefront.
func TestStackProfile(t *testing.T) {
	stack := load(t, "stack")
	var names []string
	for name, s := range stack.Services {
		names = append(names, name)
		for dependency := range s.DependsOn {
			if _, ok := stack.Services[dependency]; !ok {
				t.Errorf("%s depends on %s, which the profile has not", name, dependency)
			}
		}
	}
	slices.Sort(names)
	if want := []string{"alertmanager", "console", "jaeger", "otel-collector", "prometheus", "watch"}; !slices.Equal(names, want) {
		t.Errorf("profile stack has %v, want %v", names, want)
	}
	var sum int64
	for _, s := range stack.Services {
		sum += int64(s.MemLimit)
	}
	want := strconv.FormatFloat(float64(sum>>20)/1000, 'f', 3, 64)
	if want = strings.Replace(want, ".", ",", 1) + " MiB"; !strings.Contains(read(t, "docs/compose.md"), want) {
		t.Errorf("docs/compose.md does not say that the memory limits sum to %s", want)
	}
}

// TestJoining compares the example of other people's services with the stack that they
// join: the network, the address of the collector, and the scrape targets.
func TestJoining(t *testing.T) {
	stack, own := load(t, "stack"), loadJoining(t)
	network := own.Networks["tenhop"]
	if !bool(network.External) || network.Name != stack.Networks["tenhop"].Name {
		t.Errorf("the example joins %q (external %v), the stack makes %q", network.Name, bool(network.External), stack.Networks["tenhop"].Name)
	}
	ports := listening(t)
	for name, s := range own.Services {
		if _, taken := load(t, "full").Services[name]; taken {
			t.Errorf("%s has the name of a container of the stack", name)
		}
		if _, ok := s.Networks["tenhop"]; !ok {
			t.Errorf("%s is not in the network of the stack", name)
		}
		endpoint := s.Environment["OTEL_EXPORTER_OTLP_ENDPOINT"]
		if endpoint == nil {
			t.Errorf("%s sends no telemetry", name)
			continue
		}
		u, err := url.Parse(*endpoint)
		if err != nil {
			t.Fatal(err)
		}
		port, _ := strconv.Atoi(u.Port())
		if _, ok := stack.Services[u.Hostname()]; !ok || !slices.Contains(ports[u.Hostname()], port) {
			t.Errorf("%s sends to %s, where nothing of the stack listens", name, *endpoint)
		}
		if v := s.Environment["OTEL_RESOURCE_ATTRIBUTES"]; v == nil || !strings.Contains(*v, "service.version=") {
			t.Errorf("%s has no version", name)
		}
	}

	for _, scrape := range targets(t, filepath.Join(root, joining, "targets.yaml")) {
		for _, d := range scrape.ServiceDiscoveryConfigs {
			static, ok := d.(discovery.StaticConfig)
			if !ok {
				t.Fatalf("job %s has targets of another kind: %T", scrape.JobName, d)
			}
			for _, g := range static {
				for _, target := range g.Targets {
					host, port, err := net.SplitHostPort(string(target[model.AddressLabel]))
					if err != nil {
						t.Fatal(err)
					}
					if s, ok := own.Services[host]; !ok || !slices.Contains(s.Expose, port) || scrape.JobName != host {
						t.Errorf("target %s:%s of job %q: the example has no such service and port", host, port, scrape.JobName)
					}
				}
			}
		}
	}
}

// targets reads a file of scrape targets beside prometheus.yaml, as Prometheus does, and
// returns the jobs that it adds.
func targets(t *testing.T, file string) []*config.ScrapeConfig {
	t.Helper()
	path, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	load := func(files string) []*config.ScrapeConfig {
		text := strings.Replace(read(t, "deploy/prometheus/prometheus.yaml"), targetFiles, files, 1)
		cfg, err := config.Load(text, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		jobs, err := cfg.GetScrapeConfigs()
		if err != nil {
			t.Fatal(err)
		}
		return jobs
	}
	known := map[string]bool{}
	for _, j := range load("[]") {
		known[j.JobName] = true
	}
	jobs := slices.DeleteFunc(load("["+path+"]"), func(j *config.ScrapeConfig) bool { return known[j.JobName] })
	if len(jobs) != 2 {
		t.Errorf("%s adds %d jobs, want one for each service", file, len(jobs))
	}
	return jobs
}

// targetFiles holds the settings of prometheus.yaml for files of scrape targets.
const targetFiles = "[/etc/prometheus/targets/*.yaml]"

// TestTargetsFolderIsRead checks that the folder that Prometheus reads is mounted, and read
// again after a change.
func TestTargetsFolderIsRead(t *testing.T) {
	if !strings.Contains(read(t, "deploy/prometheus/prometheus.yaml"), "scrape_config_files: "+targetFiles) {
		t.Errorf("prometheus.yaml does not read %s", targetFiles)
	}
	s := load(t, "stack").Services["prometheus"]
	if !strings.Contains(strings.Join(s.Command, " "), "auto-reload-config") {
		t.Error("Prometheus does not reload its files")
	}
	for _, v := range s.Volumes {
		if v.Type == types.VolumeTypeBind && v.Target == "/etc/prometheus/targets" && strings.HasSuffix(v.Source, "deploy/prometheus/targets") {
			return
		}
	}
	t.Error("deploy/prometheus/targets is not mounted")
}
