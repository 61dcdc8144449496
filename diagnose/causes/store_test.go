package causes_test

import (
	"maps"
	"testing"

	"github.com/tenhop/tenhop/diagnose/causes"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query/prometheus/promtest"
)

// calls are those of one operation of a store: per second, and the seconds of each, before
// and from the onset on.
type calls struct {
	operation, failure string
	rate, more         float64
	before, then       float64

	stay float64 // part of the calls that stay as fast as before; with it, there are buckets
}

func (c calls) counters(service string) []promtest.Counter {
	l := map[string]string{"service_name": service, "dependency": "stock-db", "db_operation_name": c.operation, "error_type": c.failure, "db_system_name": "sqlite"}
	out := []promtest.Counter{
		grows("db_client_operation_duration_seconds_sum", l, c.rate*c.before, (c.rate+c.more)*c.then),
		grows("db_client_operation_duration_seconds_count", l, c.rate, c.rate+c.more),
	}
	if c.stay > 0 {
		for le, part := range map[string][2]float64{"0.0005": {0, 0}, "0.005": {.98, c.stay}, "1": {1, 1}, "+Inf": {1, 1}} {
			bucket := maps.Clone(l)
			bucket["le"] = le
			out = append(out, grows("db_client_operation_duration_seconds_bucket", bucket, c.rate*part[0], (c.rate+c.more)*part[1]))
		}
	}
	return out
}

// TestStore tells apart why calls to a store take longer. Requests come 20 times per second.
func TestStore(t *testing.T) {
	quick := func(op string) calls { return calls{operation: op, rate: 20, before: .001, then: .001} }
	for _, c := range []struct {
		why, kind string
		sure      bool
		finding   string
		added     float64
		calls     []calls
		cpu       float64 // cores that the process uses more
	}{
		{"another writer holds the lock", result.CauseDBLock, true, result.KindDependency, .1,
			[]calls{{"BEGIN", "", 20, 0, .0005, .1, 0}, quick("INSERT"), quick("SELECT"), quick("COMMIT")}, 0},
		{"calls fail for the lock", result.CauseDBLock, true, result.KindDependency, .1,
			[]calls{{"UPDATE", "", 20, 0, .001, .08, 0}, {"UPDATE", "55P03", 0, 2, 0, .2, 0}, quick("SELECT")}, 0},
		{"failures for the lock", result.CauseDBLock, true, result.KindErrors, 0,
			[]calls{quick("SELECT"), {"INSERT", "SQLITE_BUSY", 0, 3, 0, 5, 0}}, 0},
		{"other failures", result.CauseUnknown, false, result.KindErrors, 0,
			[]calls{quick("SELECT"), {"INSERT", "23505", 0, 3, 0, .001, 0}}, 0},
		{"one slow statement", result.CauseSlowQuery, true, result.KindDependency, .1,
			[]calls{{"SELECT", "", 20, 0, .001, .1, 0}, quick("INSERT"), quick("BEGIN"), quick("COMMIT")}, 0},
		{"a query in a loop", result.CauseNPlusOne, true, result.KindDependency, .1,
			[]calls{{"SELECT", "", 40, 400, .005, .005, 0}, quick("INSERT")}, 0},
		{"a write waits at times", result.CauseDBLock, false, result.KindDependency, .1,
			[]calls{{"INSERT", "", 20, 0, .001, .1, .4}, quick("SELECT")}, 0},
		{"a write is slow each time", result.CauseSlowQuery, true, result.KindDependency, .1,
			[]calls{{"INSERT", "", 20, 0, .001, .1, .05}, quick("SELECT")}, 0},
		{"a write, without a histogram", result.CauseSlowQuery, false, result.KindDependency, .1,
			[]calls{{"INSERT", "", 20, 0, .001, .1, 0}, quick("SELECT")}, 0},
		{"all writes wait", result.CauseDBLock, false, result.KindDependency, .1,
			[]calls{{"INSERT", "", 20, 0, .001, .05, 0}, {"UPDATE", "", 20, 0, .001, .05, 0}, quick("SELECT")}, 0},
		{"the whole store is slow", result.CauseDependency, true, result.KindDependency, .1,
			[]calls{{"SELECT", "", 20, 0, .001, .035, 0}, {"INSERT", "", 20, 0, .002, .036, 0}, {"BEGIN", "", 20, 0, .001, .034, 0}}, 0},
		{"statements do more work", result.CauseSlowQuery, true, result.KindDependency, .1,
			[]calls{{"SELECT", "", 20, 0, .001, .035, .04}, {"INSERT", "", 20, 0, .002, .036, .04}, {"BEGIN", "", 20, 0, .001, .034, .04}}, 1.7},
		{"a lock beside more calls", result.CauseDBLock, true, result.KindDependency, .125,
			[]calls{{"BEGIN", "", 20, 0, .001, .1, 0}, {"SELECT", "", 20, 100, .005, .005, 0}}, .3},
		{"a delay on the way", result.CauseLink, false, result.KindDependency, .1,
			[]calls{{"SELECT", "", 20, 0, .001, .035, .04}, {"INSERT", "", 20, 0, .002, .036, .04}, {"BEGIN", "", 20, 0, .001, .036, .04}}, 0},
		{"a busy store", result.CauseDependency, true, result.KindDependency, .1,
			[]calls{{"SELECT", "", 20, 0, .001, .035, .5}, {"INSERT", "", 20, 0, .002, .036, .5}, {"BEGIN", "", 20, 0, .001, .034, .5}}, 0},
		{"one kind of call only", result.CauseDependency, false, result.KindDependency, .1,
			[]calls{{"GET", "", 20, 0, .001, .1, 0}}, 0},
		{"too little", result.CauseDependency, false, result.KindDependency, .5,
			[]calls{{"SELECT", "", 20, 0, .001, .02, 0}, quick("INSERT")}, 0},
	} {
		target := promtest.Target{Job: "shop", Instance: "a:1", Every: every, Counters: []promtest.Counter{
			level("up", map[string]string{}, 1, 1), grows("process_cpu_seconds_total", map[string]string{"service_name": "stock"}, .1, .1+c.cpu)}}
		for _, x := range c.calls {
			target.Counters = append(target.Counters, x.counters("stock")...)
		}
		dependency := "stock-db"
		if c.finding == result.KindErrors {
			dependency = ""
		}
		r := found(c.finding, "stock", dependency, .01, c.added)
		if got := causeFrom(t, r, evidence.Metrics{}, target); got == nil || got.Kind != c.kind || got.Sure != c.sure {
			t.Errorf("%s: %s, want %s, sure %v", c.why, show(got), c.kind, c.sure)
		}
	}
}

// TestBusyStatements names statements that do more work in the process of their hop, although
// it waits for a processor since.
func TestBusyStatements(t *testing.T) {
	of := map[string]string{"service_name": "stock"}
	for _, c := range []struct {
		used, waits float64 // cores
		begin       float64 // seconds
		want        string
	}{
		{1.8, 1.4, .034, result.CauseSlowQuery},
		{1, 1.4, .034, result.CauseSlowQuery},
		{.7, .5, .034, result.CauseSlowQuery},
		{.4, 1.4, .034, result.CauseSlowQuery},
		{.7, .5, .1, result.CauseSlowQuery}, // transactions wait for statements of others
		{.1, 1.8, .034, result.CauseCPU},
		{.1, .03, .1, result.CauseDBLock},
	} {
		target := promtest.Target{Job: "shop", Instance: "a:1", Every: every, Counters: []promtest.Counter{
			level("up", map[string]string{}, 1, 1), grows("process_cpu_seconds_total", of, .1, c.used), grows("hop_process_run_delay_seconds_total", of, .03, c.waits)}}
		for _, x := range []calls{{"INSERT", "", 20, 0, .001, .07, .04}, {"BEGIN", "", 20, 0, .001, c.begin, .04}} {
			target.Counters = append(target.Counters, x.counters("stock")...)
		}
		r := found(result.KindDependency, "stock", "stock-db", .01, .07+c.begin)
		if got := causeFrom(t, r, evidence.Metrics{}, target); got == nil || got.Kind != c.want || !got.Sure {
			t.Errorf("%.1f cores used, %.1f waited for, BEGIN %.0f ms: %s, want %s", c.used, c.waits, 1000*c.begin, show(got), c.want)
		}
	}
}

// TestMoreStatements does not take statements of more requests for statements that do more
// work: the processor time of each is the same.
func TestMoreStatements(t *testing.T) {
	of := map[string]string{"service_name": "stock"}
	target := promtest.Target{Job: "shop", Instance: "a:1", Every: every, Counters: []promtest.Counter{
		level("up", map[string]string{}, 1, 1), grows("process_cpu_seconds_total", of, .1, .3)}}
	for _, x := range []calls{{"UPDATE", "", 20, 40, .001, .002, .04}, {"BEGIN", "", 20, 40, .001, .002, .04}} {
		target.Counters = append(target.Counters, x.counters("stock")...)
	}
	r := found(result.KindDependency, "stock", "stock-db", .01, .002)
	r.Requests.Now *= 3
	if got := causeFrom(t, r, evidence.Metrics{}, target); got == nil || got.Kind == result.CauseSlowQuery {
		t.Errorf("%s, want no slow statements", show(got))
	}
}

// TestPoolBesideStatements says that requests wait for a connection although the statements
// take longer, if these keep hardly any connection busy.
func TestPoolBesideStatements(t *testing.T) {
	for _, c := range []struct {
		begin float64 // seconds
		want  string
	}{{.008, result.CausePool}, {.2, result.CauseDBLock}} {
		of := map[string]string{"service_name": "stock"}
		target := promtest.Target{Job: "shop", Instance: "a:1", Every: every, Counters: []promtest.Counter{
			level("up", map[string]string{}, 1, 1), grows("process_cpu_seconds_total", of, .1, .1), grows("db_client_connection_wait_time_seconds_sum", of, 0, 2)}}
		for _, x := range []calls{{"BEGIN", "", 20, 0, .0002, c.begin, .04}, {"INSERT", "", 20, 0, .001, .001, .98}} {
			target.Counters = append(target.Counters, x.counters("stock")...)
		}
		r := found(result.KindDependency, "stock", "stock-db", .01, .01+max(.05, c.begin))
		if got := causeFrom(t, r, evidence.Metrics{}, target); got == nil || got.Kind != c.want {
			t.Errorf("BEGIN takes %.0f ms: %s, want %s", 1000*c.begin, show(got), c.want)
		}
	}
}

// TestStructural needs no signals.
func TestStructural(t *testing.T) {
	for kind, want := range map[string]string{result.KindQueue: result.CauseQueue, result.KindMix: result.CauseMix, result.KindFlow: result.CauseCode, result.KindSelf: ""} {
		r := found(kind, "stock", "topic", .01, .1)
		if _, err := causes.Explain(t.Context(), nil, causes.Question{Result: r}); err != nil {
			t.Error(err)
		}
		got := ""
		if c := r.Findings[0].Cause; c != nil {
			got = c.Kind
		}
		if got != want {
			t.Errorf("%s: cause %q, want %q", kind, got, want)
		}
	}
}
