// Package contracts holds the storefront's message types: protobuf definitions with
// the generated code in tenhopv1, and the JSON of the two HTTP services.
package contracts

//go:generate env GOWORK=off go tool -modfile=../../tools/go.mod buf generate

// Topics of events, on Kafka or RabbitMQ.
const (
	TopicOrdersPlaced     = "orders.placed"
	TopicShipmentsCreated = "shipments.created"
)

// ConsumerGroups returns the consumer groups of a topic: the services that consume it.
func ConsumerGroups(topic string) []string {
	switch topic {
	case TopicOrdersPlaced:
		return []string{"shipping"}
	case TopicShipmentsCreated:
		return []string{"notification"}
	}
	return nil
}

// LoyaltyAccount is the response of loyalty to GET /points/{user}.
type LoyaltyAccount struct {
	UserID string `json:"user_id"`
	Points int64  `json:"points"`
}

// FraudCheck is the request body of POST /check of fraud.
type FraudCheck struct {
	UserID string `json:"user_id"`
	Region string `json:"region"`
	Method string `json:"method"`
	Amount int64  `json:"amount"`
}

// FraudVerdict is the response to a FraudCheck.
type FraudVerdict struct {
	Allowed bool   `json:"allowed"`
	Reason  string `json:"reason,omitempty"`
	Score   int    `json:"score"`
}
