package transparency

const intro = `# Transparency

Written by ` + "`go test -run Transparency . -update`" + ` in ` + "`middleware/transparency`" + `; do not edit. Each cell is one scripted exchange, run
without and with the middleware. Both transcripts are compared byte for byte on the wire and call for call. The test
fails when they differ in anything but what the cell names.

| cell | meaning |
|---|---|
| ` + "`same`" + ` | no difference |
| ` + "`ID in the response`" + ` | one ` + "`X-Correlation-ID`" + ` is added to the response's header, or to the trailer of a gRPC error |
| ` + "`context sent`" + ` | ` + "`traceparent`, `baggage` and `X-Correlation-ID`" + ` are added to what the service sends |
| ` + "`-`" + ` | the feature does not exist there |
`

func families() []family {
	return []family{httpServers(), httpClients(), grpcFamily(), kafkaFamily(), sqlFamily()}
}
