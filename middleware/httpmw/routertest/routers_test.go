// Package routertest holds httpmw against other people's routers. It is a module
// of its own, so that none of them enters the library's go.mod.
package routertest

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/gorilla/mux"
	"github.com/labstack/echo/v4"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// routers build one route each, measured as its package's users would; the
// handler's own view of the entry must know the route already.
var routers = map[string]struct {
	route string
	build func(tel *hop.Telemetry, seen func(*http.Request)) http.Handler
}{
	"std": {"/items/{id}", func(tel *hop.Telemetry, seen func(*http.Request)) http.Handler {
		m := http.NewServeMux()
		m.HandleFunc("GET /items/{id}", func(_ http.ResponseWriter, r *http.Request) { seen(r) })
		return httpmw.Handler(m, httpmw.WithTelemetry(tel))
	}},
	"chi": {"/items/{id}", func(tel *hop.Telemetry, seen func(*http.Request)) http.Handler {
		r := chi.NewRouter()
		r.Use(httpmw.Middleware(httpmw.WithTelemetry(tel), httpmw.WithRouteFunc(func(r *http.Request) string {
			return chi.RouteContext(r.Context()).RoutePattern()
		})))
		r.Get("/items/{id}", func(_ http.ResponseWriter, r *http.Request) { seen(r) })
		return r
	}},
	"gorilla": {"/items/{id}", func(tel *hop.Telemetry, seen func(*http.Request)) http.Handler {
		r := mux.NewRouter()
		r.Use(httpmw.Middleware(httpmw.WithTelemetry(tel), httpmw.WithRouteFunc(func(r *http.Request) string {
			pattern, err := mux.CurrentRoute(r).GetPathTemplate()
			if err != nil {
				return ""
			}
			return pattern
		})))
		r.HandleFunc("/items/{id}", func(_ http.ResponseWriter, r *http.Request) { seen(r) })
		return r
	}},
	"gin": {"/items/:id", func(tel *hop.Telemetry, seen func(*http.Request)) http.Handler {
		gin.SetMode(gin.ReleaseMode)
		g := gin.New()
		g.Use(func(c *gin.Context) { httpmw.SetRoute(c.Request.Context(), c.FullPath()) })
		g.GET("/items/:id", func(c *gin.Context) { seen(c.Request) })
		return httpmw.Handler(g, httpmw.WithTelemetry(tel))
	}},
	"echo": {"/items/:id", func(tel *hop.Telemetry, seen func(*http.Request)) http.Handler {
		e := echo.New()
		e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c echo.Context) error {
				httpmw.SetRoute(c.Request().Context(), c.Path())
				return next(c)
			}
		})
		e.GET("/items/:id", func(c echo.Context) error { seen(c.Request()); return nil })
		return httpmw.Handler(e, httpmw.WithTelemetry(tel))
	}},
}

func TestTheRouteReachesEverySignal(t *testing.T) {
	for name, c := range routers {
		t.Run(name, func(t *testing.T) {
			rec := mwtest.New(t)
			var entry string
			h := c.build(rec.Telemetry, func(r *http.Request) { entry = hop.EntryOf(r.Context()) })
			r := httptest.NewRequest("GET", "/items/7", nil)
			r.Header.Set("X-Correlation-ID", "c-1")
			h.ServeHTTP(httptest.NewRecorder(), r)
			operation := "GET " + c.route
			rec.Span(operation).Want("http.route", c.route)
			if rec.Count("http_server_request_duration_seconds", "http_route", c.route) != 1 {
				t.Error("the route is not the metric's label")
			}
			if got := rec.Line("c-1")["operation"]; got != operation {
				t.Errorf("log line says %v", got)
			}
			if entry != operation {
				t.Errorf("inside the handler the entry is %q", entry)
			}
		})
	}
}
