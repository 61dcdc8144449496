// Package otlpspan provides a tracer provider whose spans are OTLP from the start. An
// attribute is encoded when it is set, a span when it ends, and a batch is the
// concatenation of its spans. Nothing of a span stays in memory but its bytes.
//
// The provider behaves as that of the SDK with a batch span processor. Samplers, limits,
// resource and scopes are the SDK's. Events, links and nested attribute values, which are
// rare, are recorded by a span of the SDK and encoded at the end. There are three
// differences. The provider has no span processors, since those read spans of the SDK.
// A string that is not valid UTF-8 is made valid, where the SDK loses its batch. What a
// span has recorded can be read until it ends.
package otlpspan
