package drill

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/tenhop/tenhop/query/prometheus"
)

// A heartbeat that always fires is no alert of a round, nor is one that is pending.
func TestFiring(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"status":"success","data":{"alerts":[
			{"labels":{"alertname":"Heartbeat","severity":"none"},"state":"firing"},
			{"labels":{"alertname":"SlowHop","severity":"page"},"state":"firing"},
			{"labels":{"alertname":"HopErrors"},"state":"firing"},
			{"labels":{"alertname":"Down"},"state":"pending"}]}}`)
	}))
	defer srv.Close()
	api, err := prometheus.New(srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := metrics{api}.firing(t.Context())
	if names := slices.Sorted(maps.Values(got)); err != nil || !slices.Equal(names, []string{"HopErrors", "SlowHop"}) {
		t.Errorf("%v, %v", names, err)
	}
}
