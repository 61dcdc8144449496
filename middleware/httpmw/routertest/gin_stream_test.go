package routertest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// gin's Context.Stream and its ReverseProxy users call CloseNotify on the
// writer that the server handed over.
func TestGinStreamWorksBehindHandler(t *testing.T) {
	gin.SetMode(gin.ReleaseMode)
	g := gin.New()
	g.GET("/ticks", func(c *gin.Context) {
		n := 0
		c.Stream(func(w io.Writer) bool { n++; fmt.Fprintln(w, n); return n < 2 })
	})
	srv := httptest.NewServer(httpmw.Handler(g, httpmw.WithTelemetry(mwtest.New(t).Telemetry)))
	defer srv.Close()
	srv.Config.ErrorLog = nil
	resp, err := http.Get(srv.URL + "/ticks")
	if err != nil {
		t.Fatalf("want two lines, got %v", err)
	}
	resp.Body.Close()
}
