package causes_test

import (
	"testing"

	"github.com/tenhop/tenhop/diagnose/causes"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query/prometheus"
	"github.com/tenhop/tenhop/query/prometheus/promtest"
)

// chain returns the metrics of shop, which calls cart, which calls stock, which calls depot.
// stock and depot are called ratio times as often as before. Of the calls of stock the part
// lost fails, and stock itself fails the part served of them.
func chain(ratio, lost, served float64) evidence.Metrics {
	const rate, entry = 2 * perSecond, "POST /buy"
	hop := func(service, operation string, ratio float64) evidence.HopSeries {
		return evidence.HopSeries{Service: service, Operation: operation, Entry: entry, Flow: "request", Count: steps(rate, rate*ratio)}
	}
	call := func(caller, callee string, ratio, failing float64) evidence.CallSeries {
		return evidence.CallSeries{Service: caller, Operation: "GET /" + callee, Dependency: callee, Count: steps(rate, rate*ratio), Failed: steps(0, rate*ratio*failing)}
	}
	own := call("stock", "", ratio, served)
	return evidence.Metrics{Start: began, Step: every, Steps: seconds / 2,
		Entries: []evidence.EntrySeries{{Entry: result.Entry{Service: "shop", Operation: entry}, Count: steps(rate, rate), Sum: steps(rate*.03, rate*.13)}},
		Hops:    []evidence.HopSeries{hop("shop", entry, 1), hop("cart", "PUT /cart", 1), hop("stock", "GET /stock", ratio), hop("depot", "GET /depot", ratio)},
		Waits: []evidence.WaitSeries{{Service: "cart", Operation: "PUT /cart", Entry: entry, Flow: "request", Dependency: "stock", Kind: "http", Sum: steps(rate*.01, rate*.1)},
			{Service: "cart", Operation: "GET /cart", Entry: entry, Flow: "request", Dependency: "stock", Kind: "http", Sum: steps(rate*.02, rate*.02)}},
		Calls: []evidence.CallSeries{call("shop", "cart", 1, 0), call("cart", "stock", ratio, lost), call("stock", "depot", ratio, 0), own}}
}

// rows returns findings in milliseconds, before and now.
func rows(f ...result.Finding) []result.Finding {
	for i := range f {
		f[i].AddedMS = f[i].NowMS - f[i].BaselineMS
		f[i].Share = f[i].AddedMS / 100
	}
	return f
}

// TestCallers names the caller that repeats calls or makes more of them, once and first, and
// no caller of what is slow or fails itself.
func TestCallers(t *testing.T) {
	self := func(hop string, before, now float64) result.Finding {
		return result.Finding{Hop: hop, Operation: "GET /" + hop, Kind: result.KindSelf, BaselineMS: before, NowMS: now}
	}
	link := func(hop, target string, before, now float64) result.Finding {
		return result.Finding{Hop: hop, Target: target, Kind: result.KindLink, BaselineMS: before, NowMS: now}
	}
	store := func(hop string, before, now float64) result.Finding {
		return result.Finding{Hop: hop, Operation: "GET /" + hop, Kind: result.KindDependency, Target: hop + "-db", BaselineMS: before, NowMS: now}
	}
	for _, c := range []struct {
		why                 string
		ratio, lost, served float64
		found               []result.Finding
		hop, kind, cause    string
		added               float64 // of the first finding
		left                int     // findings
	}{
		{"responses are lost, and calls repeated", 10, .9, 0, rows(store("shop", 5, 12), link("stock", "cart", 4, 42)), "cart", result.KindCalls, result.CauseRetries, 38, 2},
		{"the link names its other end", 10, .9, 0, rows(store("shop", 5, 12), link("cart", "stock", 4, 42)), "cart", result.KindCalls, result.CauseRetries, 38, 2},
		{"all that is behind the calls grew with them", 10, .9, 0, rows(store("stock", 1, 10), store("shop", 5, 12), self("stock", 1, 11), link("stock", "cart", 2, 22), self("depot", 1, 10)),
			"cart", result.KindCalls, result.CauseRetries, 48, 2},
		{"the caller's own time goes to repeats", 6, .8, 0, rows(self("cart", 2, 42), link("stock", "cart", 2, 12)), "cart", result.KindCalls, result.CauseRetries, 50, 1},
		{"a call for each item", 8, 0, 0, rows(self("stock", 2, 16), link("stock", "cart", 1, 8), self("depot", 1, 8)), "cart", result.KindCalls, result.CauseNPlusOne, 28, 1},
		{"the sixth finding", 8, 0, 0, rows(store("shop", 5, 35), store("a", 5, 33), store("b", 5, 31), store("c", 5, 29), store("e", 5, 27), self("stock", 10, 80)),
			"cart", result.KindCalls, result.CauseNPlusOne, 70, 6},
		{"stock fails, and its callers repeat that", 3, .7, .7, rows(self("stock", 10, 30)), "stock", result.KindSelf, result.CauseRetries, 20, 1},
		{"stock is slow, and its callers give up and repeat", 1.8, .5, 0, rows(self("stock", 10, 200)), "stock", result.KindSelf, result.CauseRetries, 190, 1},
		{"nothing is repeated", 1, 0, 0, rows(link("stock", "cart", 4, 42)), "stock", result.KindLink, result.CauseUnknown, 38, 1},
	} {
		r := found(result.KindSelf, "", "", .01, .1)
		r.Entry, r.Findings = result.Entry{Service: "shop", Operation: "POST /buy"}, c.found
		end := began.Add(seconds * 1e9)
		srv := promtest.Serve(t, began, end, idleStock())
		client, err := prometheus.New(srv.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := causes.Explain(t.Context(), client, causes.Question{Result: r, Metrics: chain(c.ratio, c.lost, c.served), Now: end}); err != nil {
			t.Fatal(err)
		}
		f := r.Findings[0]
		if f.Cause == nil || f.Hop != c.hop || f.Kind != c.kind || f.Cause.Kind != c.cause || f.AddedMS != c.added || f.Rank != 1 || len(r.Findings) != c.left {
			t.Errorf("%s: %s %s %s +%v ms: %s, of %d findings", c.why, f.Hop, f.Operation, f.Kind, f.AddedMS, show(f.Cause), len(r.Findings))
		}
		if f.Kind == result.KindCalls && (f.Operation != "PUT /cart" || f.Target != "stock" || f.Calls == nil || f.Calls.Now != c.ratio) {
			t.Errorf("%s: operation %q, target %q, calls %v", c.why, f.Operation, f.Target, f.Calls)
		}
	}
}
