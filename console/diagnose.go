package console

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tenhop/tenhop/diagnose/collect"
	"github.com/tenhop/tenhop/diagnose/result"
)

// maxSince is the maximum period that a diagnosis covers.
const maxSince = 24 * time.Hour

// question holds what a diagnosis is asked for. A zero end is now.
type question struct {
	entry string
	since time.Duration
	end   time.Time
}

// DiagnosisView is the result of `tenhop diagnose --json`, with what to do about its first
// finding if an entry is slower or fails.
type DiagnosisView struct {
	result.Result
	Runbooks []Runbook `json:"runbooks"`
}

// diagnose responds to ?entry=…&since=5m with a diagnosis. Instead of since, from and to give a
// time range, in milliseconds since 1970. It is cut at the present.
func (c *Console) diagnose(r *http.Request) (DiagnosisView, error) {
	q, err := asked(r.URL.Query())
	if err != nil {
		return DiagnosisView{}, err
	}
	v := DiagnosisView{}
	if v.Result, err = c.shared(r.Context(), q); err != nil {
		return DiagnosisView{}, err
	}
	if v.Verdict == result.Spike || v.Verdict == result.Errors {
		v.Runbooks = links(ofFinding(&v.Result))
	}
	return v, nil
}

// asked returns the question in the parameters of a request.
func asked(in url.Values) (question, error) {
	q := question{entry: in.Get("entry")}
	if in.Has("from") || in.Has("to") {
		from, err1 := strconv.ParseInt(in.Get("from"), 10, 64)
		to, err2 := strconv.ParseInt(in.Get("to"), 10, 64)
		if err1 != nil || err2 != nil {
			return q, badRequest("from and to must be milliseconds since 1970")
		}
		var err error
		q.since, q.end, err = period(time.UnixMilli(from), time.UnixMilli(to), time.Now())
		return q, err
	}
	since, err := time.ParseDuration(cmp.Or(in.Get("since"), "0"))
	if err != nil || since < time.Minute && in.Get("since") != "" || since > maxSince {
		return q, badRequest("since %q: must be from 1m to 24h", in.Get("since"))
	}
	q.since = since
	return q, nil
}

// recent is the age below which the end of a time range is taken as now.
const recent = 30 * time.Second

// period returns the length and the end of the part of a time range that is not in the
// future. A zero end is now. The length of a range that was cut is in whole seconds, so that
// requests for the same range share a diagnosis.
func period(from, to, now time.Time) (since time.Duration, end time.Time, err error) {
	since = to.Sub(from)
	switch {
	case to.After(now):
		since = now.Sub(from).Truncate(time.Second)
		if since < time.Minute {
			return 0, end, badRequest("to is in the future, and from less than 1m before now: there is nothing to diagnose yet")
		}
	case to.Before(now.Add(-recent)):
		end = to
	}
	if since < time.Minute || since > maxSince {
		return 0, end, badRequest("from and to must be from 1m to 24h apart")
	}
	return since, end, nil
}

// maxDiagnoses is the maximum number of concurrent diagnoses.
const maxDiagnoses = 2

// shared runs a diagnosis once for all concurrent requests with the same parameters.
// Cancelling one request does not affect the others.
func (c *Console) shared(ctx context.Context, q question) (result.Result, error) {
	answered := c.diagnoses.DoChan(q.entry+"\x00"+q.since.String()+q.end.String(), func() (any, error) {
		select {
		case c.diagnosing <- struct{}{}:
		case <-c.closed:
			return nil, &apiError{http.StatusServiceUnavailable, "the console is shutting down"}
		}
		defer func() { <-c.diagnosing }()
		res, err := c.runDiagnosis(context.WithoutCancel(ctx), q) // has a timeout of its own
		return filled(res), err
	})
	select {
	case a := <-answered:
		res, _ := a.Val.(result.Result) // nil after an error
		return res, a.Err
	case <-ctx.Done():
		return result.Result{}, ctx.Err()
	}
}

func (c *Console) runDiagnosis(ctx context.Context, q question) (result.Result, error) {
	if !c.prom.configured() && c.traces == nil {
		return result.Result{}, missing("Prometheus")
	}
	return collect.Run(ctx, collect.Config{Prometheus: c.cfg.Prometheus, Jaeger: c.cfg.Jaeger, Tempo: c.cfg.Tempo, Loki: c.cfg.Loki,
		Clients: c.cfg.Clients, Labels: c.cfg.Labels, Entry: q.entry, Since: q.since, Now: q.end})
}
