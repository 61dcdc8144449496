package drill

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"

	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/query/jaeger/jaegertest"
	"github.com/tenhop/tenhop/trace"
)

func TestScore(t *testing.T) {
	for _, c := range []struct {
		why                  string
		answer               string
		hop, operation, kind bool
	}{
		{"named in full", `{"verdict":"spike","findings":[{"hop":"payment","operation":"Charge","kind":"self"}]}`, true, true, true},
		{"the right hop, another operation", `{"verdict":"spike","findings":[{"hop":"payment","operation":"Refund","kind":"self"}]}`, true, false, true},
		{"the right hop, but blamed on its database", `{"verdict":"spike","findings":[{"hop":"payment","operation":"Charge","kind":"dependency","target":"payment-db"}]}`, true, true, false},
		{"a legacy hop is named by its caller's wait", `{"verdict":"spike","findings":[{"hop":"order","operation":"Create","kind":"dependency","target":"payment"}]}`, true, true, true},
		{"second place is not the answer", `{"verdict":"spike","findings":[{"hop":"order","kind":"self"},{"hop":"payment","operation":"Charge","kind":"self"}]}`, false, false, false},
		{"not sure", `{"verdict":"unsure","findings":[]}`, false, false, false},
	} {
		t.Run(c.why, func(t *testing.T) {
			r := Round{}
			p := plan{template: templates()[0], Fault: Fault{Hop: "payment", Operation: "Charge"}}
			var a answer
			if err := json.Unmarshal([]byte(c.answer), &a); err != nil {
				t.Fatal(err)
			}
			p.score(&r, a)
			if r.RightHop != c.hop || r.RightOperation != c.operation || r.RightKind != c.kind {
				t.Errorf("hop %v, operation %v, kind %v; want %v, %v, %v", r.RightHop, r.RightOperation, r.RightKind, c.hop, c.operation, c.kind)
			}
		})
	}
}

// The predicted interval is compared with the p95 of requests after recovery.
func TestForeseen(t *testing.T) {
	var traces []trace.Trace
	for i := range 100 {
		traces = append(traces, trace.Trace{ID: fmt.Sprintf("%032x", i+1), Spans: []trace.Span{
			{ID: "1", Service: "gateway", Operation: "POST /pay", Kind: "server", Start: time.Now().Add(-10 * time.Second), Duration: time.Duration(i+1) * time.Millisecond}}})
	}
	for _, c := range []struct {
		why    string
		traces []trace.Trace
		within [2]float64
		want   *Foreseen
	}{
		{"inside", traces, [2]float64{80, 120}, &Foreseen{80, 120, 95, 100, true}},
		{"outside", traces, [2]float64{20, 60}, &Foreseen{20, 60, 95, 100, false}},
		{"too few requests", traces[:39], [2]float64{80, 120}, nil},
	} {
		r := runner{Config: Config{Jaeger: jaegertest.Serve(t, c.traces...).URL, Entry: Entry{"gateway", "POST /pay"}}}
		got, err := r.compare(t.Context(), c.within)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v (%v), want %+v", c.why, got, err, c.want)
		}
	}
}

// TestFaults injects faults through admin endpoints.
func TestFaults(t *testing.T) {
	f := Faults{Services: map[string][]string{"payment": {"payment-1", "payment-2"}}, Admin: map[string]string{}, Token: "secret"}
	for _, process := range f.Services["payment"] {
		srv := httptest.NewServer(chaos.New(chaos.WithToken("secret"), chaos.WithOperations("Charge")).AdminHandler())
		t.Cleanup(srv.Close)
		f.Admin[process] = srv.URL
	}
	ctx := context.Background()
	if _, err := f.Inject(ctx, "paymint", chaos.Fault{}); err == nil {
		t.Error("a service that does not exist took a fault")
	}
	if _, err := f.Inject(ctx, "payment", chaos.Fault{Kind: "latency", Latency: 1e9, Operation: "Refund"}); !Refused(err) {
		t.Errorf("an unknown operation: %v", err)
	}
	hidden, err := f.Inject(ctx, "payment", chaos.Fault{Kind: "latency", Latency: 1e9, Operation: "Charge", Sealed: true})
	if err != nil || len(hidden) != 2 {
		t.Fatalf("every instance should have the fault: %v, %v", hidden, err)
	}
	if list, sealed, err := f.List(ctx); err != nil || !sealed || len(list) != 0 {
		t.Errorf("a sealed fault is listed: %v, %v, %v", list, sealed, err)
	}
	if err := f.Remove(ctx, hidden); err != nil {
		t.Error(err)
	}
	if err := f.Remove(ctx, hidden); err != nil {
		t.Errorf("a fault that is over already: %v", err)
	}
	if list, sealed, err := f.List(ctx); err != nil || sealed || len(list) != 0 {
		t.Errorf("after Remove: %v, %v, %v", list, sealed, err)
	}
	f.Token = "wrong"
	if _, err := f.Inject(ctx, "payment", chaos.Fault{Kind: "latency", Latency: 1e9}); err == nil || Refused(err) {
		t.Errorf("a wrong token: %v", err)
	}
	if resp, err := http.Get(f.Admin["payment-1"] + "/chaos"); err != nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("no token: %v, %v", resp, err)
	} else {
		resp.Body.Close()
	}
}
