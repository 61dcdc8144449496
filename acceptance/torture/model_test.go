package torture

import "testing"

// at returns an observation of one checkout within [call, back], in seconds.
func at(call, back float64, outcome Outcome, order ...string) Observation {
	o := Observation{Checkout: Checkout{"ada", "k"}, Call: int64(call * 1e9), Return: int64(back * 1e9), Outcome: outcome}
	if len(order) > 0 {
		o.Order = order[0]
	}
	return o
}

func TestModel(t *testing.T) {
	for _, c := range []struct {
		why     string
		history []Observation
		want    bool
	}{
		{"a retry has the same order", []Observation{at(0, 1, Acknowledged, "o-1"), at(2, 3, Acknowledged, "o-1")}, true},
		{"a retry has another order", []Observation{at(0, 1, Acknowledged, "o-1"), at(2, 3, Acknowledged, "o-2")}, false},
		{"two at once have two orders", []Observation{at(0, 3, Acknowledged, "o-1"), at(1, 2, Acknowledged, "o-2")}, false},
		{"a lost answer, then the order", []Observation{at(0, 1, Unknown), at(2, 3, Acknowledged, "o-1")}, true},
		{"a lost answer, then a failure", []Observation{at(0, 1, Unknown), at(2, 3, Failed)}, true},
		{"a lost answer that happens late", []Observation{at(0, 1, Unknown), at(2, 3, Empty), at(4, 5, Acknowledged, "o-1"), at(6, 7, Listed, "o-1")}, true},
		{"a lost answer hides another order", []Observation{at(0, 1, Acknowledged, "o-1"), at(2, 3, Unknown), at(4, 5, Acknowledged, "o-2")}, false},
		{"an acknowledged order fails", []Observation{at(0, 1, Acknowledged, "o-1"), at(2, 3, Failed)}, false},
		{"a failed checkout is acknowledged", []Observation{at(0, 1, Failed), at(2, 3, Acknowledged, "o-1")}, false},
		{"a refused checkout is acknowledged", []Observation{at(0, 1, Refused), at(2, 3, Unknown), at(4, 5, Acknowledged, "o-1")}, false},
		{"a refused checkout, then its key again", []Observation{at(0, 1, Refused), at(2, 3, Failed)}, true},
		{"an acknowledged key starts again", []Observation{at(0, 1, Acknowledged, "o-1"), at(2, 3, Empty)}, false},
		{"an empty cart, then a full one", []Observation{at(0, 1, Empty), at(2, 3, Acknowledged, "o-1")}, true},
		{"an acknowledged order is listed", []Observation{at(0, 1, Acknowledged, "o-1"), at(2, 3, Listed, "o-1")}, true},
		{"an acknowledged order is not listed", []Observation{at(0, 1, Acknowledged, "o-1"), at(2, 3, Missing, "o-1")}, false},
		{"an order is listed that nobody placed", []Observation{at(0, 1, Listed, "o-1")}, false},
		{"an order is listed before its answer", []Observation{at(0, 4, Acknowledged, "o-1"), at(1, 2, Missing, "o-1"), at(5, 6, Listed, "o-1")}, true},
		{"the store lost an acknowledged order", []Observation{at(0, 1, Acknowledged, "o-1"), at(9, 10, Nothing)}, false},
		{"the store never had it", []Observation{at(0, 1, Unknown), at(9, 10, Nothing)}, true},
		{"the store has it", []Observation{at(0, 1, Unknown), at(9, 10, Acknowledged, "o-1")}, true},
		{"the store lost a failure", []Observation{at(0, 1, Failed), at(9, 10, Nothing)}, false},
		{"two failures at once", []Observation{at(0, 2, Refused), at(1, 3, Failed)}, true},
	} {
		if got := len(CheckHistories(c.history)) == 0; got != c.want {
			t.Errorf("%s: accepted %v, want %v", c.why, got, c.want)
		}
	}
}

// Checkouts are independent of each other.
func TestHistoriesAreApart(t *testing.T) {
	other := at(2, 3, Acknowledged, "o-2")
	other.Key = "k-2"
	if v := CheckHistories([]Observation{at(0, 1, Acknowledged, "o-1"), other}); len(v) > 0 {
		t.Error(v)
	}
}

func TestStoredObservations(t *testing.T) {
	l := Ledger{Sagas: []Saga{{Order: "o-1", User: "ada", Key: "a", State: done}, {Order: "o-2", User: "ada", Key: "b", State: failed}, {Order: "o-3", User: "ada", Key: "c", State: started}}}
	want := map[string]Outcome{"a": Acknowledged, "b": Failed, "c": Unknown, "d": Nothing}
	tried := map[Checkout]bool{}
	for key := range want {
		tried[Checkout{"ada", key}] = true
	}
	for _, o := range StoredObservations(l, tried, 1) {
		if o.Outcome != want[o.Key] || (o.Outcome == Acknowledged) != (o.Order == "o-1") {
			t.Errorf("%+v", o)
		}
	}
}
