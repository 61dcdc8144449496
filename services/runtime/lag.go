package runtime

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenhop/tenhop/services/contracts"
)

// lagInterval is the interval at which the lag of consumer groups is read.
const lagInterval = 2 * time.Second

// ReportLag returns a background job of a topic's publisher. It reports, as the gauge
// messaging_consumer_group_lag, how many events of the topic each consumer group has not
// taken yet. The publisher reports it since a consumer that is down cannot.
func (e *Env) ReportLag(p Publisher, topic string) func(context.Context) error {
	lag := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "messaging_consumer_group_lag",
		Help: "Events of a topic that a consumer group has not taken yet."}, []string{"messaging_destination_name", "messaging_consumer_group_name"})
	if e.Instruments == InstrumentsMiddleware {
		e.Telemetry.Registerer().MustRegister(lag)
		e.OnClose(func() error { e.Telemetry.Registerer().Unregister(lag); return nil })
	}
	return func(ctx context.Context) error {
		if e.Instruments != InstrumentsMiddleware {
			<-ctx.Done()
			return ctx.Err()
		}
		var said seldom
		for {
			for _, group := range contracts.ConsumerGroups(topic) {
				n, err := p.Lag(ctx, topic, group)
				switch {
				case err == nil:
					lag.WithLabelValues(topic, group).Set(float64(n))
				case ctx.Err() == nil:
					lag.DeleteLabelValues(topic, group) // an old number would look like a fact
					if said.due() {
						e.Telemetry.Zerolog().Warn().Err(err).Str("topic", topic).Str("group", group).Msg("the lag of a consumer group is unknown")
					}
				}
			}
			if !sleep(ctx, lagInterval) {
				return ctx.Err()
			}
		}
	}
}
