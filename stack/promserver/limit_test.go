package promserver

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// Queries wait for each other, for a time; what costs little does not wait.
func TestQueriesWaitForTheirTurn(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	h := newLimiter(1, 50*time.Millisecond).limit(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("slow") {
			entered <- struct{}{}
			<-leave
		}
	}))
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w
	}
	done := make(chan struct{})
	go func() {
		get("/api/v1/query_range?slow")
		close(done)
	}()
	<-entered
	for _, path := range []string{"/api/v1/query", "/api/v1/series", "/api/v1/labels", "/api/v1/label/job/values", "/api/v1/read",
		"/api/v1/query_exemplars", "/api/v1/format_query", "/api/v1/parse_query"} {
		if w := get(path); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), `"status":"error"`) {
			t.Errorf("%s beside another query: %d %s", path, w.Code, w.Body)
		}
	}
	if w := get("/api/v1/targets"); w.Code != http.StatusOK {
		t.Errorf("the targets wait for queries: %d", w.Code)
	}
	close(leave)
	<-done
	if w := get("/api/v1/query"); w.Code != http.StatusOK {
		t.Errorf("afterwards: %d %s", w.Code, w.Body)
	}
}

// The parameters have a size, in the URL and in any kind of body, and a query in each of
// them has a length and a depth.
func TestParametersAreBounded(t *testing.T) {
	var read int64
	h := newLimiter(1, time.Second).limit(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			t.Error(err)
		}
		read = n
	}))
	form := func(v url.Values) (string, io.Reader) {
		return "application/x-www-form-urlencoded", strings.NewReader(v.Encode())
	}
	parts := func(v url.Values) (string, io.Reader) {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		for name, values := range v {
			for _, value := range values {
				if err := w.WriteField(name, value); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return w.FormDataContentType(), &b
	}
	nested := func(n int) string { return strings.Repeat("(", n) + "1" + strings.Repeat(")", n) }
	for name, c := range map[string]struct {
		values url.Values
		want   int
	}{
		"a query":           {url.Values{"query": {"up"}, "time": {"1"}}, http.StatusOK},
		"long":              {url.Values{"query": {"up"}, "time": {strings.Repeat("1", maxParameters)}}, http.StatusBadRequest},
		"a long query":      {url.Values{"query": {strings.Repeat("x", maxQueryBytes+1)}}, http.StatusBadRequest},
		"a second query":    {url.Values{"query": {"up", nested(maxNesting + 1)}}, http.StatusBadRequest},
		"nested":            {url.Values{"query": {nested(maxNesting)}}, http.StatusOK},
		"nested too deep":   {url.Values{"query": {nested(maxNesting + 1)}}, http.StatusBadRequest},
		"side by side":      {url.Values{"query": {"1" + strings.Repeat("+(1)", maxNesting+1)}}, http.StatusOK},
		"in a string":       {url.Values{"query": {`"` + nested(maxNesting+1) + `"`}}, http.StatusOK},
		"operators":         {url.Values{"query": {"1" + strings.Repeat("+1", maxOperators)}}, http.StatusOK},
		"many operators":    {url.Values{"query": {"1" + strings.Repeat("+1", maxOperators+1)}}, http.StatusBadRequest},
		"many signs":        {url.Values{"query": {strings.Repeat("-", maxOperators+1) + "1"}}, http.StatusBadRequest},
		"a long selector":   {url.Values{"match[]": {strings.Repeat("x", maxQueryBytes+1)}}, http.StatusBadRequest},
		"many selectors":    {url.Values{"match[]": slices.Repeat([]string{"up"}, maxSelectors+1)}, http.StatusBadRequest},
		"what is no PromQL": {url.Values{"query": {"\x00((("}}, http.StatusOK}, // the parser says so
	} {
		for _, path := range []string{"query", "query_range", "query_exemplars", "format_query", "parse_query", "series"} {
			path = "/api/v1/" + path
			requests := map[string]*http.Request{"in the URL": httptest.NewRequest(http.MethodGet, path+"?"+c.values.Encode(), nil)}
			for kind, encode := range map[string]func(url.Values) (string, io.Reader){"as a form": form, "in parts": parts} {
				contentType, body := encode(c.values)
				requests[kind] = httptest.NewRequest(http.MethodPost, path, body)
				requests[kind].Header.Set("Content-Type", contentType)
			}
			for kind, r := range requests {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if w.Code != c.want || (w.Code != http.StatusOK && !strings.Contains(w.Body.String(), `"errorType":"bad_data"`)) {
					t.Errorf("%s %s %s: %d %s", path, name, kind, w.Code, w.Body)
				}
			}
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api/v1/read", bytes.NewReader(make([]byte, 2*maxParameters))))
	if w.Code != http.StatusOK || read != 2*maxParameters {
		t.Errorf("a remote read: %d, %d bytes", w.Code, read)
	}
}
