package kafkamw

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
)

// orchestrionOptions returns the options that orchestrion.yml adds to each kgo.Client.
func orchestrionOptions() []kgo.Opt {
	return adapter.Woven(hop.Default().Core(), "Kafka producers", func() []kgo.Opt { return ClientOptions() })
}

var _ = orchestrionOptions // called by woven code only
