package wire

import (
	"net/url"
	"os"
	"strings"
)

// ServiceName returns the service's name in the environment: OTEL_SERVICE_NAME, then
// service.name in OTEL_RESOURCE_ATTRIBUTES. It returns "" when neither is set.
func ServiceName() string {
	if name := os.Getenv("OTEL_SERVICE_NAME"); name != "" {
		return name
	}
	for member := range strings.SplitSeq(os.Getenv("OTEL_RESOURCE_ATTRIBUTES"), ",") {
		key, value, _ := strings.Cut(member, "=")
		if strings.TrimSpace(key) != "service.name" {
			continue
		}
		value = strings.TrimSpace(value)
		if plain, err := url.PathUnescape(value); err == nil {
			return plain
		}
		return value
	}
	return ""
}
