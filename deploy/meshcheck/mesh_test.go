// Package meshcheck_test checks the configurations of meshes against the API types of their
// owners, field by field.
package meshcheck_test

import (
	"os"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1"
	security "istio.io/api/security/v1"
	telemetry "istio.io/api/telemetry/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	gateway "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"
)

// object is a Kubernetes object.
type object struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Metadata   map[string]any `json:"metadata"`
	Spec       any            `json:"spec"`
	text       []byte
}

func read(t *testing.T, file string) (out []object) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range strings.Split(string(content), "\n---\n") {
		o := object{text: []byte(document)}
		if err := yaml.Unmarshal(o.text, &o); err != nil {
			t.Fatal(err)
		}
		out = append(out, o)
	}
	return out
}

// TestIstio fails on an unknown or mistyped field of a specification. Istio's messages are
// generated from those that its control plane reads.
func TestIstio(t *testing.T) {
	specs := map[string]func() proto.Message{
		"networking.istio.io/v1 VirtualService":   func() proto.Message { return new(networking.VirtualService) },
		"networking.istio.io/v1 DestinationRule":  func() proto.Message { return new(networking.DestinationRule) },
		"networking.istio.io/v1 Gateway":          func() proto.Message { return new(networking.Gateway) },
		"security.istio.io/v1 PeerAuthentication": func() proto.Message { return new(security.PeerAuthentication) },
		"telemetry.istio.io/v1 Telemetry":         func() proto.Message { return new(telemetry.Telemetry) },
	}
	checked := map[string]int{}
	drops := false
	for _, o := range read(t, "../mesh/istio.yaml") {
		kind := o.APIVersion + " " + o.Kind
		newOf, known := specs[kind]
		if !known {
			t.Errorf("%s is not checked", kind)
			continue
		}
		spec := newOf()
		b, err := yaml.Marshal(o.Spec)
		if err == nil {
			b, err = yaml.YAMLToJSON(b)
		}
		if err == nil {
			err = protojson.Unmarshal(b, spec)
		}
		if err != nil {
			t.Errorf("%s %v: %v", kind, o.Metadata["name"], err)
		}
		if v, ok := spec.(*networking.VirtualService); ok {
			for _, route := range v.Http {
				if route.Retries == nil || route.Retries.Attempts != 0 {
					t.Errorf("%v: the mesh retries, beside the services", o.Metadata["name"])
				}
				drops = drops || len(v.Gateways) > 0 && strings.Contains(route.GetHeaders().String(), "baggage")
			}
		}
		checked[kind]++
	}
	if !drops {
		t.Error("the edge does not drop baggage")
	}
	t.Logf("checked %v", checked)
}

// TestLinkerd fails on an unknown or mistyped field. Linkerd reads routes of the Gateway API.
func TestLinkerd(t *testing.T) {
	types := map[string]func() runtime.Object{
		"v1 Namespace":                           func() runtime.Object { return new(corev1.Namespace) },
		"gateway.networking.k8s.io/v1 HTTPRoute": func() runtime.Object { return new(gateway.HTTPRoute) },
	}
	checked := map[string]int{}
	drops := false
	for _, o := range read(t, "../mesh/linkerd.yaml") {
		kind := o.APIVersion + " " + o.Kind
		newOf, known := types[kind]
		if !known {
			t.Errorf("%s is not checked", kind)
			continue
		}
		typed := newOf()
		if err := yaml.UnmarshalStrict(o.text, typed); err != nil {
			t.Errorf("%s %v: %v", kind, o.Metadata["name"], err)
		}
		if r, ok := typed.(*gateway.HTTPRoute); ok {
			for _, rule := range r.Spec.Rules {
				for _, f := range rule.Filters {
					drops = drops || f.RequestHeaderModifier != nil && strings.Join(f.RequestHeaderModifier.Remove, " ") == "baggage"
				}
			}
		}
		checked[kind]++
	}
	if !drops {
		t.Error("the edge does not drop baggage")
	}
	t.Logf("checked %v", checked)
}
