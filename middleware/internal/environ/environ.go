// Package environ reads the service's name from OpenTelemetry's environment variables.
package environ

import (
	"cmp"
	"net/url"
	"os"
	"strings"
)

// ServiceName returns service.name: OTEL_SERVICE_NAME, then service.name of
// OTEL_RESOURCE_ATTRIBUTES, then program
// (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
func ServiceName(program string) string {
	return cmp.Or(strings.TrimSpace(os.Getenv("OTEL_SERVICE_NAME")), resourceAttribute("service.name"), program)
}

// resourceAttribute returns an attribute of OTEL_RESOURCE_ATTRIBUTES, or "". The last one
// of a key counts, as in the SDK.
func resourceAttribute(key string) string {
	var value string
	for member := range strings.SplitSeq(os.Getenv("OTEL_RESOURCE_ATTRIBUTES"), ",") {
		k, v, _ := strings.Cut(member, "=")
		if strings.TrimSpace(k) != key {
			continue
		}
		if decoded, err := url.PathUnescape(strings.TrimSpace(v)); err == nil {
			value = decoded
		}
	}
	return value
}
