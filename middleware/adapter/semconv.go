package adapter

import (
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.39.0"
)

// SchemaURL is the schema URL of the semantic conventions in use. All adapters use
// this version.
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
	AttrDBNamespace        = semconv.DBNamespaceKey
	AttrDBOperation        = semconv.DBOperationNameKey
	AttrDBBatchSize        = semconv.DBOperationBatchSizeKey
	AttrDBCollection       = semconv.DBCollectionNameKey
	AttrDBStatus           = semconv.DBResponseStatusCodeKey
)

// AttrPeerService is the logical name of the called service. Trace stores build
// dependency graphs from it. They do not read its successor service.peer.name yet.
const AttrPeerService = attribute.Key("peer.service")

// CorrelationKey is the span attribute and the log field of the correlation ID.
const CorrelationKey = "correlation_id"

// Span attributes of this library.
const (
	attrSelf = attribute.Key("hop.self_ms")

	// attrExemplar marks the span of a request that became an exemplar. Tail
	// sampling keeps its trace, so that the exemplar links to it.
	attrExemplar = attribute.Key("tenhop.exemplar")
)
