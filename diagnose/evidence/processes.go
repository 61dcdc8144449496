package evidence

import "time"

// Process holds what is known of one scrape target of a service.
type Process struct {
	Service, Instance string
	Up                []Reading   // 1 if the scrape was answered, else 0
	Scrape            []Reading   // duration of scrapes, seconds
	Stalled           []Reading   // seconds for which it stood still since it started; nil if unknown
	InFlight          []Reading   // requests being handled; nil if unknown
	Starts            []time.Time // when the process was found to have started anew
	Held              []Held      // by operation; nil if unknown
}

// Held holds the messages that a process is handling for one operation.
type Held struct {
	Operation string
	Active    []Reading // number
	Oldest    []Reading // age of the oldest in seconds; 0 without any
}

// Reading is a value at the time of a scrape.
type Reading struct {
	At    time.Time
	Value float64
}

// Down reports whether the last scrape was not answered, and since when.
func (p Process) Down() (since time.Time, scrapes int) {
	for i := len(p.Up) - 1; i >= 0 && p.Up[i].Value == 0; i-- {
		since, scrapes = p.Up[i].At, scrapes+1
	}
	return since, scrapes
}

// Answered returns the time of the last scrape that was answered, or zero.
func (p Process) Answered() time.Time {
	for i := len(p.Up) - 1; i >= 0; i-- {
		if p.Up[i].Value > 0 {
			return p.Up[i].At
		}
	}
	return time.Time{}
}

// Alert is an alert that fires and names a service or a dependency.
type Alert struct {
	Name     string
	Place    string    // service or dependency
	Kind     string    // of the contribution, or ""
	Instance string    // or ""
	Since    time.Time // when its condition began to hold; zero if unknown
}
