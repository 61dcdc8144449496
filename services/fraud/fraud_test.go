package fraud

import (
	"testing"

	"github.com/tenhop/tenhop/services/contracts"
	"github.com/tenhop/tenhop/services/runtime"
	"github.com/tenhop/tenhop/services/runtime/storetest"
)

func TestJudge(t *testing.T) {
	storetest.Each(t, "fraud", func(t *testing.T, e *runtime.Env) {
		store, err := e.OpenStore(t.Context(), migrations)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Exec(t.Context(), "UPDATE rules SET max_per_minute = 3 WHERE method = 'card'"); err != nil {
			t.Fatal(err)
		}
		s := &server{store: store}
		verdict := func(c contracts.FraudCheck) contracts.FraudVerdict {
			t.Helper()
			v, err := s.judge(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		if v := verdict(contracts.FraudCheck{UserID: "a", Method: "shells", Amount: 1}); v.Allowed {
			t.Error("an unknown method passed")
		}
		if v := verdict(contracts.FraudCheck{UserID: "b", Method: "card", Amount: 1 << 40}); v.Allowed {
			t.Error("any amount passes")
		}
		// The minute may turn once in between and start the count again.
		allowed := 0
		for range 8 {
			if verdict(contracts.FraudCheck{UserID: "c", Method: "card", Amount: 995}).Allowed {
				allowed++
			}
		}
		if allowed < 3 || allowed > 6 {
			t.Errorf("%d of 8 charges passed, 3 a minute may", allowed)
		}
		if v := verdict(contracts.FraudCheck{UserID: "d", Method: "card", Amount: 995}); !v.Allowed {
			t.Error("one customer's haste was held against another")
		}
	})
}
