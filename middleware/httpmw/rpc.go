package httpmw

import (
	"context"
	"log/slog"
	"net/http"
	"reflect"

	"go.opentelemetry.io/otel/attribute"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// RPC is an RPC within a request that a Handler measures. It is for adapters of RPC
// frameworks over net/http, which know what HTTP does not say: the procedure, and an
// error whose code is in the response's body. The request stays one hop.
type RPC struct{ state *state }

// BeginRPC returns the RPC within the request that has this header. It reports false when
// no Handler with the same core measures that request. operation names the procedure, such
// as "shop.v1.Cart/Add". It must be of low cardinality.
func BeginRPC(ctx context.Context, core *adapter.Core, header http.Header, operation string) (RPC, bool) {
	h := adapter.FromContext(ctx)
	st, ok := h.Local().(*state)
	if !ok || h.Core() != core {
		return RPC{}, false
	}
	st.mu.Lock()
	own := st.req.Header
	st.mu.Unlock()
	if own == nil || reflect.ValueOf(own).Pointer() != reflect.ValueOf(header).Pointer() {
		return RPC{}, false // a request that the handler makes within the process
	}
	h.SetOperation(operation)
	return RPC{st}, true
}

// Hop returns the hop of the request.
func (r RPC) Hop() *adapter.Hop { return &r.state.hop }

// End sets how the RPC ended: ErrorType, Failed, Level and Err of the request's outcome, and
// attributes of its span. A panic of the handler counts more.
func (r RPC) End(out adapter.Outcome, attrs ...attribute.KeyValue) {
	r.state.hop.SetAttributes(attrs...)
	r.state.mu.Lock()
	defer r.state.mu.Unlock()
	r.state.rpc = &rpcOutcome{errorType: out.ErrorType, failed: out.Failed, level: out.Level, err: out.Err}
}

// rpcOutcome is how the RPC within a request ended.
type rpcOutcome struct {
	errorType string
	failed    bool
	level     slog.Level
	err       error
}

// apply changes the outcome of the request.
func (o *rpcOutcome) apply(out *adapter.Outcome) {
	out.ErrorType, out.Failed, out.Level, out.Err = o.errorType, o.failed, o.level, o.err
}
