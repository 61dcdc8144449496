package routertest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/gorilla/mux"
	gw "github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/labstack/echo/v4"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// recipe builds a router with one route as the documentation says, without the handler
// around it.
type recipe struct {
	route string
	build func(leaf http.HandlerFunc) (router http.Handler, opts []httpmw.Option)
}

var recipes = map[string]recipe{
	"std": {"/items/{id}", func(leaf http.HandlerFunc) (http.Handler, []httpmw.Option) {
		m := http.NewServeMux()
		m.HandleFunc("/items/{id}", leaf)
		return m, []httpmw.Option{httpmw.WithMux(m)}
	}},
	"std in std": {"/items/{id}", func(leaf http.HandlerFunc) (http.Handler, []httpmw.Option) {
		in, out := http.NewServeMux(), http.NewServeMux()
		in.HandleFunc("/items/{id}", leaf)
		out.Handle("/items/", in)
		return out, nil
	}},
	"chi": {"/items/{id}", func(leaf http.HandlerFunc) (http.Handler, []httpmw.Option) {
		r := chi.NewRouter()
		r.Use(httpmw.WithinRouter(func(r *http.Request) string { return chi.RouteContext(r.Context()).RoutePattern() }))
		r.Handle("/items/{id}", leaf)
		return r, nil
	}},
	"chi in chi": {"/items/{id}", func(leaf http.HandlerFunc) (http.Handler, []httpmw.Option) {
		r := chi.NewRouter()
		r.Use(httpmw.WithinRouter(func(r *http.Request) string { return chi.RouteContext(r.Context()).RoutePattern() }))
		r.Route("/items", func(r chi.Router) { r.Handle("/{id}", leaf) })
		return r, nil
	}},
	"gorilla": {"/items/{id}", func(leaf http.HandlerFunc) (http.Handler, []httpmw.Option) {
		r := mux.NewRouter()
		r.Use(httpmw.WithinRouter(func(r *http.Request) string {
			pattern, _ := mux.CurrentRoute(r).GetPathTemplate()
			return pattern
		}))
		r.HandleFunc("/items/{id}", leaf)
		return r, nil
	}},
	"gin": {"/items/:id", func(leaf http.HandlerFunc) (http.Handler, []httpmw.Option) {
		gin.SetMode(gin.ReleaseMode)
		g := gin.New()
		g.Use(func(c *gin.Context) { httpmw.SetRoute(c.Request.Context(), c.FullPath()) })
		g.Any("/items/:id", func(c *gin.Context) { leaf(c.Writer, c.Request) })
		return g, nil
	}},
	"echo": {"/items/:id", func(leaf http.HandlerFunc) (http.Handler, []httpmw.Option) {
		e := echo.New()
		e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c echo.Context) error {
				httpmw.SetRoute(c.Request().Context(), c.Path())
				return next(c)
			}
		})
		e.Any("/items/:id", func(c echo.Context) error { leaf(c.Response(), c.Request()); return nil })
		return e, nil
	}},
	"grpc-gateway": {"/items/{id=*}", func(leaf http.HandlerFunc) (http.Handler, []httpmw.Option) {
		m := gw.NewServeMux(gw.WithMiddlewares(func(next gw.HandlerFunc) gw.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request, params map[string]string) {
				if pattern, ok := gw.HTTPPattern(r.Context()); ok {
					httpmw.SetRoute(r.Context(), pattern.String())
				}
				next(w, r, params)
			}
		}))
		_ = m.HandlePath(http.MethodGet, "/items/{id}", func(w http.ResponseWriter, r *http.Request, _ map[string]string) { leaf(w, r) })
		return m, nil
	}},
}

// wrappings put a router and the measuring handler together, in the orders in which
// programs do.
var wrappings = map[string]func(measure func(http.Handler) http.Handler, router http.Handler) (h http.Handler, prefix string){
	"around": func(measure func(http.Handler) http.Handler, r http.Handler) (http.Handler, string) {
		return measure(r), ""
	},
	"TimeoutHandler outside": func(measure func(http.Handler) http.Handler, r http.Handler) (http.Handler, string) {
		return http.TimeoutHandler(measure(r), time.Minute, ""), ""
	},
	"TimeoutHandler within": func(measure func(http.Handler) http.Handler, r http.Handler) (http.Handler, string) {
		return measure(http.TimeoutHandler(r, time.Minute, "")), ""
	},
	"TimeoutHandler within MaxBytesHandler": func(measure func(http.Handler) http.Handler, r http.Handler) (http.Handler, string) {
		return measure(http.MaxBytesHandler(http.TimeoutHandler(r, time.Minute, ""), 1<<20)), ""
	},
	"a mux outside": func(measure func(http.Handler) http.Handler, r http.Handler) (http.Handler, string) {
		m := http.NewServeMux()
		m.Handle("/", measure(r))
		return m, ""
	},
	"a mux between": func(measure func(http.Handler) http.Handler, r http.Handler) (http.Handler, string) {
		m := http.NewServeMux()
		m.Handle("/", r)
		return measure(m), ""
	},
	"StripPrefix outside": func(measure func(http.Handler) http.Handler, r http.Handler) (http.Handler, string) {
		return http.StripPrefix("/v1", measure(r)), "/v1"
	},
	"a copy of the request within": func(measure func(http.Handler) http.Handler, r http.Handler) (http.Handler, string) {
		return measure(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			r.ServeHTTP(w, req.WithContext(context.WithValue(req.Context(), copied{}, 1)))
		})), ""
	},
	"measured twice": func(measure func(http.Handler) http.Handler, r http.Handler) (http.Handler, string) {
		return measure(measure(r)), ""
	},
}

type copied struct{}

// The route is right in every signal, whoever asks first and in whichever order handlers
// are wrapped. A call of the handler's goroutine and one of another ask before the end.
func TestRouteInEveryWrapping(t *testing.T) {
	for router, c := range recipes {
		for wrapping, wrap := range wrappings {
			if router == "std in std" && (wrapping == "a copy of the request within" || wrapping == "TimeoutHandler within MaxBytesHandler" || wrapping == "TimeoutHandler within") {
				continue // only WithMux of the inner mux tells the route of a mux behind copies
			}
			t.Run(router+"/"+wrapping, func(t *testing.T) {
				rec := mwtest.New(t)
				r, opts := c.build(func(_ http.ResponseWriter, r *http.Request) {
					_ = hop.EntryOf(r.Context())
					var wg sync.WaitGroup
					wg.Go(func() { _ = hop.EntryOf(r.Context()) })
					wg.Wait()
				})
				h, prefix := wrap(httpmw.Middleware(append(opts, httpmw.WithTelemetry(rec.Telemetry))...), r)
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, prefix+"/items/7", nil))
				if n := rec.Count("http_server_request_duration_seconds", "http_route", c.route, "http_response_status_code", "200"); n != 1 || len(rec.Spans()) != 1 {
					t.Fatalf("route %q: %d requests, spans %v", c.route, n, rec.Spans())
				}
				if n := rec.Count("hop_self_duration_seconds", "operation", "GET "+c.route, "entry", "GET "+c.route); n != 1 {
					t.Errorf("%d hops of GET %s", n, c.route)
				}
			})
		}
	}
}

// Requests that match nothing, or not with their method, are measured around every
// router, without a route of the caller's making.
func TestRequestsWithoutARoute(t *testing.T) {
	for router, c := range recipes {
		t.Run(router, func(t *testing.T) {
			rec := mwtest.New(t)
			r, opts := c.build(func(http.ResponseWriter, *http.Request) {})
			h := httpmw.Handler(r, append(opts, httpmw.WithTelemetry(rec.Telemetry))...)
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/nope/7", nil))
			if n := rec.Count("http_server_request_duration_seconds", "http_route", "unmatched", "http_response_status_code", "404"); n != 1 {
				t.Errorf("%d of 1 requests are measured: %v", n, rec.Spans())
			}
		})
	}
	rec := mwtest.New(t)
	r := mux.NewRouter()
	r.HandleFunc("/items/{id}", func(http.ResponseWriter, *http.Request) {}).Methods(http.MethodGet)
	httpmw.Handler(r, httpmw.WithTelemetry(rec.Telemetry)).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/items/7", nil))
	if n := rec.Count("http_server_request_duration_seconds", "http_response_status_code", "405"); n != 1 {
		t.Error("gorilla's 405 is not measured")
	}
}

// connect-go's generated handlers hang below one pattern per service, in all protocols.
func TestConnectProcedures(t *testing.T) {
	const procedure = "/acme.v1.Greet/Hello"
	for name, opts := range map[string][]connect.ClientOption{"connect": nil, "gRPC": {connect.WithGRPC()}, "gRPC-Web": {connect.WithGRPCWeb()}, "JSON": {connect.WithProtoJSON()}} {
		for _, fails := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				rec := mwtest.New(t)
				m := http.NewServeMux()
				m.Handle("/acme.v1.Greet/", connect.NewUnaryHandlerSimple(procedure, func(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
					if fails {
						return nil, connect.NewError(connect.CodeInternal, http.ErrBodyNotAllowed)
					}
					return &emptypb.Empty{}, nil
				}))
				srv := httptest.NewUnstartedServer(httpmw.Handler(m, httpmw.WithTelemetry(rec.Telemetry)))
				srv.EnableHTTP2 = true
				srv.StartTLS()
				defer srv.Close()
				client := connect.NewClient[emptypb.Empty, emptypb.Empty](srv.Client(), srv.URL+procedure, opts...)
				if _, err := client.CallUnary(t.Context(), connect.NewRequest(&emptypb.Empty{})); (err != nil) != fails {
					t.Fatal(err)
				}
				s := rec.Span("POST " + procedure)
				if failed := s.Status.String() == "Error"; failed != fails {
					t.Errorf("status %v, error.type %q", s.Status, s.Attributes["error.type"])
				}
			})
		}
	}
}
