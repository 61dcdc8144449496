package drill

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"

	"github.com/tenhop/tenhop/drill/scenario"
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
			p := plan{Fault: Fault{Expect: []scenario.Answer{{Hop: "payment", Operation: "Charge", Kinds: []string{"self"}}}}}
			var a Answer
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

// A slow link whose ends nothing tells apart is named by either; a hop that is slow is not.
func TestScoreEitherEnd(t *testing.T) {
	for _, c := range []struct {
		why, answer string
		kinds       []string
		right       bool
	}{
		{"the other end", `{"hop":"fraud","kind":"link","target":"payment","either_end":true}`, []string{"link", "dependency"}, true},
		{"the other end, for sure", `{"hop":"fraud","kind":"link","target":"payment"}`, []string{"link", "dependency"}, false},
		{"another link", `{"hop":"fraud","kind":"link","target":"order","either_end":true}`, []string{"link", "dependency"}, false},
		{"calls that fail on the way", `{"hop":"fraud","kind":"errors","target":"payment","cause":{"kind":"link"}}`, []string{"errors", "link"}, true},
		{"calls that fail at the other hop", `{"hop":"fraud","kind":"errors","target":"payment","cause":{"kind":"frozen"}}`, []string{"errors", "link"}, false},
		{"a slow hop", `{"hop":"fraud","kind":"link","target":"payment","either_end":true}`, []string{"self", "link"}, false},
	} {
		p := plan{Fault: Fault{Expect: []scenario.Answer{{Hop: "payment", Kinds: c.kinds}}}}
		var a Answer
		if err := json.Unmarshal([]byte(`{"verdict":"spike","findings":[`+c.answer+`]}`), &a); err != nil {
			t.Fatal(err)
		}
		var r Round
		if p.score(&r, a); r.RightHop != c.right {
			t.Errorf("%s: right %v, want %v", c.why, r.RightHop, c.right)
		}
	}
}

// Of two faults, both must be among the findings.
func TestScoreTwo(t *testing.T) {
	p := plan{Fault: Fault{Expect: []scenario.Answer{{Hop: "payment", Causes: []string{"cpu"}}, {Hop: "pricing", Attributes: map[string]string{"region": "eu"}}}}}
	for _, c := range []struct {
		why, findings    string
		right, half      bool
		cause, attribute bool
	}{
		{"both, in any order", `{"hop":"pricing","kind":"self","attributes":[{"key":"region","value":"eu"}]},{"hop":"order"},{"hop":"payment","cause":{"kind":"cpu"}}`, true, false, true, true},
		{"one", `{"hop":"payment","cause":{"kind":"cpu"}}`, false, true, true, false},
		{"neither", `{"hop":"order"}`, false, false, false, false},
		{"both, with another cause", `{"hop":"payment","cause":{"kind":"gc"}},{"hop":"pricing","attributes":[{"key":"region","value":"eu"}]}`, false, false, false, true},
	} {
		var a Answer
		if err := json.Unmarshal([]byte(`{"verdict":"spike","findings":[`+c.findings+`]}`), &a); err != nil {
			t.Fatal(err)
		}
		var r Round
		p.score(&r, a)
		if r.Right() != c.right || r.Half != c.half || *r.RightCause != c.cause || *r.RightAttribute != c.attribute {
			t.Errorf("%s: right %v, half %v, cause %v, attribute %v; wrong: %v", c.why, r.Right(), r.Half, *r.RightCause, *r.RightAttribute, r.Wrong())
		}
	}
}

// A finding answers one of two faults at most, the one that it fits best.
func TestScoreTwoOfTheSameHop(t *testing.T) {
	same := []scenario.Answer{{Hop: "payment", Kinds: []string{"self"}, Causes: []string{"cpu"}}, {Hop: "payment", Kinds: []string{"errors"}}}
	chain := []scenario.Answer{{Hop: "order", Kinds: []string{"dependency"}}, {Hop: "payment"}}
	for _, c := range []struct {
		why, findings string
		expect        []scenario.Answer
		right, half   bool
	}{
		{"both kinds", `{"hop":"payment","kind":"self","cause":{"kind":"cpu"}},{"hop":"payment","kind":"errors"}`, same, true, false},
		{"both kinds, in another order", `{"hop":"payment","kind":"errors"},{"hop":"payment","kind":"self","cause":{"kind":"cpu"}}`, same, true, false},
		{"one kind", `{"hop":"payment","kind":"self","cause":{"kind":"cpu"}}`, same, false, true},
		{"the wait of one hop for the other", `{"hop":"order","kind":"dependency","target":"payment"}`, chain, false, true},
		{"the hops themselves", `{"hop":"order","kind":"dependency","target":"payment"},{"hop":"payment","kind":"self"}`, chain, true, false},
	} {
		var a Answer
		if err := json.Unmarshal([]byte(`{"verdict":"spike","findings":[`+c.findings+`]}`), &a); err != nil {
			t.Fatal(err)
		}
		var r Round
		plan{Fault: Fault{Expect: c.expect}}.score(&r, a)
		if r.Right() != c.right || r.Half != c.half {
			t.Errorf("%s: right %v, half %v; wrong: %v", c.why, r.Right(), r.Half, r.Wrong())
		}
	}
}

// The faults of a seed do not depend on the rounds before, so that a drill can be continued.
func TestChoose(t *testing.T) {
	r := &runner{Config: Config{Seed: 7, Faults: Faults{Services: map[string][]string{"payment": {"payment-1", "payment-2"}, "order": {"order"}, "shoppers": {"load"}}}},
		hops: []Hop{{Service: "order", Operation: "Create", Store: true, Calls: 10 * time.Millisecond}, {Service: "payment", Operation: "Charge", Store: true, Writes: true},
			{Service: "payment", Operation: "Refund", Store: true, Writes: true}}}
	var err error
	if r.kinds, err = named(Kinds()); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for n := 1; n <= 300; n++ {
		p, err := r.choose(n)
		if err != nil {
			t.Fatal(err)
		}
		again, err := r.choose(n)
		if err != nil || !reflect.DeepEqual(p, again) {
			t.Fatalf("round %d: %+v, then %+v, %v", n, p, again, err)
		}
		kinds[p.Kind]++
		if p.Kind == Two && (len(p.Expect) != 2 || p.Expect[0].Hop == p.Expect[1].Hop || len(p.Injected) != 2) {
			t.Errorf("two faults: %+v", p.Fault)
		}
		if p.control() != (p.Kind == Control || p.Kind == "surge") {
			t.Errorf("round %d: %+v", n, p.Fault)
		}
	}
	for _, kind := range Kinds() {
		if kinds[kind] < 300/len(Kinds())/3 {
			t.Errorf("%s is chosen %d times of 300", kind, kinds[kind])
		}
	}
}

// Two faults of a kind that only one service takes do not end the drill.
func TestChooseTwoOfAKind(t *testing.T) {
	r := &runner{Config: Config{Seed: 1, Faults: Faults{Services: map[string][]string{"payment": {"payment"}, "order": {"order"}}}},
		hops: []Hop{{Service: "order", Operation: "Create"}, {Service: "payment", Operation: "Charge", Store: true}}}
	var err error
	if r.kinds, err = named([]string{"slow_query", Two}); err != nil { // only payment has a store
		t.Fatal(err)
	}
	for n := 1; n <= 20; n++ {
		p, err := r.choose(n)
		if err != nil {
			t.Fatal(err)
		}
		if p.Kind == Two && (len(p.Expect) != 2 || p.Expect[0].Hop == p.Expect[1].Hop) {
			t.Errorf("%+v", p.Fault)
		}
	}
}

// Faults come and go at their times, and all are lifted.
func TestSchedule(t *testing.T) {
	injector := chaos.New(chaos.WithToken("secret"))
	srv := httptest.NewServer(injector.AdminHandler())
	t.Cleanup(srv.Close)
	f := Faults{Services: map[string][]string{"payment": {"payment"}}, Admin: map[string]string{"payment": srv.URL}, Token: "secret"}
	r := &runner{Config: Config{Faults: f}}
	latency := chaos.Fault{Kind: "latency", Latency: chaos.Duration(time.Millisecond)}
	ramp := scenario.Fault{Service: "payment", Fault: latency, Ramp: chaos.Duration(50 * time.Millisecond)}
	again := scenario.Fault{Service: "payment", Fault: latency, Every: chaos.Duration(10 * time.Millisecond)}
	inForce := func() int {
		faults := 0
		for i := 1; i < 1000; i++ {
			if injector.Clear(fmt.Sprint(i)) {
				faults++
			}
		}
		return faults
	}
	lift, err := r.begin(t.Context(), plan{Fault: Fault{Injected: []scenario.Fault{ramp, again}}}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if _, sealed := injector.List(); !sealed {
		t.Error("the faults are listed")
	}
	for begun := 0; begun < 13; begun += inForce() { // ten of the ramp, and three of the other
		time.Sleep(5 * time.Millisecond)
	}
	if err := lift(); err != nil {
		t.Fatal(err)
	}
	if n := inForce(); n != 0 {
		t.Errorf("%d faults are left", n)
	}
}

// A fault that a process takes while the drill ends is lifted, too.
func TestLiftDuringInjection(t *testing.T) {
	injector := chaos.New(chaos.WithToken("secret"))
	admin := injector.AdminHandler()
	taken, ended := make(chan struct{}, 1), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			admin.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		admin.ServeHTTP(answer, r)
		taken <- struct{}{}
		<-ended
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}))
	t.Cleanup(srv.Close)
	f := Faults{Services: map[string][]string{"payment": {"payment"}}, Admin: map[string]string{"payment": srv.URL}, Token: "secret"}
	r := &runner{Config: Config{Faults: f}}
	late := scenario.Fault{Service: "payment", Fault: chaos.Fault{Kind: "latency", Latency: chaos.Duration(time.Millisecond)}, At: chaos.Duration(time.Millisecond)}
	lift, err := r.begin(t.Context(), plan{Fault: Fault{Injected: []scenario.Fault{late}}}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	<-taken
	time.AfterFunc(50*time.Millisecond, func() { close(ended) })
	if err := lift(); err != nil {
		t.Error(err)
	}
	if injector.Clear("") {
		t.Error("a fault is left")
	}
}

// A process that is being started again when the drill ends does not end it with an error.
func TestLiftDuringRestart(t *testing.T) {
	serve := func(l net.Listener) *httptest.Server {
		srv := httptest.NewUnstartedServer(chaos.New(chaos.WithToken("secret")).AdminHandler())
		srv.Listener.Close()
		srv.Listener = l
		srv.Start()
		t.Cleanup(srv.Close)
		return srv
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := serve(l)
	f := Faults{Services: map[string][]string{"payment": {"payment"}}, Admin: map[string]string{"payment": srv.URL}, Token: "secret"}
	r := &runner{Config: Config{Faults: f}}
	fault := scenario.Fault{Service: "payment", Fault: chaos.Fault{Kind: "latency", Latency: chaos.Duration(time.Millisecond)}}
	lift, err := r.begin(t.Context(), plan{Fault: Fault{Injected: []scenario.Fault{fault}}}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	srv.Close()
	time.AfterFunc(100*time.Millisecond, func() {
		if l, err := net.Listen("tcp", l.Addr().String()); err == nil {
			serve(l)
		}
	})
	if err := lift(); err != nil {
		t.Error(err)
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
