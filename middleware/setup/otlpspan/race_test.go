//go:build race

package otlpspan_test

const raceEnabled = true
