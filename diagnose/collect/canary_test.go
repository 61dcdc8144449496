package collect

import (
	"fmt"
	"testing"
	"time"

	"github.com/tenhop/tenhop/trace"
)

// TestUnevenTraffic compares fifty requests of each version in five parts, however unevenly
// they come.
func TestUnevenTraffic(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	var v versioned
	at := start
	for i := range 50 {
		at = at.Add(time.Duration(1+i*i%97) * time.Second) // from 1 s to 97 s apart
		for side, version := range []string{"1", "2"} {
			span := trace.Span{ID: fmt.Sprintf("%d-%d", side, i), Service: "shop", Operation: "GET /", Kind: trace.Server,
				Start: at.Add(time.Duration(side) * 100 * time.Millisecond), Duration: 20*time.Millisecond + time.Duration(i%3)*time.Millisecond,
				Resource: map[string]string{versionKey: version}}
			request := trace.Trace{ID: span.ID, Spans: []trace.Span{span}}
			if side == 0 {
				v.stable = append(v.stable, request)
			} else {
				v.canary = append(v.canary, request)
			}
		}
	}
	g := growthOf(v)
	if g.Rounds != 5 || g.Why != "" || len(g.Parts) == 0 || g.Parts[0].Grew {
		t.Errorf("%d parts, %q, %+v", g.Rounds, g.Why, g.Parts)
	}
}

// TestRareVersion asks for the other versions by name if few requests are theirs.
func TestRareVersion(t *testing.T) {
	request := func(version string) trace.Trace {
		return trace.Trace{Spans: []trace.Span{{Service: "shop", Resource: map[string]string{versionKey: version}}}}
	}
	c := Canary{Service: "shop", Version: "2"}
	if got := rare([]trace.Trace{request("2"), request("2"), request("1")}, c); len(got) != 1 || got[0] != "1" {
		t.Errorf("one of three is the other version: %v", got)
	}
	if got := rare([]trace.Trace{request("2"), request("1")}, c); got != nil {
		t.Errorf("as many are: %v", got)
	}
}
