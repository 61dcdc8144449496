package process_test

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenhop/tenhop/middleware/process"
)

// A service without package setup registers the Collector beside its own metrics.
func ExampleNew() {
	c := process.New()
	defer c.Close()
	reg := prometheus.NewRegistry()
	reg.MustRegister(c)
	families, err := reg.Gather()
	fmt.Println(len(families) > 0, err)
	// Output: true <nil>
}

func ExampleFamilies() {
	for _, f := range process.Families()[:3] {
		fmt.Println(f.Kind, f.Name)
	}
	// Output:
	// counter hop_process_stall_seconds_total
	// counter hop_process_stalls_total
	// histogram go_schedule_duration_seconds
}
