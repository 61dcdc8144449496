package result

// Few describes requests that are too few for a verdict: where they spent their time,
// and what differs. It makes no claim that a difference is more than chance.
type Few struct {
	// Compared states what BaselineMS of the parts refers to: ComparedBefore,
	// ComparedFaster, or "" if there is nothing to compare with.
	Compared string   `json:"compared,omitempty"`
	Requests Requests `json:"requests"` // number of requests on each side
	TraceID  string   `json:"trace_id"` // the slowest of the requests now

	Parts []TimePart `json:"parts"` // largest first: by difference if compared, else by time
	Gaps  []Gap      `json:"gaps"`  // of the trace TraceID, longest first

	// OtherEntries is the number of traces left out because they begin with another
	// operation.
	OtherEntries int `json:"other_entries,omitempty"`
}

// Values of Few.Compared.
const (
	ComparedBefore = "before" // requests of the files of an ordinary time
	ComparedFaster = "faster" // the faster half of the requests of the same files, if it is clearly faster
)

// TimePart holds the time that one operation, dependency or link has on the critical
// path, as a mean per request. The times of all parts add up to the request's duration.
type TimePart struct {
	Hop        string  `json:"hop"`
	Operation  string  `json:"operation"`
	Kind       string  `json:"kind"` // self, dependency or link
	Target     string  `json:"target,omitempty"`
	BaselineMS float64 `json:"baseline_ms"`
	NowMS      float64 `json:"now_ms"`
	AddedMS    float64 `json:"added_ms"`
	Share      float64 `json:"share"` // of the duration now
	Spans      Calls   `json:"spans"` // number of spans on the critical path per request
}

// Gap is a time on the critical path during which no span reports what happens: own
// time of a span between its calls, or the time between a call and its callee.
type Gap struct {
	Hop       string  `json:"hop"`
	Operation string  `json:"operation"`
	Kind      string  `json:"kind"` // self or link
	Target    string  `json:"target,omitempty"`
	FromMS    float64 `json:"from_ms"` // since the start of the request
	TookMS    float64 `json:"took_ms"`
	After     string  `json:"after,omitempty"`  // operation that ended before the gap
	Before    string  `json:"before,omitempty"` // operation that started after it
}
