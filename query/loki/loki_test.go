package loki_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/query/loki"
)

func ask(t *testing.T, body string) (streams []loki.Stream, asked string, err error) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Path + " " + r.URL.RawQuery
		_, _ = io.WriteString(w, body)
	}))
	defer srv.Close()
	c, err := loki.New(srv.URL, srv.Client())
	if err != nil {
		t.Fatal(err)
	}
	streams, err = c.Lines(t.Context(), `{a="b"}`, time.Unix(1, 5), time.Unix(2, 0), 10)
	return streams, asked, err
}

func TestLines(t *testing.T) {
	got, asked, err := ask(t, `{"status":"success","data":{"resultType":"streams","result":[{"stream":{"service_name":"pay"},"values":[["1500000000","{\"message\":\"hi\"}"]]}]}}`)
	want := []loki.Stream{{Labels: map[string]string{"service_name": "pay"}, Lines: []loki.Line{{At: time.Unix(1, 500_000_000), Text: `{"message":"hi"}`}}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if asked != "/loki/api/v1/query_range direction=forward&end=2000000000&limit=10&query=%7Ba%3D%22b%22%7D&start=1000000005" {
		t.Errorf("asked %s", asked)
	}
}

func TestWhatIsNoLoki(t *testing.T) {
	for body, says := range map[string]string{"<html>": "does not answer like Loki", `{"data":{"result":[{"values":[["noon",""]]}]}}`: "time of a line",
		`{"data":{"result":[{"values":[[1,2]]}]}}`: "does not answer like Loki"} {
		if _, _, err := ask(t, body); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error %v, want %q", body, err, says)
		}
	}
}
