// Package discoverytest provides registries for tests: a Consul agent, a DNS server and the
// part of Kubernetes' API that serves EndpointSlices.
package discoverytest
