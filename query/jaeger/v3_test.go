package jaeger_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/query/jaeger"
	"github.com/tenhop/tenhop/query/jaeger/jaegertest"
	"github.com/tenhop/tenhop/trace"
)

const v3ID = "00000000000000000000000000000abc"

// onlyV3 serves version 3 below a base path. Other paths are answered as by a router, or
// by the page of the UI.
func onlyV3(t *testing.T, page bool, asked *[]string) *httptest.Server {
	span := func(name string, at int) string {
		return fmt.Sprintf(`{"result":{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"gateway"}}]},
			"scopeSpans":[{"spans":[{"traceId":"%032x","spanId":"0000000000000001","name":%q,"startTimeUnixNano":"%d","endTimeUnixNano":"%d"}]}]}]}}`,
			at, name, at*1e9, at*1e9+1e6)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.URL.String())
		switch r.URL.Path {
		case "/base/api/v3/services":
			fmt.Fprint(w, `{"services":["gateway"]}`)
		case "/base/api/v3/operations":
			fmt.Fprint(w, `{"operations":[{"name":"POST /pay","spanKind":"server"},{"name":"POST /pay","spanKind":"client"}]}`)
		case "/base/api/v3/traces":
			if r.FormValue("query.service_name") != "gateway" {
				http.Error(w, `{"error":{"httpCode":404,"message":"No traces found"}}`, http.StatusNotFound)
				return
			}
			fmt.Fprint(w, span("POST /pay", 5), "\n", span("POST /pay", 9))
		case "/base/api/v3/traces/" + v3ID:
			fmt.Fprint(w, span("POST /pay", 5))
		default:
			if strings.HasPrefix(r.URL.Path, "/base/api/v3/") {
				http.Error(w, `{"error":{"httpCode":404,"message":"No traces found"}}`, http.StatusNotFound)
			} else if page {
				fmt.Fprint(w, "<!doctype html><title>Jaeger UI</title>")
			} else {
				http.NotFound(w, r)
			}
		}
	}))
	t.Cleanup(srv.Close)
	return srv
}

func TestOnlyV3(t *testing.T) {
	for _, page := range []bool{true, false} {
		var asked []string
		srv := onlyV3(t, page, &asked)
		c, err := jaeger.New(srv.URL+"/base/", srv.Client())
		if err != nil {
			t.Fatal(err)
		}
		if names, err := c.Services(t.Context()); err != nil || len(names) != 1 {
			t.Fatalf("services %v %v", names, err)
		}
		asked = nil
		if names, err := c.Operations(t.Context(), "gateway"); err != nil || len(names) != 1 {
			t.Errorf("operations %v %v", names, err)
		}
		found, err := c.Traces(t.Context(), query.Search{Service: "gateway", From: time.Unix(1, 0), To: time.Unix(10, 0), Min: time.Millisecond, Failed: true, Limit: 2})
		if err != nil || len(found) != 2 || found[0].Spans[0].Start.Unix() != 9 || found[1].Spans[0].Service != "gateway" {
			t.Errorf("traces %+v %v", found, err)
		}
		if found, err := c.Traces(t.Context(), query.Search{Service: "unknown"}); err != nil || len(found) != 0 {
			t.Errorf("traces of an unknown service: %v %v", found, err)
		}
		if tr, err := c.Trace(t.Context(), v3ID); err != nil || len(tr.Spans) != 1 {
			t.Errorf("trace %+v %v", tr, err)
		}
		if _, err := c.Trace(t.Context(), "1"); !errors.Is(err, query.ErrNotFound) {
			t.Errorf("no trace: %v", err)
		}
		if all := strings.Join(asked, "\n"); strings.Contains(all, "/base/api/traces") || !strings.Contains(all, "query.attributes=%7B%22error%22%3A%22true%22%7D") {
			t.Errorf("asked\n%s", all)
		}
	}
}

// A server of neither API is what its first answer says.
func TestNeitherAPI(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }))
	defer srv.Close()
	c, err := jaeger.New(srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Services(t.Context()); err == nil || !strings.Contains(err.Error(), "does not answer like Jaeger: it is an HTML page") {
		t.Errorf("%v", err)
	}
}

// Under a base path, with or without a slash, the older API is asked alone.
func TestBasePath(t *testing.T) {
	at := time.Now()
	plain := jaegertest.Serve(t, trace.Trace{ID: v3ID, Spans: []trace.Span{{ID: "1", Service: "gateway", Operation: "GET /", Start: at}}})
	srv := httptest.NewServer(http.StripPrefix("/jaeger", plain.Config.Handler))
	defer srv.Close()
	for _, base := range []string{srv.URL + "/jaeger", srv.URL + "/jaeger/"} {
		c, err := jaeger.New(base, nil)
		if err != nil {
			t.Fatal(err)
		}
		found, err := c.Traces(t.Context(), query.Search{Service: "gateway", From: at.Add(-time.Second), To: at.Add(time.Second), Limit: 1})
		if err != nil || len(found) != 1 {
			t.Errorf("%s: %v %v", base, found, err)
		}
		if _, err := c.Trace(t.Context(), "1"); !errors.Is(err, query.ErrNotFound) {
			t.Errorf("%s: %v", base, err)
		}
	}
}
