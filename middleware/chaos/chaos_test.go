package chaos_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/baggage"

	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// took applies the faults in virtual time.
func took(t *testing.T, i *chaos.Injector, ctx context.Context, op string, req any) time.Duration {
	t.Helper()
	start := time.Now()
	if err := i.Apply(ctx, op, req); err != nil {
		t.Fatal(err)
	}
	return time.Since(start)
}

func inject(t *testing.T, i *chaos.Injector, f chaos.Fault) string {
	t.Helper()
	id, err := i.Inject(f)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func ms(n int) chaos.Duration { return chaos.Duration(time.Duration(n) * time.Millisecond) }

func TestLatencyFitsOperationAndKindOfRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := chaos.New(chaos.WithFields(func(_ context.Context, _ string, req any) map[string]string {
			return map[string]string{"region": req.(string)}
		}))
		inject(t, i, chaos.Fault{Kind: "latency", Latency: ms(500), Operation: "op", Match: map[string]string{"region": "eu"}})
		ctx := context.Background()
		for _, c := range []struct {
			op, region string
			want       time.Duration
		}{{"op", "eu", 500 * time.Millisecond}, {"op", "us", 0}, {"other", "eu", 0}} {
			if d := took(t, i, ctx, c.op, c.region); d != c.want {
				t.Errorf("%s in %s took %v, want %v", c.op, c.region, d, c.want)
			}
		}
	})
}

func TestLatencyMatchesBaggageThatTheServiceDoesNotDeclare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := chaos.New()
		inject(t, i, chaos.Fault{Kind: "latency", Latency: ms(100), Match: map[string]string{"tenant": "a"}})
		m, _ := baggage.NewMember("tenant", "a")
		b, _ := baggage.New(m)
		if d := took(t, i, baggage.ContextWithBaggage(context.Background(), b), "op", nil); d != 100*time.Millisecond {
			t.Errorf("took %v", d)
		}
		if d := took(t, i, context.Background(), "op", nil); d != 0 {
			t.Errorf("without baggage: %v", d)
		}
	})
}

func TestFaultsLiftThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := chaos.New()
		inject(t, i, chaos.Fault{Kind: "latency", Latency: ms(10), For: chaos.Duration(time.Minute)})
		time.Sleep(time.Minute - 11*time.Millisecond)
		if d := took(t, i, context.Background(), "op", nil); d != 10*time.Millisecond {
			t.Errorf("before its end: %v", d)
		}
		time.Sleep(time.Millisecond)
		if d := took(t, i, context.Background(), "op", nil); d != 0 {
			t.Errorf("after its end: %v", d)
		}
		if faults, _ := i.List(); len(faults) != 0 {
			t.Errorf("still listed: %v", faults)
		}
	})
}

func TestJitterAndPercentAreSeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := func() (out []time.Duration) {
			i := chaos.New(chaos.WithSeed(7))
			inject(t, i, chaos.Fault{Kind: "latency", Latency: ms(100), Jitter: ms(50), Percent: 50})
			for range 200 {
				out = append(out, took(t, i, context.Background(), "op", nil))
			}
			return out
		}
		a, b := run(), run()
		hit := 0
		for n, d := range a {
			if d != b[n] {
				t.Fatalf("call %d took %v, then %v", n, d, b[n])
			}
			if d == 0 {
				continue
			}
			hit++
			if d < 50*time.Millisecond || d > 150*time.Millisecond {
				t.Errorf("took %v", d)
			}
		}
		if hit < 70 || hit > 130 {
			t.Errorf("%d of 200 calls hit, want about half", hit)
		}
	})
}

func TestLatencyEndsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := chaos.New()
		inject(t, i, chaos.Fault{Kind: "latency", Latency: ms(500)})
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		if err := i.Apply(ctx, "op", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
}

func TestErrorOverHTTPReadsLikeAnyOutage(t *testing.T) {
	i := chaos.New()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /items/{id}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	h := i.Handler(mux)
	get := func() *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/items/7", nil))
		return w
	}
	id := inject(t, i, chaos.Fault{Kind: "error", Code: "UNAVAILABLE", Operation: "GET /items/{id}"})
	if w := get(); w.Code != 503 || strings.TrimSpace(w.Body.String()) != `{"error":"service unavailable"}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	i.Clear(id)
	if w := get(); w.Code != 200 {
		t.Errorf("after clearing: %d", w.Code)
	}
}

// The names in telemetry are the same with and without a fault.
func TestNothingNamesTheFault(t *testing.T) {
	signals := func(fault bool) map[string]bool {
		i := chaos.New()
		if fault {
			inject(t, i, chaos.Fault{Kind: "latency", Latency: ms(1), Sealed: true})
		}
		rec := mwtest.New(t)
		mux := http.NewServeMux()
		mux.HandleFunc("GET /x", func(http.ResponseWriter, *http.Request) {})
		httpmw.Handler(i.Handler(mux), httpmw.WithTelemetry(rec.Telemetry), httpmw.WithMux(mux)).
			ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/x", nil))
		seen := map[string]bool{}
		for _, s := range rec.Spans() {
			seen["span "+s.Name] = true
			for k := range s.Attributes {
				seen["attribute "+k] = true
			}
			for _, e := range s.Events {
				seen["event "+e] = true
			}
		}
		for _, l := range rec.Lines() {
			for k := range l {
				seen["field "+k] = true
			}
			seen["message "+l["message"].(string)] = true
		}
		mfs, _ := rec.Registry.Gather()
		for _, mf := range mfs {
			seen["metric "+mf.GetName()] = true
		}
		return seen
	}
	with, without := signals(true), signals(false)
	for k := range with {
		if !without[k] {
			t.Errorf("only with the fault: %s", k)
		}
	}
	for k := range without {
		if !with[k] {
			t.Errorf("only without the fault: %s", k)
		}
	}
}

func TestAdmin(t *testing.T) {
	i := chaos.New(chaos.WithToken("secret"), chaos.WithOperations("GET /x"))
	call := func(i *chaos.Injector, method, path, token, body string) (int, string) {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		i.AdminHandler().ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	for _, c := range []struct {
		reason, method, path, token, body string
		want                              int
	}{
		{"a missing token is refused", "GET", "/chaos", "", "", 401},
		{"so is a wrong one", "GET", "/chaos", "wrong", "", 401},
		{"no JSON", "POST", "/chaos", "secret", "{", 400},
		{"an unknown field is a typo", "POST", "/chaos", "secret", `{"kind":"latency","latency":"1ms","percentage":1}`, 400},
		{"a bad duration", "POST", "/chaos", "secret", `{"kind":"latency","latency":"fast"}`, 400},
		{"an unknown kind", "POST", "/chaos", "secret", `{"kind":"magic"}`, 422},
		{"a latency of nothing", "POST", "/chaos", "secret", `{"kind":"latency"}`, 422},
		{"a latency whose sum with its jitter overflows", "POST", "/chaos", "secret", `{"kind":"latency","latency":"1500000h","jitter":"1500000h"}`, 422},
		{"more than one fault", "POST", "/chaos", "secret", `{"kind":"latency","latency":"1ms"} {}`, 400},
		{"a percentage above 100", "POST", "/chaos", "secret", `{"kind":"latency","latency":"1ms","percent":101}`, 422},
		{"an unknown code", "POST", "/chaos", "secret", `{"kind":"error","code":"TEAPOT"}`, 422},
		{"an unknown operation", "POST", "/chaos", "secret", `{"kind":"error","operation":"GET /y"}`, 422},
		{"a fault", "POST", "/chaos", "secret", `{"kind":"latency","latency":"1ms","for":"1m"}`, 201},
		{"an unknown fault", "DELETE", "/chaos/9", "secret", "", 404},
	} {
		if code, body := call(i, c.method, c.path, c.token, c.body); code != c.want {
			t.Errorf("%s: %d %s, want %d", c.reason, code, body, c.want)
		}
	}
	if _, body := call(i, "POST", "/chaos", "secret", `{"kind":"error","operation":"GET /y"}`); !strings.Contains(body, "GET /x") {
		t.Errorf("the known operations are not said: %s", body)
	}
	if code, _ := call(chaos.New(), "GET", "/chaos", "", ""); code != 404 {
		t.Errorf("without a token set: %d, want 404", code)
	}
	var list struct {
		Faults []chaos.Fault
		Sealed bool
	}
	_, body := call(i, "GET", "/chaos", "secret", "")
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list.Faults) != 1 || list.Sealed {
		t.Errorf("list %s", body)
	}
	_, _ = call(i, "POST", "/chaos", "secret", `{"kind":"latency","latency":"1ms","sealed":true}`)
	if _, body := call(i, "GET", "/chaos", "secret", ""); strings.TrimSpace(body) != `{"faults":[],"sealed":true}` {
		t.Errorf("while sealed: %s", body)
	}
	if code, _ := call(i, "DELETE", "/chaos", "secret", ""); code != 204 {
		t.Errorf("clear: %d", code)
	}
}

// A service without faults has no Injector. Its endpoints exist all the same.
func TestANilInjectorHasNoAdminEndpoint(t *testing.T) {
	var none *chaos.Injector
	w := httptest.NewRecorder()
	none.AdminHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/chaos", nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("status %d", w.Code)
	}
}
