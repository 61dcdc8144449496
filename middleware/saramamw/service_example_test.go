package saramamw_test

import (
	"context"
	"log"
	"net/http"

	"github.com/IBM/sarama"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/saramamw"
)

// A service that handles one topic, sends to another and is scraped.
func Example_service() {
	cfg := sarama.NewConfig()
	cfg.Producer.Return.Successes = true
	sync, err := sarama.NewSyncProducer([]string{"kafka:9092"}, cfg)
	if err != nil {
		log.Fatal(err)
	}
	group, err := sarama.NewConsumerGroup([]string{"kafka:9092"}, "shipping", cfg)
	if err != nil {
		log.Fatal(err)
	}
	producer := saramamw.NewSyncProducer(sync)
	handler := saramamw.GroupHandler(func(ctx context.Context, m *sarama.ConsumerMessage) error {
		_, _, err := producer.SendMessage(ctx, &sarama.ProducerMessage{Topic: "shipments.created", Value: sarama.ByteEncoder(m.Value)})
		return err
	}, saramamw.WithConsumerGroup("shipping"))
	http.Handle("GET /metrics", hop.Default().MetricsHandler())
	go func() { log.Print(http.ListenAndServe(":9100", nil)) }()
	for {
		if err := group.Consume(context.Background(), []string{"orders.placed"}, handler); err != nil {
			log.Fatal(err)
		}
	}
}
