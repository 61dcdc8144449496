package kafkagomw_test

import (
	"context"
	"log"
	"net/http"

	"github.com/segmentio/kafka-go"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/kafkagomw"
)

// A service that handles one topic, sends to another and is scraped.
func Example_service() {
	writer := kafkagomw.NewWriter(&kafka.Writer{Addr: kafka.TCP("kafka:9092"), Topic: "shipments.created", RequiredAcks: kafka.RequireAll})
	handle := kafkagomw.Handler(func(ctx context.Context, m kafka.Message) error {
		return writer.WriteMessages(ctx, kafka.Message{Value: m.Value})
	}, kafkagomw.WithConsumerGroup("shipping"))
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{"kafka:9092"}, GroupID: "shipping", Topic: "orders.placed"})
	http.Handle("GET /metrics", hop.Default().MetricsHandler())
	go func() { log.Print(http.ListenAndServe(":9100", nil)) }()
	for {
		m, err := reader.FetchMessage(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		if err := handle(context.Background(), m); err != nil {
			log.Fatal(err) // not committed: it comes again
		}
		if err := reader.CommitMessages(context.Background(), m); err != nil {
			log.Fatal(err)
		}
	}
}
