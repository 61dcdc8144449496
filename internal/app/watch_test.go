package app_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/collect"
	"github.com/tenhop/tenhop/internal/app"
	"github.com/tenhop/tenhop/watch"
)

// asked records what a Prometheus without metrics was asked for.
type asked struct {
	mu        sync.Mutex
	diagnoses int           // each begins with the names of the metrics
	longest   time.Duration // of the range of a query
}

var milliseconds = regexp.MustCompile(`\[(\d+)ms\]`)

func (a *asked) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query, kind := r.FormValue("query"), "vector"
	a.mu.Lock()
	defer a.mu.Unlock()
	if strings.HasPrefix(query, "count by (__name__) (last_over_time(") {
		a.diagnoses++
	}
	for _, m := range milliseconds.FindAllStringSubmatch(query, -1) {
		ms, _ := strconv.ParseInt(m[1], 10, 64)
		a.longest = max(a.longest, time.Duration(ms)*time.Millisecond)
	}
	if strings.HasSuffix(r.URL.Path, "/query_range") {
		kind = "matrix"
		start, _ := strconv.ParseFloat(r.FormValue("start"), 64)
		end, _ := strconv.ParseFloat(r.FormValue("end"), 64)
		a.longest = max(a.longest, time.Duration((end-start)*float64(time.Second)))
	}
	_, _ = io.WriteString(w, `{"status":"success","data":{"resultType":"`+kind+`","result":[]}}`)
}

// An alert is diagnosed with the minutes before it as the baseline, unless it fires for more
// than a day: no query covers more than that.
func TestDiagnoseAlertThatFiresForLong(t *testing.T) {
	for _, c := range []struct {
		fires     time.Duration
		diagnoses int
	}{{10 * time.Minute, 2}, {23 * time.Hour, 2}, {24 * time.Hour, 1}, {40 * 24 * time.Hour, 1}} {
		var a asked
		srv := httptest.NewServer(&a)
		_, err := app.DiagnoseAlert(collect.Config{Prometheus: srv.URL})(t.Context(), watch.Question{At: time.Now().Add(-c.fires)})
		srv.Close()
		if err != nil {
			t.Errorf("%s: %v", c.fires, err)
		}
		if a.diagnoses != c.diagnoses || a.longest == 0 || a.longest > 24*time.Hour+time.Minute {
			t.Errorf("of an alert that fires for %s: %d diagnoses, want %d; the longest query covers %s", c.fires, a.diagnoses, c.diagnoses, a.longest)
		}
	}
}
