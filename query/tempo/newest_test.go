package tempo_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/query/tempo"
)

// Only the newest traces are fetched, whatever the order of the search, also from a
// server that refuses the hint.
func TestNewest(t *testing.T) {
	for _, refuses := range []bool{false, true} {
		var searches, fetched []string
		mux := http.NewServeMux()
		mux.HandleFunc("GET /api/search", func(w http.ResponseWriter, r *http.Request) {
			searches = append(searches, r.FormValue("q"))
			if refuses && strings.Contains(r.FormValue("q"), "with") {
				http.Error(w, "parse error", http.StatusBadRequest)
				return
			}
			found := []map[string]string{}
			for _, at := range []int{3, 1, 4, 2} {
				found = append(found, map[string]string{"traceID": fmt.Sprint("a", at), "startTimeUnixNano": fmt.Sprint(at * 1e9)})
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"traces": found})
		})
		mux.HandleFunc("GET /api/traces/{id}", func(w http.ResponseWriter, r *http.Request) {
			fetched = append(fetched, r.PathValue("id"))
			_, _ = w.Write(body(t))
		})
		srv := httptest.NewServer(mux)
		c, err := tempo.New(srv.URL, srv.Client())
		if err != nil {
			t.Fatal(err)
		}
		q := query.Search{Service: "gateway", From: time.Unix(0, 0), To: time.Unix(9, 0), Limit: 1}
		for range 2 {
			found, err := c.Traces(t.Context(), q)
			if err != nil || len(found) != 1 || found[0].ID != "a4" {
				t.Errorf("refuses %v: %v %v", refuses, found, err)
			}
		}
		if want := map[bool]int{false: 2, true: 3}[refuses]; len(searches) != want || len(fetched) != 2 {
			t.Errorf("refuses %v: searches %q, fetched %v", refuses, searches, fetched)
		}
		srv.Close()
	}
}

func TestOperations(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/tempo/api/v2/search/tag/name/values" || r.FormValue("q") != `{ resource.service.name = "gateway" }` {
			t.Errorf("asked %s", r.URL)
		}
		_, _ = w.Write([]byte(`{"tagValues":[{"type":"string","value":"POST /pay"}],"metrics":{}}`))
	}))
	defer srv.Close()
	c, err := tempo.New(srv.URL+"/tempo/", srv.Client())
	if err != nil {
		t.Fatal(err)
	}
	if names, err := c.Operations(t.Context(), "gateway"); err != nil || len(names) != 1 || names[0] != "POST /pay" {
		t.Errorf("%v %v", names, err)
	}
}
