package adapter

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/tenhop/tenhop/middleware/internal/wire"
)

// Received holds the headers of a request that a reverse proxy copies to its own one.
type Received struct{ baggage, correlation, requestID string }

// ReceivedIn returns those of a request whose header has canonical keys.
func ReceivedIn(h http.Header) Received {
	return Received{joined(h["Baggage"]), one(h["X-Correlation-Id"]), one(h["X-Request-Id"])}
}

// Withhold removes what belongs to the request in ctx from the header of an outgoing
// one, whose keys are canonical: the correlation ID, the baggage of this library, and what
// was received. Other values, which the service has set, stay.
func (r *Received) Withhold(ctx context.Context, h http.Header) {
	own := []string{CorrelationID(ctx), r.correlation, r.requestID}
	for _, key := range []string{"X-Correlation-Id", "X-Request-Id"} {
		if slices.ContainsFunc(h[key], func(id string) bool { return slices.Contains(own, id) }) {
			delete(h, key)
		}
	}
	if len(h["Baggage"]) == 0 {
		return
	}
	var kept []string
	if len(r.baggage) <= wire.MaxBaggageBytes { // otherwise the end of it is not known
		came := members(r.baggage)
		kept = slices.DeleteFunc(members(wire.ReadBaggage(joined(h["Baggage"])).Foreign), func(m string) bool { return slices.Contains(came, m) })
	}
	if delete(h, "Baggage"); len(kept) > 0 {
		h["Baggage"] = []string{strings.Join(kept, ",")}
	}
}

// members returns the members of a baggage header.
func members(header string) []string {
	var out []string
	for m := range strings.SplitSeq(header, ",") {
		if m = strings.Trim(m, " \t"); m != "" {
			out = append(out, m)
		}
	}
	return out
}
