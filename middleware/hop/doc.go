// Package hop is the middleware's API for services. It configures their telemetry,
// and gives handlers access to the request in their context. The adapters (httpmw,
// grpcmw, kafkamw, …) measure the requests themselves. To write another adapter,
// see package adapter.
//
// A complete program:
//
//	package main
//
//	import (
//		"log"
//		"net/http"
//
//		"go.opentelemetry.io/otel/attribute"
//
//		"github.com/tenhop/tenhop/middleware/hop"
//		"github.com/tenhop/tenhop/middleware/httpmw"
//	)
//
//	func main() {
//		t, err := hop.New(hop.WithServiceName("shop"))
//		if err != nil {
//			log.Fatal(err)
//		}
//		mux := http.NewServeMux()
//		mux.HandleFunc("GET /items/{id}", func(w http.ResponseWriter, r *http.Request) {
//			hop.SetAttributes(r.Context(), attribute.String("region", "eu"))
//			hop.Logger(r.Context()).Info("looked up", "id", r.PathValue("id"))
//			_, _ = w.Write([]byte("ok"))
//		})
//		mux.Handle("GET /metrics", t.MetricsHandler())
//		log.Fatal(http.ListenAndServe(":8080", httpmw.Handler(mux, httpmw.WithTelemetry(t))))
//	}
//
// A hop is one service handling one message. Its self time is its duration minus
// the union of the intervals in which at least one of its calls was in flight.
// Adapters mark the calls that they measure. StartCall marks any other wait.
//
// The metrics, in seconds, are hop_self_duration_seconds, hop_duration_seconds,
// hop_wait_duration_seconds, hop_queue_wait_seconds and
// hop_completion_duration_seconds. Each has the label entry, the edge operation
// that the request belongs to.
package hop
