// Package links slows the network between the storefront's processes with toxiproxy
// and diagnoses each situation: all outgoing links of a service, all incoming links of
// one, and one link only. It is a module of its own, so that the proxy stays out of
// the application's requirements.
package links
