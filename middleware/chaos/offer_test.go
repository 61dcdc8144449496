package chaos_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/chaos"
)

func kind(name string, fields ...string) chaos.Kind {
	return chaos.Kind{Name: name, Does: "it", Symptom: "it shows", Cause: "code", Fields: fields}
}

func TestOnAsksForASwitch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := chaos.New(chaos.WithSeed(3), chaos.WithKinds(chaos.Implementation{Kind: kind("n_plus_one", "percent", "dependency")}))
		if _, on := i.On(t.Context(), "n_plus_one"); on {
			t.Error("on without a fault")
		}
		inject(t, i, chaos.Fault{Kind: "n_plus_one", Percent: 25, Dependency: "catalog", For: chaos.Duration(time.Minute)})
		if _, on := i.On(t.Context(), "n_plus_one"); on {
			t.Error("a fault of one dependency affects calls of none")
		}
		hit := 0
		for range 400 {
			if f, on := i.OnCall(t.Context(), "n_plus_one", "catalog"); on {
				hit++
				if f.Percent != 25 {
					t.Fatalf("asked for %+v", f)
				}
			}
		}
		if hit < 60 || hit > 140 {
			t.Errorf("%d of 400 were affected, want about 100", hit)
		}
		if d := took(t, i, t.Context(), "op", nil); d != 0 {
			t.Errorf("a switch made a request wait %v", d)
		}
		time.Sleep(time.Minute)
		if _, on := i.OnCall(t.Context(), "n_plus_one", "catalog"); on {
			t.Error("on after its end")
		}
		if _, on := (*chaos.Injector)(nil).On(t.Context(), "n_plus_one"); on {
			t.Error("a nil injector reports a fault")
		}
	})
}

func TestOfferedKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refuse := errors.New("not now")
		begun, ended, seen := 0, 0, []any{}
		i := chaos.New()
		own := chaos.Implementation{
			Kind: kind("own", "factor", "operation"),
			Check: func(f chaos.Fault) error {
				if f.Factor < 2 {
					return errors.New("factor must be at least 2")
				}
				return nil
			},
			Begin: func(ctx context.Context, f chaos.Fault) error {
				if f.Factor > 9 {
					return refuse
				}
				begun++
				context.AfterFunc(ctx, func() { ended++ })
				return nil
			},
			Request: func(_ context.Context, _ chaos.Fault, req any) error {
				seen = append(seen, req)
				return nil
			},
		}
		i.Offer(own)
		i.Offer(own) // a service that is built again
		names := []string{}
		for _, k := range i.Kinds() {
			names = append(names, k.Name)
		}
		if slices.Index(names, "own") != len(names)-1 || slices.Index(names, "latency") != 0 || len(names) != len(chaos.Kinds())+1 {
			t.Errorf("kinds %v", names)
		}
		for _, c := range []struct {
			fault chaos.Fault
			want  string
		}{
			{chaos.Fault{Kind: "own", Factor: 1}, "factor must be at least 2"},
			{chaos.Fault{Kind: "own", Factor: 10}, "not now"},
			{chaos.Fault{Kind: "own", Factor: 2, Code: "503"}, "own does not use code"},
			{chaos.Fault{Kind: "latency", Latency: ms(1), Factor: 2}, "latency does not use factor"},
		} {
			if _, err := i.Inject(c.fault); err == nil || err.Error() != c.want {
				t.Errorf("%+v: %v, want %s", c.fault, err, c.want)
			}
		}
		id := inject(t, i, chaos.Fault{Kind: "own", Factor: 3, Operation: "op"})
		took(t, i, t.Context(), "op", "a request")
		took(t, i, t.Context(), "other", "another")
		i.Clear(id)
		synctest.Wait()
		if begun != 1 || ended != 1 || len(seen) != 1 || seen[0] != "a request" {
			t.Errorf("begun %d, ended %d, requests %v", begun, ended, seen)
		}
	})
}

// The type of an injected error is a label of metrics.
func TestTheTypeOfAnErrorIsOrdinary(t *testing.T) {
	i := chaos.New()
	inject(t, i, chaos.Fault{Kind: "error"})
	err := i.Apply(t.Context(), "op", nil)
	if got := adapter.ErrorType(err); got != "*errors.errorString" {
		t.Errorf("error type %s", got)
	}
}

func TestSlowQueryMakesTheStoreWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := chaos.New()
		if _, err := i.Inject(chaos.Fault{Kind: "slow_query", Latency: ms(30)}); err == nil {
			t.Error("accepted without a store")
		}
		worked := 0
		i.SetStore(chaos.Store{Name: "orders-db", Work: func(context.Context) error {
			worked++
			time.Sleep(3 * time.Millisecond)
			return nil
		}})
		inject(t, i, chaos.Fault{Kind: "slow_query", Latency: ms(30)})
		took(t, i, t.Context(), "op", nil)
		if worked != 0 {
			t.Error("a request made the store work")
		}
		if err := i.ApplyCall(t.Context(), "orders-db"); err != nil || worked != 10 {
			t.Errorf("a statement: %v, worked %d times of 3 ms, want 10", err, worked)
		}
	})
}

// A fault that is held ends when its caller dies.
func TestAHeldFaultEndsWithItsCaller(t *testing.T) {
	i := chaos.New(chaos.WithToken("secret"))
	admin := httptest.NewServer(i.AdminHandler())
	defer admin.Close()
	ctx, die := context.WithCancel(t.Context())
	defer die()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, admin.URL+"/chaos?hold=true", strings.NewReader(`{"kind":"latency","latency":"1ms"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer secret")
	resp, err := admin.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	line, err := bufio.NewReader(resp.Body).ReadBytes('\n')
	var created struct{ ID string }
	if err != nil || json.Unmarshal(line, &created) != nil || created.ID == "" {
		t.Fatalf("answer %q %v", line, err)
	}
	if faults, _ := i.List(); len(faults) != 1 {
		t.Fatalf("in force: %v", faults)
	}
	die()
	for range 500 {
		if faults, _ := i.List(); len(faults) == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the fault outlives its caller")
}

func TestAdminListsTheKinds(t *testing.T) {
	i := chaos.New(chaos.WithToken("secret"), chaos.WithKinds(chaos.Implementation{Kind: kind("own")}))
	r := httptest.NewRequest(http.MethodGet, "/chaos/kinds", nil)
	r.Header.Set("Authorization", "Bearer secret")
	w := httptest.NewRecorder()
	i.AdminHandler().ServeHTTP(w, r)
	var list struct{ Kinds []chaos.Kind }
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || len(list.Kinds) != len(i.Kinds()) {
		t.Errorf("%v: %s", err, w.Body)
	}
}
