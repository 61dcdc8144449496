package console

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/live"
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
	return c.runDiagnosis(r.Context(), in.Get("entry"), since)
}

func (c *Console) runDiagnosis(ctx context.Context, entry string, since time.Duration) (diagnose.Result, error) {
	if !c.prom.configured() {
		return diagnose.Result{}, &apiError{http.StatusServiceUnavailable, "Prometheus is not configured; start the console with its URL"}
	}
	return live.Run(ctx, live.Config{Prometheus: c.cfg.Prometheus, Jaeger: c.cfg.Jaeger, Entry: entry, Since: since})
}
