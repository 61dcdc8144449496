package main

import (
	"fmt"
	"os"
	"runtime/pprof"
	"strings"
	"time"
)

// profileOurs writes a CPU profile of our variant of the first matching row.
func profileOurs(file, name string) {
	f, err := os.Create(file)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	defer f.Close()
	for _, r := range rows() {
		if !strings.Contains(r.name, name) {
			continue
		}
		v := r.make()
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
