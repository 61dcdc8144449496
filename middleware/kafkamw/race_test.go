//go:build race

package kafkamw

const raceEnabled = true
