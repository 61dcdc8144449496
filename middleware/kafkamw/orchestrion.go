package kafkamw

import "github.com/twmb/franz-go/pkg/kgo"

// orchestrionOptions returns the options that orchestrion.yml adds to each kgo.Client.
func orchestrionOptions() []kgo.Opt { return ClientOptions() }

var _ = orchestrionOptions // called by woven code only
