package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"
)

// profileOurs writes a CPU profile, or one of allocations (every one counted),
// of our variant of the first matching row.
func profileOurs(tp providers, file, name string, memory bool) {
	f, err := os.Create(file)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	defer f.Close()
	for _, r := range rows(tp) {
		if !strings.Contains(r.name, name) {
			continue
		}
		v := r.make()
		if memory {
			runtime.MemProfileRate = 1
			s := measure(v.ours, 2*time.Second)
			if err := pprof.Lookup("allocs").WriteTo(f, 0); err != nil {
				fmt.Fprintln(os.Stderr, "bench:", err)
				os.Exit(1)
			}
			fmt.Printf("%s: %s, %.0f bytes\n", r.name, cell(s), s.bytes)
			return
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		s := measure(v.ours, 4*time.Second)
		pprof.StopCPUProfile()
		fmt.Printf("%s: %s\n", r.name, cell(s))
		return
	}
}
