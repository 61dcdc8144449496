// Package elasticmw measures clients of Elasticsearch and OpenSearch. It wraps the
// http.RoundTripper below the client, so it works with elastic-transport-go,
// go-elasticsearch and opensearch-go alike, and depends on none of them.
//
// A complete program:
//
//	package main
//
//	import (
//		"log"
//		"net/http"
//
//		"github.com/tenhop/tenhop/middleware/elasticmw"
//	)
//
//	func main() {
//		client := &http.Client{Transport: elasticmw.Transport(nil, "product-search")}
//		resp, err := client.Get("http://127.0.0.1:9200/products/_count")
//		if err != nil {
//			log.Fatal(err)
//		}
//		resp.Body.Close()
//	}
//
// With go-elasticsearch, the transport is elasticsearch.Config.Transport.
//
// Each request has a client span, is recorded in db_client_operation_duration_seconds,
// and counts as a wait of its hop for a database. It ends with the response's body. A
// client that tries a request again has a span for each attempt.
//
// The engine gets the trace context as traceparent and the correlation ID as
// X-Opaque-Id, which its slow logs and its task API show.
//
// A status of 400 or more is an error, except 404 for a document or an index that was
// asked for. A bulk request whose items failed has status 200 and is none.
//
// No signal has a document, an ID or a query.
package elasticmw
