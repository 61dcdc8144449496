package servicemap

import (
	"cmp"
	"strings"

	"github.com/tenhop/tenhop/query/prometheus"
)

// waiting adds the consumers that messages wait for. One that is down reports nothing.
func (m *serviceMap) waiting() {
	for _, x := range m.answers["waiting"] {
		if group := x.Labels["messaging_consumer_group_name"]; group != "" {
			m.node(group)
		}
	}
}

// consumer receives the messages of a topic.
type consumer struct {
	name, operation string // of the service; operation is empty for one that handles none
	rate, waiting   float64
}

// topics joins producers and consumers of the same topic. A consumer's messages
// are attributed to the producers in proportion to their rates.
func (m *serviceMap) topics() []Edge {
	queued := map[[2]string]float64{} // service and operation
	for _, x := range m.answers["queued"] {
		queued[[2]string{x.Labels["service_name"], x.Labels["operation"]}] = x.Value
	}
	type topic struct{ system, name string }
	of := func(x prometheus.Value) topic {
		return topic{x.Labels["messaging_system"], x.Labels["messaging_destination_name"]}
	}
	sent := map[topic]float64{}
	for _, s := range m.answers["sent"] {
		sent[of(s)] += s.Value
	}
	var out []Edge
	for _, s := range m.answers["sent"] {
		from := s.Labels["service_name"]
		if s.Value == 0 || m.nodes[from] == nil {
			continue
		}
		t := of(s)
		for _, c := range m.consumers(t.system, t.name) {
			e := Edge{From: from, To: c.name, Kind: cmp.Or(t.system, "messaging"), Topic: t.name, Rate: c.rate * s.Value / sent[t], Waiting: c.waiting}
			if wait, ok := queued[[2]string{c.name, c.operation}]; ok {
				e.Mean = &wait
				e.Hot = m.nodes[c.name].Hot && strings.Contains(m.nodes[c.name].Why, "records wait")
			}
			out = append(out, e)
		}
	}
	return out
}

// consumers returns the services that process a topic, and the consumer groups for which its
// messages wait.
func (m *serviceMap) consumers(system, topic string) []consumer {
	var out []consumer
	waiting := map[string]float64{}
	for _, x := range m.answers["waiting"] {
		if x.Labels["messaging_destination_name"] == topic {
			waiting[x.Labels["messaging_consumer_group_name"]] = x.Value
		}
	}
	for _, p := range m.answers["processed"] {
		name, destination := p.Labels["service_name"], p.Labels["messaging_destination_name"]
		// RabbitMQ's consumers may name exchange:queue.
		if destination != topic && !strings.HasPrefix(destination, topic+":") || p.Labels["messaging_system"] != system || p.Value == 0 || m.nodes[name] == nil {
			continue
		}
		out = append(out, consumer{name, "process " + destination, p.Value, waiting[name]})
		delete(waiting, name)
	}
	for group, n := range waiting {
		if m.nodes[group] != nil {
			out = append(out, consumer{name: group, waiting: n})
		}
	}
	return out
}
