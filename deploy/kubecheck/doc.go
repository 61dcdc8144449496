// Package kubecheck builds the kustomizations and holds each object to the
// Kubernetes API types, field by field.
package kubecheck
