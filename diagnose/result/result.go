// Package result defines the result of a diagnosis. Its JSON is stable: fields may
// be added and are never renamed. A Result can be decoded from its JSON.
//
// Fields with the suffix MS are milliseconds, means per request of the entry unless
// stated otherwise. Ratios and shares are fractions: 1 is 100 %.
package result

import (
	"time"

	"github.com/tenhop/tenhop/trace/shape"
)

// Verdicts.
const (
	Spike  = "spike"  // the latency of an entry has left its baseline
	Errors = "errors" // the failure ratio of an entry has left its baseline
	None   = "none"   // neither
	Unsure = "unsure" // the evidence does not decide; Result.Why holds the reason
)

// Kinds of finding.
const (
	KindSelf       = "self"       // the hop's self time grew
	KindDependency = "dependency" // the hop waits longer for a dependency that is not a hop
	KindLink       = "link"       // the link gap between the hop and the target grew; the hop is the end whose links all slowed
	KindQueue      = "queue"      // records wait longer in a topic or an outbox
	KindErrors     = "errors"     // failures begin at the hop
	KindCalls      = "calls"      // the number of calls between the hop and the target grew
	KindMix        = "mix"        // the proportions of the entry's requests changed; the finding has no hop
	KindFlow       = "flow"       // the calls or log lines of the hop, or their order, changed

	// KindConcurrency: calls of the hop that used to overlap follow each other.
	KindConcurrency = "concurrency"
)

// Result is the result of one diagnosis, as printed by `tenhop diagnose --json`.
type Result struct {
	Verdict      string   `json:"verdict"`
	Why          string   `json:"why,omitempty"` // reason for the verdict, one sentence
	Entry        Entry    `json:"entry"`
	OtherEntries []Entry  `json:"other_entries"`
	Looked       int      `json:"entries_looked_at"` // number of entries that had requests
	Statistic    string   `json:"statistic"`         // always "mean"; the growth of a mean can be split exactly
	BaselineMS   float64  `json:"baseline_ms"`
	NowMS        float64  `json:"now_ms"`
	AddedMS      float64  `json:"added_ms"`
	P95          P95      `json:"p95"`
	Quantiles    []Band   `json:"quantiles,omitempty"` // p50, p95 and p99, from traces
	Errors       *Failing `json:"errors,omitempty"`    // failure ratio of the entry, if it has risen
	Window       Range    `json:"window"`              // the present level
	Baseline     Range    `json:"baseline"`            // includes earlier spikes; see BaselineParts

	// BaselineParts lists the ranges of the baseline if earlier spikes lie
	// between them.
	BaselineParts []Range `json:"baseline_parts,omitempty"`

	Requests Requests  `json:"requests"`
	Findings []Finding `json:"findings"`
	Deploys  []Deploy  `json:"deploys,omitempty"` // versions first seen after the baseline
	Sources  []Source  `json:"sources"`
	Stages   []Stage   `json:"stages,omitempty"`
	TookMS   float64   `json:"took_ms"` // duration of the diagnosis

	// DecidedBy names the evidence for the verdict: DecidedByMetrics,
	// DecidedByTraces or DecidedByBoth.
	DecidedBy string `json:"decided_by,omitempty"`

	// IncompleteTraces is the number of traces left out because some of their spans are
	// missing or had not arrived.
	IncompleteTraces int `json:"incomplete_traces,omitempty"`

	// ResolutionS is the length of a step of the metrics, in seconds: at least the scrape
	// interval. It is zero without metrics.
	ResolutionS float64 `json:"resolution_s,omitempty"`

	// Recent is what the evidence holds of the seconds before the diagnosis. It is nil
	// for files.
	Recent *Recent `json:"recent,omitempty"`

	// Minority describes the slow requests if only some of them are slower.
	Minority *Minority `json:"minority,omitempty"`

	// Past is the last spike that is over, if the verdict is none or unsure.
	Past *Past `json:"past,omitempty"`

	// Spread reports that the verdict is unsure because no finding has enough of the added
	// time. It is not set in a Result that was decoded from JSON.
	Spread bool `json:"-"`

	// Chance reports that the verdict is unsure because the growth of the entry, or the part
	// of it that the findings divide, may be chance. It is not set in a Result that was decoded
	// from JSON.
	Chance bool `json:"-"`

	// Warnings holds disagreements between the sources, and limits of what they hold.
	// Each is one sentence.
	Warnings []string `json:"warnings,omitempty"`

	// SharedStores lists the databases that spans of several services name, in the traces
	// that were read. They are no findings: they say what else a slow database slows.
	SharedStores []shape.SharedStore `json:"shared_stores,omitempty"`

	// Few holds where the requests spent their time if there are too few of them for a
	// verdict. It is nil unless the requests come from files.
	Few *Few `json:"few,omitempty"`

	// Growth compares the hops' times in the rounds of two versions. It is nil unless there
	// are two versions to compare.
	Growth *Growth `json:"growth,omitempty"`

	// BaselineLogStdDev is the standard deviation of log(mean) over the baseline.
	// There is one mean of the entry's duration per 20 s.
	BaselineLogStdDev float64 `json:"baseline_log_stddev,omitempty"`
}

// Recent counts what is known of an entry in the last seconds before a diagnosis.
type Recent struct {
	Seconds  float64 `json:"seconds"`
	Requests int     `json:"requests"` // in the metrics
	Traces   int     `json:"traces"`   // complete ones that were read
	AgeS     float64 `json:"age_s"`    // seconds since the newest scrape or trace
}

// Minority counts the requests of an entry that became slow while others did not.
type Minority struct {
	Share    float64 `json:"share"`   // of the requests since the first slow one
	OverMS   float64 `json:"over_ms"` // a slow request takes longer than this
	Slow     int     `json:"slow"`    // beyond those that are always slow
	Requests int     `json:"requests"`
	Usual    float64 `json:"usual_share"` // of requests that took longer before

	// Phases lists when there were slow requests if they come and go.
	Phases []Range `json:"phases,omitempty"`
}

// Past is a spike that is over.
type Past struct {
	Range
	MeanMS float64 `json:"mean_ms"`         // of the entry during the spike
	Entry  string  `json:"entry,omitempty"` // operation
	What   string  `json:"what,omitempty"`  // the first finding of that time, in words
}

// Values of Result.DecidedBy.
const (
	DecidedByMetrics = "metrics"
	DecidedByTraces  = "traces"
	DecidedByBoth    = "both"
)

// Renumber sets the rank of each finding to its position, starting at 1.
func (r *Result) Renumber() {
	for i := range r.Findings {
		r.Findings[i].Rank = i + 1
	}
}

// BaselineRanges returns the ranges of the baseline. Earlier spikes between them
// are left out.
func (r *Result) BaselineRanges() []Range {
	if len(r.BaselineParts) > 0 {
		return r.BaselineParts
	}
	return []Range{r.Baseline}
}

// SlowBorder returns the duration above which a request of the entry counts as
// slow. It lies halfway between the mean of the baseline and the present mean.
func (r *Result) SlowBorder() time.Duration {
	return time.Duration((r.BaselineMS + r.AddedMS/2) * float64(time.Millisecond))
}

// Entry is an operation at the edge, or the asynchronous flow that it starts.
type Entry struct {
	Service   string  `json:"service"`
	Operation string  `json:"operation"`
	Flow      string  `json:"flow,omitempty"`     // "async" for an asynchronous flow
	AddedMS   float64 `json:"added_ms,omitempty"` // set in Result.OtherEntries only

	// Consumer is the hop that completes an asynchronous flow.
	Consumer *Consumer `json:"consumer,omitempty"`
}

// Consumer identifies a hop that consumes messages.
type Consumer struct {
	Service   string `json:"service"`
	Operation string `json:"operation"`
}

// P95 holds the 95th percentile of the entry's duration, interpolated within the
// buckets of its histogram.
type P95 struct {
	BaselineMS float64 `json:"baseline_ms"`
	NowMS      float64 `json:"now_ms"`
}

// Failing holds the ratio of failed requests, from 0 to 1.
type Failing struct {
	Baseline float64 `json:"baseline"`
	Now      float64 `json:"now"`
	Type     string  `json:"type,omitempty"` // error.type of most added failures

	// Window is when the requests of the entry fail more often. Result.Window is that of
	// the latency if it has left its baseline, too.
	Window *Range `json:"window,omitempty"`
}

// Band holds the growth of a quantile of the entry's duration and its split.
// Requests counts the sampled requests around the quantile.
type Band struct {
	Quantile   float64    `json:"quantile"`
	BaselineMS float64    `json:"baseline_ms"`
	NowMS      float64    `json:"now_ms"`
	AddedMS    float64    `json:"added_ms"`
	Requests   Requests   `json:"requests"`
	Parts      []BandPart `json:"parts"`
}

// BandPart holds the time that one hop, dependency or link added to a Band.
type BandPart struct {
	Hop       string  `json:"hop"`
	Operation string  `json:"operation"`
	Kind      string  `json:"kind"`
	Target    string  `json:"target,omitempty"`
	AddedMS   float64 `json:"added_ms"`
	Share     float64 `json:"share"`
}

// Calls holds the number of calls per request of the entry.
type Calls struct {
	Baseline float64 `json:"baseline"`
	Now      float64 `json:"now"`
}

// Deploy records a version of a service (service.version) that the baseline does
// not have.
type Deploy struct {
	Service string    `json:"service"`
	Version string    `json:"version"`
	Before  string    `json:"before"` // a version in the baseline
	Seen    time.Time `json:"seen"`   // start of the first span with Version
}

// Range is a range of time, from From up to but not including To.
type Range struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Requests counts the requests of the entry in the baseline and now.
type Requests struct {
	Baseline int `json:"baseline"`
	Now      int `json:"now"`
}

// Finding is one ranked row of a diagnosis: a place where time was added, or where
// failures begin. Times and shares are means per request of the entry, fan-out
// included.
type Finding struct {
	Rank             int        `json:"rank"`
	Hop              string     `json:"hop"`
	Instance         string     `json:"instance,omitempty"` // of the hop, if one of several carries the finding
	Operation        string     `json:"operation"`
	Kind             string     `json:"kind"`
	Target           string     `json:"target,omitempty"`
	EitherEnd        bool       `json:"either_end,omitempty"` // kind link only: nothing tells whether hop or target delays the link
	BaselineMS       float64    `json:"baseline_ms"`
	NowMS            float64    `json:"now_ms"`
	AddedMS          float64    `json:"added_ms"`
	Share            float64    `json:"share"`             // of the entry's added time; above 1 if other hops became faster or work in parallel
	Interval         [2]float64 `json:"interval"`          // 90 % interval of Share
	CounterfactualMS float64    `json:"counterfactual_ms"` // the entry's present mean minus AddedMS

	// CounterfactualP95 is the 90 % interval of the entry's p95 if the finding's
	// time were that of the baseline. It is computed from traces.
	CounterfactualP95 *[2]float64 `json:"counterfactual_p95_ms,omitempty"`

	Operations []Part      `json:"operations,omitempty"` // split by operation, if there are several
	Errors     *Failing    `json:"errors,omitempty"`     // failure ratio of the hop; kind errors only
	Calls      *Calls      `json:"calls,omitempty"`      // kind calls only
	Evidence   string      `json:"evidence,omitempty"`   // the difference in one sentence, from a comparison of traces
	Cause      *Cause      `json:"cause,omitempty"`      // reason inside the hop, if the evidence shows one
	OffPath    *OffPath    `json:"off_path,omitempty"`   // time beside the critical path
	Quotes     []Quote     `json:"quotes,omitempty"`     // what slow or failed spans of the hop say and ordinary ones do not
	Profile    []Hot       `json:"profile,omitempty"`    // functions in which the hop spends more time
	Why        *Why        `json:"why,omitempty"`        // on what the hop spends its own time; of --why
	Attributes []Attribute `json:"attributes"`
	Exemplars  []string    `json:"exemplars"` // trace IDs

	// Entry is the operation of the entry that the finding's times and shares refer
	// to, if it is not Result.Entry.
	Entry string `json:"entry,omitempty"`

	// Together reports that the link slowed together with others of the hop. It is not set
	// for a link whose wait has another explanation, although its hop is not in doubt.
	Together bool `json:"-"`
}

// MostSpread is the largest share of a finding of added time that is spread over many: a finding
// with more leads.
const MostSpread = .3

// OffPath holds the time that a finding added beside the critical path: a parallel
// branch takes longer, so that the entry did not wait for it.
type OffPath struct {
	AddedMS float64 `json:"added_ms"` // mean per request of the entry

	// RemainsMS is the growth of the entry's mean that would remain if all other
	// findings took as long as in the baseline. It is computed by replaying requests.
	RemainsMS float64 `json:"remains_ms"`
}

// Cause is the reason why a finding takes longer.
type Cause struct {
	Kind     string   `json:"kind"`
	Why      string   `json:"why"` // one sentence
	Evidence []Signal `json:"evidence"`
	Sure     bool     `json:"sure"`

	// Service is the service whose signals tell it, or "". It is not set in a Result that was
	// decoded from JSON.
	Service string `json:"-"`
}

// Kinds of cause.
const (
	CauseCPU             = "cpu"              // more processor time per request, or waits for a processor
	CauseThrottled       = "throttled"        // the CPU quota is used up
	CauseGC              = "gc"               // garbage collection
	CauseMemory          = "memory"           // killed for memory, or waits for pages
	CauseLock            = "lock"             // a lock within the process
	CauseDBLock          = "db_lock"          // a lock in the store
	CausePool            = "pool"             // no free connection
	CauseFrozen          = "frozen"           // the process does not run at times
	CauseRestart         = "restart"          // the process restarted or is down
	CauseDependency      = "dependency"       // what the hop calls
	CauseSlowQuery       = "slow_query"       // one kind of statement
	CauseNPlusOne        = "n_plus_one"       // more calls per request
	CauseRetries         = "retries"          // calls are repeated because they fail
	CauseLostConcurrency = "lost_concurrency" // calls that used to overlap follow each other
	CauseSaturation      = "saturation"       // callers queue in front of a slow callee, or too many requests are in flight
	CauseQueue           = "queue"            // messages wait
	CauseLink            = "link"             // between the two ends
	CauseMix             = "mix"              // other requests than before
	CauseCode            = "code"             // another version, or other work than before
	CauseUnknown         = "unknown"          // nothing that was looked at moved
)

// Signal is a measurement that changed from the baseline to now.
type Signal struct {
	Signal string  `json:"signal"`
	Before float64 `json:"before"`
	Now    float64 `json:"now"`
	Unit   string  `json:"unit,omitempty"`
}

// Quote is a text that slow or failed spans of a finding's hop carry and ordinary ones
// do not. It is cut to about 200 characters. Credentials are replaced.
type Quote struct {
	Source  string `json:"source"` // exception, status, event or log
	Text    string `json:"text"`
	TraceID string `json:"trace_id"`
	Traces  int    `json:"traces"` // traces read that have the text, numbers in it aside
}

// Sources of a quote.
const (
	QuoteException = "exception" // an exception event: type and message
	QuoteStatus    = "status"    // the description of a span's status
	QuoteEvent     = "event"     // another event of a span
	QuoteLog       = "log"       // a log line
)

// Hot holds the time spent in a function of a service, in milliseconds per second:
// CPU time (cpu), or the blocked time of all goroutines (block, mutex).
type Hot struct {
	Type     string  `json:"type"` // cpu, block or mutex
	Function string  `json:"function"`
	BeforeMS float64 `json:"before_ms_per_s"`
	NowMS    float64 `json:"now_ms_per_s"`
	Compared bool    `json:"compared"` // whether there was a stored profile to compare with
}

// Part holds the time that one operation added to a finding of its hop.
type Part struct {
	Operation string  `json:"operation"`
	AddedMS   float64 `json:"added_ms"`
}

// Attribute is a span attribute value that slow or failed requests have more often
// than others.
type Attribute struct {
	Key   string  `json:"key"`
	Value string  `json:"value"`
	Lift  float64 `json:"lift"` // ratio of the two frequencies
}

// Source reports what was read from one back end or file.
type Source struct {
	Name   string  `json:"name"`
	URL    string  `json:"url,omitempty"`
	OK     bool    `json:"ok"`
	Error  string  `json:"error,omitempty"`
	Note   string  `json:"note,omitempty"` // limitation of what was read
	Read   int     `json:"read"`           // number of series, traces or profiles
	TookMS float64 `json:"took_ms"`
}

// Stage holds the duration of one stage of a diagnosis.
type Stage struct {
	Name   string  `json:"name"`
	TookMS float64 `json:"took_ms"`
}
