package console

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/tenhop/tenhop/diagnose/collect"
	"github.com/tenhop/tenhop/diagnose/result"
)

// maxSince bounds how far back a diagnosis looks.
const maxSince = 24 * time.Hour

// diagnose answers ?entry=…&since=5m with what `tenhop diagnose --json` prints.
func (c *Console) diagnose(r *http.Request) (any, error) {
	in := r.URL.Query()
	since, err := time.ParseDuration(cmp.Or(in.Get("since"), "5m"))
	if err != nil || since < time.Minute || since > maxSince {
		return nil, badRequest("since %q: must be from 1m to 24h", in.Get("since"))
	}
	return c.shared(r.Context(), in.Get("entry"), since)
}

// maxDiagnoses bounds the diagnoses that pages make the sources work for at a
// time.
const maxDiagnoses = 2

// shared runs a diagnosis once for all the pages that ask the same meanwhile;
// one page that leaves does not end it for the others.
func (c *Console) shared(ctx context.Context, entry string, since time.Duration) (any, error) {
	answered := c.diagnoses.DoChan(entry+"\x00"+since.String(), func() (any, error) {
		select {
		case c.diagnosing <- struct{}{}:
		case <-c.closed:
			return nil, &apiError{http.StatusServiceUnavailable, "the console is shutting down"}
		}
		defer func() { <-c.diagnosing }()
		return c.runDiagnosis(context.WithoutCancel(ctx), entry, since) // bounds itself
	})
	select {
	case a := <-answered:
		return a.Val, a.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *Console) runDiagnosis(ctx context.Context, entry string, since time.Duration) (result.Result, error) {
	if !c.prom.configured() {
		return result.Result{}, &apiError{http.StatusServiceUnavailable, "Prometheus is not configured; start the console with its URL"}
	}
	return collect.Run(ctx, collect.Config{Prometheus: c.cfg.Prometheus, Jaeger: c.cfg.Jaeger, Entry: entry, Since: since})
}
