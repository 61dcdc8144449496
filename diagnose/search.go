package diagnose

import "time"

// Search selects traces: those with a span that fits.
type Search struct {
	Service, Operation string
	From, To           time.Time
	Min, Max           time.Duration // of the span; 0 for any
	Failed             bool          // only those that failed
	Limit              int
}
