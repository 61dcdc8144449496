// Package kubecheck_test builds the kustomizations and checks each object against
// the Kubernetes API types, field by field.
package kubecheck_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// TestManifests fails on an unknown or mistyped field of any built-in object.
// Objects of the Prometheus operator have types of their own and are counted only.
func TestManifests(t *testing.T) {
	for _, overlay := range []string{"scaled", "discovery"} {
		t.Run(overlay, func(t *testing.T) { manifests(t, buildOverlay(t, overlay)) })
	}
}

func manifests(t *testing.T, objects resmap.ResMap) {
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	checked, custom := map[string]int{}, 0
	for _, o := range objects.Resources() {
		if o.GetGvk().Group == "monitoring.coreos.com" {
			custom++
			continue
		}
		content, err := o.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := decoder.Decode(content, nil, nil); err != nil {
			t.Errorf("%s %s: %v", o.GetKind(), o.GetName(), err)
		}
		checked[o.GetKind()]++
	}
	if checked["Deployment"] < 13 || checked["PodDisruptionBudget"] < 13 || checked["NetworkPolicy"] < 13 {
		t.Errorf("objects are missing: %v", checked)
	}
	t.Logf("checked %v, and %d of the Prometheus operator", checked, custom)
}

// build returns the output of `kubectl kustomize` for the overlay scaled.
func build(t *testing.T) resmap.ResMap { return buildOverlay(t, "scaled") }

func buildOverlay(t *testing.T, name string) resmap.ResMap {
	t.Helper()
	options := krusty.MakeDefaultOptions()
	options.LoadRestrictions = types.LoadRestrictionsNone // the collector's file lies at the root
	objects, err := krusty.MakeKustomizer(options).Run(filesys.MakeFsOnDisk(), "../kubernetes/overlays/"+name)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// TestServicesMayWatchEndpoints: with the overlay discovery, each service has a token, the role
// and the registry.
func TestServicesMayWatchEndpoints(t *testing.T) {
	services, roles := 0, 0
	for _, o := range buildOverlay(t, "discovery").Resources() {
		content, err := o.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		switch o.GetKind() {
		case "Deployment":
			services++
			for _, want := range []string{"automountServiceAccountToken: true", "value: kubernetes", "preStop:"} {
				if !strings.Contains(string(content), want) {
					t.Errorf("%s lacks %s", o.GetName(), want)
				}
			}
		case "Role", "RoleBinding":
			roles++
			if o.GetNamespace() != "tenhop" {
				t.Errorf("%s is in namespace %q", o.GetKind(), o.GetNamespace())
			}
		}
	}
	if services != 13 || roles != 2 {
		t.Errorf("%d services, %d roles", services, roles)
	}
}
