package services_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/services/runtime"
	"github.com/tenhop/tenhop/services/runtime/storetest"
)

// A search in the engine is in the trace of its request and has the correlation ID, and so
// has what the database does in the engine's place.
func TestSearchEngine(t *testing.T) {
	t.Run("opensearch", func(t *testing.T) {
		engine := storetest.Search(t)
		s := start(t, standIns(t), func(name string, c *runtime.Config) {
			if name == "catalog" {
				c.Search = engine
			}
		})
		search := func(text, id string) answer {
			return s.must(t, 0, http.MethodGet, "/search?q="+url.QueryEscape(text), "", "X-Correlation-ID", id)
		}
		until(t, "the engine answers", func() error {
			if a := search("kettel", "warm-up"); !strings.Contains(a.body, "kettle") {
				return fmt.Errorf("no kettle in %s", a.body)
			}
			return nil
		})
		search("lammp", "search-in-engine")
		lift := s.inject(t, "catalog", `{"kind":"down","dependency":"catalog-search","for":"30s"}`)
		defer lift()
		search("lamp", "search-without-engine")
		for id, want := range map[string]string{"search-in-engine": "engine", "search-without-engine": "database"} {
			until(t, id+" has its trace", func() error {
				traces := s.spans.tracesOf("catalog", id)
				if len(traces) != 1 {
					return fmt.Errorf("%d traces", len(traces))
				}
				var hop, engine span
				for _, sp := range s.spans.of(traces[0]) {
					switch {
					case sp.attributes["db.system.name"] == "elasticsearch":
						engine = sp
					case sp.attributes["catalog.search.store"] != "":
						hop = sp
					}
				}
				if hop.attributes["catalog.search.store"] != want || engine.parent != hop.id || engine.attributes["correlation_id"] != id ||
					engine.name != "search" ||
					(want == "database") != (engine.attributes["error.type"] != "") || (want == "database") != (hop.attributes["catalog.search.degraded_reason"] != "") {
					return fmt.Errorf("hop %+v, engine %+v", hop, engine)
				}
				return nil
			})
		}
	})
}
