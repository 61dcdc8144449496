package prometheus_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/tenhop/tenhop/query/prometheus"
)

// answer is a transport that answers every request with a body.
type answer []byte

// RoundTrip implements http.RoundTripper.
func (a answer) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(a)), Request: r}, nil
}

// FuzzAnswer reads any answer without a panic. Every sample has a time that nanoseconds
// hold.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"status":"success","data":{"result":[{"metric":{"a":"b"},"value":[1,"NaN"],"values":[[1e300,"1"],[-1,"+Inf"],[1.5,"2"]]}]}}`))
	f.Add([]byte(`{"status":"success","data":{"result":[{"metric":null,"histogram":[1,{"count":"1"}],"values":[[],[null]]}]}}`))
	f.Add([]byte(`{"status":"error","error":"\u001b[31m"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := prometheus.New("http://h", &http.Client{Transport: answer(b)})
		if err != nil {
			t.Fatal(err)
		}
		now := time.Unix(1, 0)
		series, _ := c.Range(t.Context(), "a", now, now, time.Second)
		for _, s := range series {
			for _, v := range s.Samples {
				if !time.Unix(0, v.At.UnixNano()).Equal(v.At) {
					t.Errorf("a sample at %s", v.At)
				}
			}
		}
		_, _ = c.Instant(t.Context(), "a", now)
		_, _ = c.Alerts(t.Context())
		_, _ = c.LabelValues(t.Context(), "a", "b")
	})
}
