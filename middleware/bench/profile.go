package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"
)

// profileOurs writes a CPU profile, or one of allocations (every one counted), of our
// variants of the matching rows, one after the other.
func profileOurs(tp providers, file, name string, memory bool) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if memory {
		runtime.MemProfileRate = 1
	} else if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	for _, r := range rows(tp) {
		if strings.Contains(r.name, name) {
			s := measure(r.make().ours, 3*time.Second)
			fmt.Printf("%s: %s, %.0f bytes\n", r.name, cell(s), s.bytes)
		}
	}
	if memory {
		return pprof.Lookup("allocs").WriteTo(f, 0)
	}
	pprof.StopCPUProfile()
	return nil
}
