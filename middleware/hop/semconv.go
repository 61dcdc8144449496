package hop

import (
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

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

// Attribute keys of the semantic conventions for RPC, messaging and databases.
const (
	AttrRPCSystem          = semconv.RPCSystemNameKey
	AttrRPCMethod          = semconv.RPCMethodKey
	AttrRPCStatus          = semconv.RPCResponseStatusCodeKey
	AttrMessagingSystem    = semconv.MessagingSystemKey
	AttrMessagingTopic     = semconv.MessagingDestinationNameKey
	AttrMessagingTemplate  = semconv.MessagingDestinationTemplateKey
	AttrMessagingTemporary = semconv.MessagingDestinationTemporaryKey
	AttrMessagingAnonymous = semconv.MessagingDestinationAnonymousKey
	AttrMessagingPartition = semconv.MessagingDestinationPartitionIDKey
	AttrMessagingOperation = semconv.MessagingOperationNameKey
	AttrMessagingType      = semconv.MessagingOperationTypeKey
	AttrMessagingGroup     = semconv.MessagingConsumerGroupNameKey
	AttrMessagingBatch     = semconv.MessagingBatchMessageCountKey
	AttrKafkaOffset        = semconv.MessagingKafkaOffsetKey
	AttrRabbitMQKey        = semconv.MessagingRabbitMQDestinationRoutingKeyKey
	AttrRabbitMQTag        = semconv.MessagingRabbitMQMessageDeliveryTagKey
	AttrDBSystem           = semconv.DBSystemNameKey
	AttrDBOperation        = semconv.DBOperationNameKey
)

// AttrPeerService is the logical name of what a call goes to. Trace stores draw
// dependencies from it; its successor service.peer.name they do not know yet.
const AttrPeerService = attribute.Key("peer.service")

// Attributes of ours.
const (
	// CorrelationKey is the span attribute and the log field of the correlation ID.
	CorrelationKey = "correlation_id"

	attrSelf = "hop.self_ms"
)
