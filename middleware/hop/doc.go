// Package hop is the core of the middleware: what a service knows of one
// message that it handles, and what the adapters (httpmw, grpcmw, kafkamw, …)
// report about it.
//
// A complete program:
//
//	package main
//
//	import (
//		"log"
//		"net/http"
//		"os"
//
//		"github.com/rs/zerolog"
//		"go.opentelemetry.io/otel/attribute"
//
//		"github.com/tenhop/tenhop/middleware/hop"
//		"github.com/tenhop/tenhop/middleware/httpmw"
//	)
//
//	func main() {
//		t, err := hop.New(hop.WithServiceName("shop"), hop.WithLogger(zerolog.New(os.Stdout)))
//		if err != nil {
//			log.Fatal(err)
//		}
//		mux := http.NewServeMux()
//		mux.HandleFunc("GET /items/{id}", func(w http.ResponseWriter, r *http.Request) {
//			hop.SetAttributes(r.Context(), attribute.String("region", "eu"))
//			hop.Logger(r.Context()).Info().Msg("looked up")
//			_, _ = w.Write([]byte("ok"))
//		})
//		mux.Handle("GET /metrics", t.MetricsHandler())
//		log.Fatal(http.ListenAndServe(":8080", httpmw.Handler(mux, httpmw.WithTelemetry(t))))
//	}
//
// A hop is one service handling one message. Its self time is its duration minus
// the union of the intervals in which a call of it was in flight; parallel calls
// count once, and a call ends with its hop at the latest. Adapters begin a hop
// with Telemetry.Begin and a call with Telemetry.BeginCall; other waits are
// marked with StartCall.
//
// Metrics (seconds): hop_self_duration_seconds, hop_duration_seconds,
// hop_wait_duration_seconds, hop_queue_wait_seconds and
// hop_completion_duration_seconds, each with the entry, the edge operation that
// the request belongs to.
package hop
