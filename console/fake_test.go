package console

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tenhop/tenhop/drill"
)

const token = "secret-token"

// backends answers for all sources in the shapes that the real ones have.
type backends struct {
	*httptest.Server
	mu      sync.Mutex
	vectors map[string]string // query, or a part of it, to result
	alerts  string
	faults  []string // bodies that were posted to the admin endpoint
	sealed  bool     // another drill hides a fault
	stuck   bool     // no fault can be lifted
	lifted  int
	asked   []string // paths with queries
}

func newBackends(t *testing.T) *backends {
	b := &backends{vectors: map[string]string{}, alerts: `[]`}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/query", b.query)
	mux.HandleFunc("GET /api/v1/alerts", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"status":"success","data":{"alerts":%s}}`, b.alerts)
	})
	mux.HandleFunc("GET /api/services", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"data":["payment","gateway"]}`)
	})
	mux.HandleFunc("GET /api/traces", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("service") == "payment" {
			fmt.Fprint(w, `{"data":[]}`)
			return
		}
		fmt.Fprintf(w, `{"data":[%s,%s]}`, checkout("aa", 40), checkout("bb", 50))
	})
	mux.HandleFunc("GET /api/traces/{id}", func(w http.ResponseWriter, r *http.Request) {
		switch id := r.PathValue("id"); id {
		case "aa", "bb", "cc":
			fmt.Fprintf(w, `{"data":[%s]}`, checkout(id, 540))
		default:
			http.Error(w, `{"errors":[{"code":404,"msg":"trace not found"}]}`, http.StatusNotFound)
		}
	})
	mux.HandleFunc("GET /loki/api/v1/query_range", func(w http.ResponseWriter, r *http.Request) {
		// A line that came over OTLP bears the ID beside it; the JSON lines are found by both queries.
		otlp := ""
		if strings.Contains(r.FormValue("query"), "| trace_id = ") {
			otlp = `{"stream":{"service_name":"order","trace_id":"aa","span_id":"o","severity_text":"warn","correlation_id":"c-1","duration_ms":"7"},"values":[
			["1795445270500000000","request"]]},`
		}
		fmt.Fprint(w, `{"data":{"resultType":"streams","result":[`+otlp+`{"stream":{"service_name":"payment","level":"info"},"values":[
			["1795445270000000000","{\"level\":\"error\",\"span_id\":\"p\",\"message\":\"<b>declined</b>\",\"trace_id\":\"aa\",\"status\":\"OK\",\"duration_ms\":3.5}"],
			["1795445271000000000","not json"]]}]}}`)
	})
	mux.HandleFunc("POST /chaos", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		b.mu.Lock()
		defer b.mu.Unlock()
		if strings.Contains(string(body), "nowhere") {
			w.WriteHeader(http.StatusUnprocessableEntity)
			fmt.Fprint(w, `{"error":"operation nowhere is not known"}`)
			return
		}
		b.faults = append(b.faults, string(body))
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"id":"%d"}`, len(b.faults))
	})
	mux.HandleFunc("GET /chaos", func(w http.ResponseWriter, _ *http.Request) {
		b.mu.Lock()
		defer b.mu.Unlock()
		fmt.Fprintf(w, `{"faults":[],"sealed":%t}`, b.sealed)
	})
	lift := func(w http.ResponseWriter, _ *http.Request) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.stuck {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		b.lifted++
		w.WriteHeader(http.StatusNoContent)
	}
	mux.HandleFunc("DELETE /chaos", lift)
	mux.HandleFunc("DELETE /chaos/{id}", lift)
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		b.asked = append(b.asked, r.URL.String())
		b.mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(b.Close)
	return b
}

func (b *backends) query(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	q := r.URL.Query().Get("query")
	result := b.vectors[q]
	if result == "" {
		for part, v := range b.vectors {
			if strings.HasPrefix(part, "*") && strings.Contains(q, part[1:]) {
				result = v
			}
		}
	}
	fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[%s]}}`, result)
}

// checkout is a trace in Jaeger's form: gateway waits for payment, milliseconds.
func checkout(id string, payment int) string {
	span := func(span, parent, op, kind, process string, start, duration int) string {
		ref := ""
		if parent != "" {
			ref = fmt.Sprintf(`{"refType":"CHILD_OF","traceID":%q,"spanID":%q}`, id, parent)
		}
		return fmt.Sprintf(`{"spanID":%q,"operationName":%q,"references":[%s],"startTime":%d,"duration":%d,"processID":%q,"tags":[{"key":"span.kind","type":"string","value":%q},{"key":"correlation_id","type":"string","value":"c-1"}]}`,
			span, op, ref, 1795445270000000+1000*start, 1000*duration, process, kind)
	}
	all := strings.Join([]string{
		span("g", "", "POST /checkout", "server", "p1", 0, payment+10),
		span("c", "g", "tenhop.v1.Payment/Charge", "client", "p1", 5, payment+2),
		span("p", "c", "tenhop.v1.Payment/Charge", "server", "p2", 6, payment),
	}, ",")
	return fmt.Sprintf(`{"traceID":%q,"spans":[%s],"processes":{"p1":{"serviceName":"gateway"},"p2":{"serviceName":"payment"}}}`, id, all)
}

// series is a sample of a vector: labels as name=value, then the value.
func series(value float64, labels ...string) string {
	m := map[string]string{}
	for _, l := range labels {
		k, v, _ := strings.Cut(l, "=")
		m[k] = v
	}
	b, _ := json.Marshal(m)
	return fmt.Sprintf(`{"metric":%s,"value":[1,"%g"]}`, b, value)
}

func newConsole(t *testing.T, b *backends, change func(*Config)) *Console {
	t.Helper()
	cfg := Config{Prometheus: b.URL, Jaeger: b.URL, Loki: b.URL, Token: token, Logger: slog.New(slog.DiscardHandler),
		Storefront: func() (Storefront, error) {
			return Storefront{Entry: drill.Entry{Service: "gateway", Operation: "POST /checkout"}, Up: time.Now().Add(-time.Hour),
				Faults: drill.Faults{Services: map[string][]string{"payment": {"payment"}, "gateway": {"gateway"}},
					Admin: map[string]string{"payment": b.URL, "gateway": b.URL}, Token: token}}, nil
		}}
	if change != nil {
		change(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// do sends a request as a browser on this machine would.
func do(c *Console, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "127.0.0.1:8000"
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
			continue
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w
}

func decode[T any](t *testing.T, w *httptest.ResponseRecorder) T {
	t.Helper()
	var v T
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatal(err)
	}
	return v
}
