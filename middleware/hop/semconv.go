package hop

import semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

// SchemaURL is that of the semantic conventions in use. This file is the only
// one of the library that imports them: one line moves all adapters.
const SchemaURL = semconv.SchemaURL

// Attribute keys of the semantic conventions that the adapters set.
const (
	AttrHTTPMethod         = semconv.HTTPRequestMethodKey
	AttrHTTPMethodOriginal = semconv.HTTPRequestMethodOriginalKey
	AttrHTTPRoute          = semconv.HTTPRouteKey
	AttrHTTPStatus         = semconv.HTTPResponseStatusCodeKey
	AttrURLScheme          = semconv.URLSchemeKey
	AttrURLPath            = semconv.URLPathKey
	AttrURLFull            = semconv.URLFullKey
	AttrServerAddress      = semconv.ServerAddressKey
	AttrServerPort         = semconv.ServerPortKey
	AttrClientAddress      = semconv.ClientAddressKey
	AttrUserAgent          = semconv.UserAgentOriginalKey
	AttrProtocolVersion    = semconv.NetworkProtocolVersionKey
	AttrErrorType          = semconv.ErrorTypeKey
)

// Attributes of ours.
const (
	// CorrelationKey is the span attribute and the log field of the correlation ID.
	CorrelationKey = "correlation_id"

	attrSelf       = "hop.self_ms"
	attrDependency = "hop.dependency"
)
