package deploy_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestImageRunsAsNobody: the last stage sets a numeric user, which Kubernetes can compare
// with runAsNonRoot, and the Go image follows patches.
func TestImageRunsAsNobody(t *testing.T) {
	content, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	stages := strings.Split(string(content), "\nFROM ")
	user := regexp.MustCompile(`(?m)^USER ([0-9]+):([0-9]+)$`).FindAllStringSubmatch(stages[len(stages)-1], -1)
	if len(user) != 1 || user[0][1] == "0" || user[0][2] == "0" {
		t.Errorf("the image runs as %v", user)
	}
	if m := regexp.MustCompile(`FROM golang:([0-9.]+)-`).FindStringSubmatch(string(content)); m == nil || strings.Count(m[1], ".") != 1 {
		t.Errorf("the Go image %v pins a patch, which gets no security fixes", m)
	}
}

// TestComposeServicesAreContained: the services of the storefront write nothing and have
// no rights. Nothing is privileged or reads the host.
func TestComposeServicesAreContained(t *testing.T) {
	var file struct {
		Services map[string]struct {
			Image       string
			User        string
			ReadOnly    bool     `yaml:"read_only"`
			CapDrop     []string `yaml:"cap_drop"`
			SecurityOpt []string `yaml:"security_opt"`
			Privileged  bool
			Network     string `yaml:"network_mode"`
			PID         string
			Ports       []string
			Volumes     []any
		}
	}
	read(t, "../docker-compose.yml", &file)
	own := 0
	for name, s := range file.Services {
		if strings.HasPrefix(s.Image, "tenhop/") {
			own++
			if !s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") || s.User != "" {
				t.Errorf("%s is not contained: %+v", name, s)
			}
		}
		if s.Privileged || s.Network == "host" || s.PID != "" {
			t.Errorf("%s has rights on the host", name)
		}
		for _, v := range s.Volumes {
			if text, ok := v.(string); ok && strings.Contains(text, "docker.sock") {
				t.Errorf("%s controls the container engine", name)
			}
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s publishes %s", name, p)
			}
		}
	}
	if own < 13 {
		t.Errorf("%d services use the image, want 13", own)
	}
}

// TestManifestsAreContained checks every pod template of the manifests.
func TestManifestsAreContained(t *testing.T) {
	files, err := filepath.Glob("kubernetes/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	type security struct {
		RunAsNonRoot             bool  `yaml:"runAsNonRoot"`
		RunAsUser                int64 `yaml:"runAsUser"`
		ReadOnlyRootFilesystem   bool  `yaml:"readOnlyRootFilesystem"`
		AllowPrivilegeEscalation *bool `yaml:"allowPrivilegeEscalation"`
		Privileged               bool
		Capabilities             struct{ Drop, Add []string }
	}
	pods := 0
	for _, path := range files {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		dec := yaml.NewDecoder(bytes.NewReader(content))
		for {
			var o struct {
				Kind     string
				Metadata struct{ Name string }
				Spec     struct {
					Template struct {
						Spec struct {
							HostNetwork     bool     `yaml:"hostNetwork"`
							HostPID         bool     `yaml:"hostPID"`
							SecurityContext security `yaml:"securityContext"`
							Containers      []struct {
								Name            string
								SecurityContext security `yaml:"securityContext"`
							}
							InitContainers []struct {
								Name            string
								SecurityContext security `yaml:"securityContext"`
							} `yaml:"initContainers"`
						}
					} `yaml:"template"`
				}
			}
			if err := dec.Decode(&o); errors.Is(err, io.EOF) {
				break
			} else if err != nil && !errors.As(err, new(*yaml.TypeError)) { // an object of another form has no pods
				t.Fatalf("%s: %v", path, err)
			}
			pod := o.Spec.Template.Spec
			if len(pod.Containers) == 0 {
				continue
			}
			pods++
			if !pod.SecurityContext.RunAsNonRoot || pod.HostNetwork || pod.HostPID {
				t.Errorf("%s: %s %s may run as root or sees the host", path, o.Kind, o.Metadata.Name)
			}
			for _, c := range append(pod.Containers, pod.InitContainers...) {
				s := c.SecurityContext
				if !s.ReadOnlyRootFilesystem || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.Privileged ||
					!slices.Contains(s.Capabilities.Drop, "ALL") || len(s.Capabilities.Add) > 0 {
					t.Errorf("%s: the container %s of %s is not contained: %+v", path, c.Name, o.Metadata.Name, s)
				}
			}
		}
	}
	if pods < 16 {
		t.Errorf("%d pod templates were checked, want 16", pods)
	}
}

func read(t *testing.T, path string, into any) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(content, into); err != nil {
		t.Fatal(err)
	}
}
