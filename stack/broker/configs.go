package broker

import (
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// minSegmentAge is the minimum age in milliseconds at which a file of records is followed by the next.
const minSegmentAge = 60_000

// settable tells whether a request may set these kinds of configurations. Those of the broker end
// kfake's process if they are no intervals, and change the limits and the retention of everybody.
func settable(kind kmsg.ConfigResourceType) bool {
	return kind == kmsg.ConfigResourceTypeTopic || kind == kmsg.ConfigResourceType(32) // of a group
}

// bounded returns the value that a topic gets for a configuration. kfake compacts records without
// a look at their lengths, so it ends at records that are malformed, and decompresses any size:
// topics that are to be compacted are not. Files of a few records each are not made.
func bounded(name string, value *string) *string {
	least := 0
	switch name {
	case "cleanup.policy":
		return kmsg.StringPtr("delete")
	case "segment.bytes":
		least = minSegmentBytes
	case "segment.ms":
		least = minSegmentAge
	}
	if least == 0 || value == nil {
		return value
	}
	if n, err := strconv.Atoi(*value); err != nil || n < least {
		return kmsg.StringPtr(strconv.Itoa(least))
	}
	return value
}

// boundConfigs changes the configurations that a request sets to those that topics get. It fails
// if the request sets those of something else.
func boundConfigs(request kmsg.Request) (ok bool) {
	switch r := request.(type) {
	case *kmsg.CreateTopicsRequest:
		for _, t := range r.Topics {
			for i, c := range t.Configs {
				t.Configs[i].Value = bounded(c.Name, c.Value)
			}
		}
	case *kmsg.AlterConfigsRequest:
		for _, resource := range r.Resources {
			if !settable(resource.ResourceType) {
				return false
			}
			for i, c := range resource.Configs {
				resource.Configs[i].Value = bounded(c.Name, c.Value)
			}
		}
	case *kmsg.IncrementalAlterConfigsRequest:
		for _, resource := range r.Resources {
			if !settable(resource.ResourceType) {
				return false
			}
			for i, c := range resource.Configs {
				if c.Op != kmsg.IncrementalAlterConfigOpDelete {
					resource.Configs[i].Value = bounded(c.Name, c.Value)
				}
			}
		}
	}
	return true
}

// distinct tells whether a member of a group has protocols, each once. kfake ends if it finds none
// that all members have, for which it counts their names.
func distinct(protocols []kmsg.JoinGroupRequestProtocol) bool {
	names := map[string]bool{}
	for _, p := range protocols {
		names[p.Name] = true
	}
	return len(names) == len(protocols) && len(names) > 0
}
