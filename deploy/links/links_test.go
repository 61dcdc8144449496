package links

import (
	"os"
	"testing"
	"time"
)

// Times of a situation.
const (
	baseline = 75 * time.Second
	slow     = 25 * time.Second
	pause    = 30 * time.Second // until the delay no longer shows
)

func TestLinks(t *testing.T) {
	if os.Getenv("TENHOP_LINKS") == "" {
		t.Skip("runs the storefront for five minutes; set TENHOP_LINKS=1")
	}
	f := start(t)
	time.Sleep(baseline)
	for _, c := range []struct {
		name string
		slow func(caller, callee string) bool
		hop  string // the end, or one of two where nothing tells
		pair [2]string
	}{
		{"outgoing links of checkout", func(caller, _ string) bool { return caller == "checkout" }, "checkout", [2]string{}},
		{"incoming links of catalog", func(_, callee string) bool { return callee == "catalog" }, "catalog", [2]string{}},
		{"one link", func(caller, callee string) bool { return caller == "order" && callee == "payment" }, "", [2]string{"order", "payment"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			remove := f.delay(t, c.slow)
			time.Sleep(slow)
			a := f.diagnose(t)
			remove()
			t.Logf("%v", a)
			if a.Verdict != "spike" || len(a.Findings) == 0 || a.Findings[0].Kind != "link" {
				t.Fatalf("want a spike with a link first")
			}
			x := a.Findings[0]
			switch ends := [2]string{min(x.Hop, x.Target), max(x.Hop, x.Target)}; {
			case c.hop != "" && x.Hop != c.hop && (!x.EitherEnd || x.Target != c.hop):
				t.Errorf("the delay is said to be at %s, want %s", x.Hop, c.hop)
			case c.hop == "" && (!x.EitherEnd || ends != c.pair):
				t.Errorf("want both ends of %v, and that nothing tells them apart", c.pair)
			}
		})
		time.Sleep(pause)
	}
}
