// Package result holds what a diagnosis answers. Its JSON is a contract: fields
// are added, never renamed, and a Result survives its own JSON.
package result

import "time"

// Verdicts.
const (
	Spike  = "spike"  // an entry's latency has left its baseline
	Errors = "errors" // more of an entry's requests fail
	None   = "none"   // neither
	Unsure = "unsure" // the evidence does not tell; Result.Why says why
)

// Kinds of finding.
const (
	KindSelf       = "self"       // the hop's own time
	KindDependency = "dependency" // a dependency that is not a hop itself
	KindLink       = "link"       // between a caller and its callee
	KindQueue      = "queue"      // waiting in a topic or an outbox
	KindErrors     = "errors"     // failures that begin there
	KindCalls      = "calls"      // more calls between the two than before
	KindMix        = "mix"        // the entry serves other requests than before; it has no hop
	KindFlow       = "flow"       // the hop makes other calls or log lines than before, or in another order
)

// Result is one diagnosis. `tenhop diagnose --json` prints it.
type Result struct {
	Verdict      string   `json:"verdict"`
	Why          string   `json:"why,omitempty"` // one sentence for people
	Entry        Entry    `json:"entry"`
	OtherEntries []Entry  `json:"other_entries"`
	Looked       int      `json:"entries_looked_at"` // those with requests
	Statistic    string   `json:"statistic"`         // "mean", which splits exactly
	BaselineMS   float64  `json:"baseline_ms"`
	NowMS        float64  `json:"now_ms"`
	AddedMS      float64  `json:"added_ms"`
	P95          P95      `json:"p95"`
	Quantiles    []Band   `json:"quantiles,omitempty"` // from traces
	Errors       *Failing `json:"errors,omitempty"`    // of the entry, when more fail
	Window       Range    `json:"window"`
	Baseline     Range    `json:"baseline"` // from its first to its last moment

	// BaselineParts are the stretches of the baseline, when earlier spikes lie
	// between them.
	BaselineParts []Range `json:"baseline_parts,omitempty"`

	Requests Requests  `json:"requests"`
	Findings []Finding `json:"findings"`
	Deploys  []Deploy  `json:"deploys,omitempty"` // versions that are new since the baseline
	Sources  []Source  `json:"sources"`
	Stages   []Stage   `json:"stages,omitempty"`
	TookMS   float64   `json:"took_ms"`

	// DecidedBy is the evidence that the verdict rests on: DecidedByMetrics,
	// DecidedByTraces or DecidedByBoth.
	DecidedBy string `json:"decided_by,omitempty"`

	// BaselineLogStdDev is the standard deviation of the logarithm of the entry's
	// mean between stretches of 20 s of the baseline.
	BaselineLogStdDev float64 `json:"baseline_log_stddev,omitempty"`
}

// Evidence that a verdict rests on.
const (
	DecidedByMetrics = "metrics"
	DecidedByTraces  = "traces"
	DecidedByBoth    = "both"
)

// Renumber sets the ranks of the findings to their order.
func (r *Result) Renumber() {
	for i := range r.Findings {
		r.Findings[i].Rank = i + 1
	}
}

// BaselineRanges returns the stretches of the baseline, without the earlier
// spikes between them.
func (r *Result) BaselineRanges() []Range {
	if len(r.BaselineParts) > 0 {
		return r.BaselineParts
	}
	return []Range{r.Baseline}
}

// SlowBorder returns the duration from which on a request of the entry counts as
// slow: halfway between the baseline's mean and the present one.
func (r *Result) SlowBorder() time.Duration {
	return time.Duration((r.BaselineMS + r.AddedMS/2) * float64(time.Millisecond))
}

// Entry is an edge operation; Flow is "async" for the part behind a queue.
type Entry struct {
	Service   string  `json:"service"`
	Operation string  `json:"operation"`
	Flow      string  `json:"flow,omitempty"`
	AddedMS   float64 `json:"added_ms,omitempty"`

	// Consumer is the hop whose end completes an asynchronous flow.
	Consumer *Consumer `json:"consumer,omitempty"`
}

// Consumer is a hop that takes messages.
type Consumer struct {
	Service   string `json:"service"`
	Operation string `json:"operation"`
}

// P95 is the entry's 95th percentile, from its histogram's buckets.
type P95 struct {
	BaselineMS float64 `json:"baseline_ms"`
	NowMS      float64 `json:"now_ms"`
}

// Failing is the ratio of requests that fail, 0 to 1, and the error.type of most
// of the added failures.
type Failing struct {
	Baseline float64 `json:"baseline"`
	Now      float64 `json:"now"`
	Type     string  `json:"type,omitempty"`
}

// Band is the time added around a quantile of the entry's duration, and where it
// was added. Requests counts the sampled requests that it rests on.
type Band struct {
	Quantile   float64    `json:"quantile"`
	BaselineMS float64    `json:"baseline_ms"`
	NowMS      float64    `json:"now_ms"`
	AddedMS    float64    `json:"added_ms"`
	Requests   Requests   `json:"requests"`
	Parts      []BandPart `json:"parts"`
}

// BandPart is the time that one hop, dependency or link added to a band.
type BandPart struct {
	Hop       string  `json:"hop"`
	Operation string  `json:"operation"`
	Kind      string  `json:"kind"`
	Target    string  `json:"target,omitempty"`
	AddedMS   float64 `json:"added_ms"`
	Share     float64 `json:"share"`
}

// Calls is how often a call is made per request of the entry.
type Calls struct {
	Baseline float64 `json:"baseline"`
	Now      float64 `json:"now"`
}

// Deploy is a version of a service that was not seen before.
type Deploy struct {
	Service string    `json:"service"`
	Version string    `json:"version"`
	Before  string    `json:"before"`
	Seen    time.Time `json:"seen"`
}

// Range is a span of time.
type Range struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Requests counts the requests of the entry that the figures rest on.
type Requests struct {
	Baseline int `json:"baseline"`
	Now      int `json:"now"`
}

// Finding is one ranked suspect: where time was added, or where failures begin.
type Finding struct {
	Rank             int        `json:"rank"`
	Hop              string     `json:"hop"`
	Operation        string     `json:"operation"`
	Kind             string     `json:"kind"`
	Target           string     `json:"target,omitempty"`
	BaselineMS       float64    `json:"baseline_ms"`
	NowMS            float64    `json:"now_ms"`
	AddedMS          float64    `json:"added_ms"`
	Share            float64    `json:"share"`
	Interval         [2]float64 `json:"interval"` // 90 %, of the share
	CounterfactualMS float64    `json:"counterfactual_ms"`

	// CounterfactualP95 is the 90 % interval of the entry's p95, had the hop's
	// own time been that of the baseline; from traces.
	CounterfactualP95 *[2]float64 `json:"counterfactual_p95_ms,omitempty"`

	Operations []Part      `json:"operations,omitempty"` // when several operations of the hop carry it
	Errors     *Failing    `json:"errors,omitempty"`     // of the hop, for the kind errors
	Calls      *Calls      `json:"calls,omitempty"`      // for the kind calls
	Evidence   string      `json:"evidence,omitempty"`   // the difference in one sentence, from a comparison of traces
	Profile    []Hot       `json:"profile,omitempty"`    // functions that the hop spends more time in, by its pprof endpoint
	Attributes []Attribute `json:"attributes"`
	Exemplars  []string    `json:"exemplars"`
}

// Hot is a function of a service and the time spent in it per second: processor
// time (cpu), or the waiting of all goroutines together (block, mutex).
type Hot struct {
	Type     string  `json:"type"` // cpu, block or mutex
	Function string  `json:"function"`
	BeforeMS float64 `json:"before_ms_per_s"`
	NowMS    float64 `json:"now_ms_per_s"`
	Compared bool    `json:"compared"` // a profile of an ordinary time was at hand
}

// Part is one operation's share of a hop's finding.
type Part struct {
	Operation string  `json:"operation"`
	AddedMS   float64 `json:"added_ms"`
}

// Attribute is an attribute value that slow requests have more often than others.
type Attribute struct {
	Key   string  `json:"key"`
	Value string  `json:"value"`
	Lift  float64 `json:"lift"`
}

// Source is a back end or file that evidence was read from.
type Source struct {
	Name   string  `json:"name"`
	URL    string  `json:"url,omitempty"`
	OK     bool    `json:"ok"`
	Error  string  `json:"error,omitempty"`
	Note   string  `json:"note,omitempty"` // what the answer lacks
	Read   int     `json:"read"`           // series or traces
	TookMS float64 `json:"took_ms"`
}

// Stage is one part of a diagnosis and the time it took.
type Stage struct {
	Name   string  `json:"name"`
	TookMS float64 `json:"took_ms"`
}
