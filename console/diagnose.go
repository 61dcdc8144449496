package console

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/tenhop/tenhop/diagnose/collect"
	"github.com/tenhop/tenhop/diagnose/result"
)

// maxSince is the maximum period that a diagnosis covers.
const maxSince = 24 * time.Hour

// diagnose responds to ?entry=…&since=5m with the result of `tenhop diagnose --json`.
func (c *Console) diagnose(r *http.Request) (result.Result, error) {
	in := r.URL.Query()
	since, err := time.ParseDuration(cmp.Or(in.Get("since"), "0"))
	if err != nil || since < time.Minute && in.Get("since") != "" || since > maxSince {
		return result.Result{}, badRequest("since %q: must be from 1m to 24h", in.Get("since"))
	}
	return c.shared(r.Context(), in.Get("entry"), since)
}

// maxDiagnoses is the maximum number of concurrent diagnoses.
const maxDiagnoses = 2

// shared runs a diagnosis once for all concurrent requests with the same parameters.
// Cancelling one request does not affect the others.
func (c *Console) shared(ctx context.Context, entry string, since time.Duration) (result.Result, error) {
	answered := c.diagnoses.DoChan(entry+"\x00"+since.String(), func() (any, error) {
		select {
		case c.diagnosing <- struct{}{}:
		case <-c.closed:
			return nil, &apiError{http.StatusServiceUnavailable, "the console is shutting down"}
		}
		defer func() { <-c.diagnosing }()
		res, err := c.runDiagnosis(context.WithoutCancel(ctx), entry, since) // has a timeout of its own
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

func (c *Console) runDiagnosis(ctx context.Context, entry string, since time.Duration) (result.Result, error) {
	if !c.prom.configured() && c.traces == nil {
		return result.Result{}, missing("Prometheus")
	}
	return collect.Run(ctx, collect.Config{Prometheus: c.cfg.Prometheus, Jaeger: c.cfg.Jaeger, Tempo: c.cfg.Tempo, Clients: c.cfg.Clients,
		Entry: entry, Since: since})
}
