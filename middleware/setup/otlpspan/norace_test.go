//go:build !race

package otlpspan_test

const raceEnabled = false
