package composecheck_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// read returns a file of the repository.
func read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// endpoints collects the ports of a collector-like configuration: the values of
// `endpoint` below the receivers and extensions, and of any `port`.
func endpoints(t *testing.T, file string) []int {
	t.Helper()
	var all map[string]any
	if err := yaml.Unmarshal([]byte(read(t, file)), &all); err != nil {
		t.Fatal(err)
	}
	var ports []int
	var walk func(key string, v any)
	walk = func(key string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, x := range v {
				walk(k, x)
			}
		case []any:
			for _, x := range v {
				walk(key, x)
			}
		case int:
			if key == "port" {
				ports = append(ports, v)
			}
		case string:
			if host, port, ok := strings.Cut(v, ":"); ok && key == "endpoint" && host == "0.0.0.0" {
				n, err := strconv.Atoi(port)
				if err != nil {
					t.Fatalf("%s: %q", file, v)
				}
				ports = append(ports, n)
			}
		}
	}
	walk("", all)
	return ports
}

var lokiPort = regexp.MustCompile(`http_listen_port: (\d+)`)

// listening returns the ports on which each container listens, from its
// configuration, or from the defaults of its image, which are listed here.
func listening(t *testing.T) map[string][]int {
	t.Helper()
	p := load(t, "full")
	ports := map[string][]int{
		"otel-collector": endpoints(t, "otel-collector.yaml"),
		"jaeger":         endpoints(t, "deploy/jaeger/config.yaml"),
		"prometheus":     {9090}, // --web.listen-address
		"alertmanager":   {9093}, // --web.listen-address
		"grafana":        {3000}, // GF_SERVER_HTTP_PORT
		"postgres":       {5432}, // PGPORT
		"valkey":         {6379}, // --port
		"console":        {8000}, // --listen
		"watch":          {9099}, // --listen
	}
	m := lokiPort.FindStringSubmatch(read(t, "deploy/loki/loki.yaml"))
	if m == nil {
		t.Fatal("loki.yaml names no port")
	}
	for _, name := range storefront {
		ports[name] = []int{8080, 9464} // TENHOP_LISTEN, TENHOP_ADMIN_LISTEN
	}
	n, _ := strconv.Atoi(m[1])
	ports["loki"] = []int{n}
	for _, listener := range strings.Split(*p.Services["kafka"].Environment["KAFKA_LISTENERS"], ",") {
		n, err := strconv.Atoi(listener[strings.LastIndex(listener, ":")+1:])
		if err != nil {
			t.Fatalf("KAFKA_LISTENERS: %q", listener)
		}
		ports["kafka"] = append(ports["kafka"], n)
	}
	return ports
}

// TestAddressesAgree finds every host:port in the compose file and the mounted
// configurations: the host is a container and listens there.
func TestAddressesAgree(t *testing.T) {
	ports := listening(t)
	var names []string
	for name := range ports {
		names = append(names, name)
	}
	address := regexp.MustCompile(`(?:^|[^\w.-])(` + strings.Join(names, "|") + `):(\d+)\b`)
	found := 0
	for _, file := range []string{"docker-compose.yml", "otel-collector.yaml", "deploy/prometheus/prometheus.yaml",
		"deploy/jaeger/config.yaml", "deploy/loki/loki.yaml", "deploy/alertmanager/alertmanager.yaml",
		"deploy/grafana/provisioning/datasources/tenhop.yaml"} {
		for _, line := range strings.Split(read(t, file), "\n") {
			if strings.Contains(line, "image:") {
				continue
			}
			for _, m := range address.FindAllStringSubmatch(line, -1) {
				port, _ := strconv.Atoi(m[2])
				found++
				if !slices.Contains(ports[m[1]], port) {
					t.Errorf("%s: %s:%d, but %s listens on %v", file, m[1], port, m[1], ports[m[1]])
				}
			}
		}
	}
	t.Logf("%d addresses checked", found)
	if found < 25 {
		t.Errorf("only %d addresses were found", found)
	}
}

var (
	asked     = regexp.MustCompile(`(?:localhost|127\.0\.0\.1):(\d+)`)
	published = regexp.MustCompile(`http://127\.0\.0\.1:(\d+)`)
)

// TestHealthChecksAskWhereTheServerListens also covers published ports.
func TestHealthChecksAskWhereTheServerListens(t *testing.T) {
	ports := listening(t)
	for name, s := range load(t, "full").Services {
		if s.HealthCheck != nil {
			for _, m := range asked.FindAllStringSubmatch(strings.Join(s.HealthCheck.Test, " "), -1) {
				if port, _ := strconv.Atoi(m[1]); !slices.Contains(ports[name], port) {
					t.Errorf("%s's health check asks port %d; it listens on %v", name, port, ports[name])
				}
			}
		}
		for _, p := range s.Ports {
			if !slices.Contains(ports[name], int(p.Target)) {
				t.Errorf("%s publishes port %d; it listens on %v", name, p.Target, ports[name])
			}
		}
	}
}

// TestPagesNameWhatIsPublished compares the addresses in the pages with the ports of
// the compose file.
func TestPagesNameWhatIsPublished(t *testing.T) {
	var open []string
	for _, s := range load(t, "full").Services {
		for _, p := range s.Ports {
			open = append(open, p.Published)
		}
	}
	_, compose, ok := strings.Cut(read(t, "docs/stack.md"), "## Docker Compose")
	if !ok {
		t.Fatal("docs/stack.md has no section Docker Compose")
	}
	compose, _, _ = strings.Cut(compose, "\n## ")
	for file, text := range map[string]string{"docs/stack.md": compose, "deploy/alertmanager/tenhop.tmpl": read(t, "deploy/alertmanager/tenhop.tmpl")} {
		for _, m := range published.FindAllStringSubmatch(text, -1) {
			if !slices.Contains(open, m[1]) {
				t.Errorf("%s names port %s, which is not published: %v", file, m[1], open)
			}
		}
	}
	for _, port := range open {
		if !strings.Contains(compose, "127.0.0.1:"+port) {
			t.Errorf("docs/stack.md does not say what is at port %s", port)
		}
	}
	for _, sum := range []string{"4,064 MiB", "3,424 MiB"} { // TestMemory adds them up
		for _, file := range []string{"README.md", "docs/stack.md"} {
			if !strings.Contains(read(t, file), sum) {
				t.Errorf("%s does not state the memory limits' sum %s", file, sum)
			}
		}
	}
}

// TestTheEnvironmentFileIsComplete: every variable that the compose file needs
// is in .env.example, and nothing there is without effect.
func TestTheEnvironmentFileIsComplete(t *testing.T) {
	compose, example := read(t, "docker-compose.yml"), read(t, ".env.example")
	used := map[string]bool{}
	for _, m := range regexp.MustCompile(`\$\{(\w+)(:\?)?`).FindAllStringSubmatch(compose, -1) {
		used[m[1]] = true
		if m[2] != "" && !regexp.MustCompile(`(?m)^`+m[1]+`=.+`).MatchString(example) {
			t.Errorf(".env.example lacks %s, without which the file does not load", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^(?:# )?([A-Z_]+)=`).FindAllStringSubmatch(example, -1) {
		if !used[m[1]] {
			t.Errorf(".env.example sets %s, which docker-compose.yml does not read", m[1])
		}
	}
	t.Log(fmt.Sprintf("%d variables", len(used)))
}
