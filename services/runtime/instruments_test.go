package runtime

import (
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/middleware/database"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// A service answers and opens its store with each kind of instruments, and only the
// composed ones count its requests in their own families.
func TestInstruments(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	for _, kind := range []Instruments{InstrumentsMiddleware, InstrumentsComposed, InstrumentsNone} {
		t.Run("instruments "+string(kind), func(t *testing.T) {
			e := &Env{Name: "shop", Telemetry: mwtest.New(t).Telemetry, Config: Config{Instruments: kind, LogWriter: io.Discard}}
			if _, err := e.startInstruments(t.Context()); err != nil {
				t.Fatal(err)
			}
			db, err := e.openDB("sqlite", "file:"+filepath.Join(t.TempDir(), "shop.db"), "shop-db", "sqlite", database.Location{})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			mux := http.NewServeMux()
			mux.HandleFunc("GET /items/{id}", func(w http.ResponseWriter, r *http.Request) {
				var n int
				if err := db.QueryRowContext(r.Context(), "SELECT 1").Scan(&n); err != nil {
					t.Error(err)
				}
			})
			rec := httptest.NewRecorder()
			e.Handler(mux, mux).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/items/7", nil))
			if rec.Code != http.StatusOK {
				t.Errorf("status %d", rec.Code)
			}
			if correlated := rec.Header().Get("X-Correlation-Id") != ""; correlated != (kind != InstrumentsNone) {
				t.Errorf("a correlation ID: %v", correlated)
			}
			e.dialOptions("peer")
			e.dialOptions("another")
			e.serverOptions()
			e.kafkaOptions()
			if kind != InstrumentsComposed {
				return
			}
			page := httptest.NewRecorder()
			e.peers.MetricsHandler().ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
			if want := `http_server_total{code="200",method="get",route="GET /items/{id}"} 1`; !strings.Contains(page.Body.String(), want) {
				t.Errorf("no %s in\n%s", want, page.Body)
			}
		})
	}
}
