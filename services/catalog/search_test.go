package catalog

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/mwtest"
	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
	"github.com/tenhop/tenhop/services/runtime"
	"github.com/tenhop/tenhop/services/runtime/storetest"
)

// Typing errors find words, and never another number.
func TestTypingErrors(t *testing.T) {
	e := env(t, mwtest.New(t), storetest.Search(t))
	s := open(t, e)
	for _, c := range []struct {
		why, query, first string
		none              bool
	}{
		{"two letters exchanged", "kettel", "kettle", false},
		{"a letter too many", "lammp", "lamp", false},
		{"a letter missing", "speker", "speaker", false},
		{"two edits in a long word", "hedphnes", "headphones", false},
		{"the exact word comes before the similar one", "stool", "stool", false},
		{"an error in one of two words", "oak ketle", "oak kettle", false},
		{"both words must occur", "kettle tent", "", true},
		{"a number has no similar one", "no. 2999", "", true},
		{"three letters have no similar word", "oax", "", true},
		{"the first letter must be right", "xettle", "", true},
	} {
		got, err := s.Search(t.Context(), &pb.SearchRequest{Query: c.query})
		if err != nil {
			t.Fatal(err)
		}
		found := got.GetProducts()
		if c.none != (len(found) == 0) || !c.none && !strings.Contains(found[0].GetName(), c.first) {
			t.Errorf("%s: %q finds %d products, %v", c.why, c.query, len(found), found[:min(1, len(found))])
		}
	}
	wantStores(t, s, map[string]float64{"engine ": 10})
}

func env(t *testing.T, rec *mwtest.Recorder, search string) *runtime.Env {
	t.Helper()
	e := &runtime.Env{Name: "catalog", Telemetry: rec.Telemetry,
		Config: runtime.Config{Store: "sqlite://" + filepath.Join(t.TempDir(), "catalog.db"), Search: search}}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return e
}

// gate is in front of an engine and does what a test wants of it.
type gate struct {
	mu     sync.Mutex
	does   string // "" passes on
	engine http.Handler
}

func (g *gate) set(does string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.does = does
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	does := g.does
	g.mu.Unlock()
	switch does {
	case "break":
		panic(http.ErrAbortHandler)
	case "hang":
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	case "503", "404", "429", "400":
		w.WriteHeader(map[string]int{"503": 503, "404": 404, "429": 429, "400": 400}[does])
	case "nonsense":
		_, _ = io.WriteString(w, "<html>")
	default:
		g.engine.ServeHTTP(w, r)
	}
}

// standIn has the part of the API that catalog uses, with one product for any search. Its
// zero value has no index.
type standIn struct {
	mu   sync.Mutex
	docs int
	made bool
}

func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	_, api, _ := strings.Cut(r.URL.Path, "/_")
	switch {
	case r.Method == http.MethodPut:
		s.made = true
	case !s.made:
		w.WriteHeader(http.StatusNotFound)
	case api == "count":
		_ = json.NewEncoder(w).Encode(map[string]int{"count": s.docs})
	case api == "bulk":
		s.docs = strings.Count(string(body), "\n") / 2
		_, _ = io.WriteString(w, `{"errors":false}`)
	case api == "search":
		_, _ = io.WriteString(w, `{"hits":{"hits":[{"_source":{"id":"p-000","name":"oak kettle no. 0"}}]}}`)
	}
}

// Without an answer of the engine the database answers: the request does not fail, span
// and metric say so, and the engine is used again as soon as it answers.
func TestDegradation(t *testing.T) {
	engines := map[string]func(t *testing.T) http.Handler{
		"stand-in": func(*testing.T) http.Handler { return &standIn{} },
		"opensearch": func(t *testing.T) http.Handler {
			u, err := url.Parse(storetest.Search(t))
			if err != nil {
				t.Fatal(err)
			}
			return httputil.NewSingleHostReverseProxy(u)
		},
	}
	for name, engine := range engines {
		for _, c := range []struct {
			why, does, reason string
			stays             bool // the engine is asked again at once
		}{
			{"it breaks connections", "break", reasonUnavailable, false},
			{"it does not answer", "hang", reasonTimeout, false},
			{"it is not ready", "503", reasonRefused, false},
			{"it has lost the index", "404", reasonRefused, false},
			{"it is overloaded", "429", reasonRefused, false},
			{"it refuses the query", "400", reasonRefused, true},
			{"its answer is none", "nonsense", reasonUnavailable, false},
		} {
			t.Run(name+"/"+c.does, func(t *testing.T) {
				g := &gate{engine: engine(t)}
				front := httptest.NewServer(g)
				t.Cleanup(front.Close)
				rec := mwtest.New(t)
				s := open(t, env(t, rec, front.URL))

				// search returns the attributes of a search's hop.
				search := func() map[string]string {
					t.Helper()
					ctx, h := rec.Core().Begin(t.Context(), adapter.Incoming{Protocol: "grpc", Operation: "Search", SpanKind: trace.SpanKindServer})
					got, err := s.Search(ctx, &pb.SearchRequest{Query: "kettle"})
					h.End(adapter.Outcome{})
					if err != nil || len(got.GetProducts()) == 0 {
						t.Fatalf("%s: %v, %v", c.why, got, err)
					}
					for _, sp := range rec.Spans() {
						if sp.SpanContext.SpanID() == h.Span().SpanContext().SpanID() {
							return sp.Attributes
						}
					}
					t.Fatal("the hop has no span")
					return nil
				}
				want := func(store, reason string) {
					t.Helper()
					if got := search(); got[string(attrStore)] != store || got[string(attrReason)] != reason {
						t.Errorf("answered by %q, reason %q, want %q and %q", got[string(attrStore)], got[string(attrReason)], store, reason)
					}
				}
				want(storeEngine, "")
				g.set(c.does)
				if c.does == "hang" {
					s.index.timeout = 100 * time.Millisecond
				}
				want(storeDatabase, c.reason)
				if c.stays {
					want(storeDatabase, c.reason)
					wantStores(t, s, map[string]float64{"engine ": 1, "database " + c.reason: 2})
				} else {
					want(storeDatabase, reasonNotReady) // without asking it
					wantStores(t, s, map[string]float64{"engine ": 1, "database " + c.reason: 1, "database " + reasonNotReady: 1})
				}
				failed := 0
				for _, sp := range rec.Spans() {
					if sp.Attributes["db.system.name"] == "elasticsearch" && sp.Attributes["error.type"] != "" {
						failed++
					}
				}
				if want := map[bool]int{true: 2, false: 1}[c.stays]; c.does != "nonsense" && failed != want {
					t.Errorf("%d failed spans of the engine, want %d", failed, want)
				}
				keeping := make(chan error, 1)
				go func() { keeping <- s.index.keep(t.Context()) }()
				t.Cleanup(func() { <-keeping })
				g.set("")
				s.index.timeout = time.Minute
				deadline := time.Now().Add(time.Minute)
				for search()[string(attrStore)] != storeEngine {
					if time.Now().After(deadline) {
						t.Fatal("the engine is not used again")
					}
					time.Sleep(10 * time.Millisecond)
				}
			})
		}
	}
}

// An engine that comes back without its data gets all products before it is asked again.
func TestLostIndex(t *testing.T) {
	engine := &standIn{}
	front := httptest.NewServer(engine)
	t.Cleanup(front.Close)
	s := open(t, env(t, mwtest.New(t), front.URL))
	engine.mu.Lock()
	engine.made, engine.docs = false, 0
	engine.mu.Unlock()
	if err := s.index.prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	engine.mu.Lock()
	defer engine.mu.Unlock()
	if engine.docs != Products {
		t.Errorf("%d products in the index, want %d", engine.docs, Products)
	}
}

// A URL that is none is refused, without its password in the error.
func TestSearchURL(t *testing.T) {
	for _, u := range []string{"localhost:9200", "ftp://localhost", "http://user:secret@:9 200"} {
		if _, err := env(t, mwtest.New(t), u).OpenSearchEngine(engineName); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", u, err)
		}
	}
}
