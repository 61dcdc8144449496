package loki_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/tenhop/tenhop/query/loki"
)

// answer is a transport that answers every request with a body.
type answer []byte

// RoundTrip implements http.RoundTripper.
func (a answer) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(a)), Request: r}, nil
}

// FuzzAnswer reads any answer without a panic.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"data":{"result":[{"stream":{"a":"b"},"values":[["1","x"],["9223372036854775807","y"]]}]}}`))
	f.Add([]byte(`{"data":{"result":[{"stream":null,"values":[["NaN"]]}]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := loki.New("http://h", &http.Client{Transport: answer(b)})
		if err != nil {
			t.Fatal(err)
		}
		streams, err := c.Lines(t.Context(), "{}", time.Unix(1, 0), time.Unix(2, 0), 10)
		if err != nil && streams != nil {
			t.Errorf("%d streams with error %v", len(streams), err)
		}
	})
}
