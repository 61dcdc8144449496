package imports_test

import (
	"strings"
	"testing"
)

// directions holds every rule about who may import whom. A rule counts indirect
// imports; of tests it counts the direct ones, and only against never.
var directions = []struct {
	packages string // patterns, see matches
	may      string // all that they may import of this repository; "-" is nothing, "" is no limit
	never    string // what they must not import
	why      string
}{
	{packages: "trace", may: "-", why: "the trace model is below everything else"},
	{packages: "trace/internal/...", may: "trace/internal/...", why: "codecs share it, so it knows none of them"},
	{packages: "trace/* !trace/file !trace/tempo", may: "trace trace/internal/...", why: "a codec knows the model and no other codec"},
	{packages: "trace/tempo", may: "trace trace/internal/... trace/otlp", why: "Tempo's JSON wraps OTLP"},
	{packages: "trace/file", may: "trace/...", why: "it recognises a file and picks the codec"},
	{packages: "query/...", may: "query/... trace/... signals", why: "clients return traces and series, whoever asks"},
	{packages: "diagnose/...", never: "drill/... middleware/chaos supervisor/... stack/... console/... cmd/...",
		why: "the diagnosis must not see the answers, nor depend on who asks"},
	{packages: "drill/...", never: "waterfall console/... supervisor/... cmd/...", why: "a drill draws nothing and starts nothing"},
	{packages: "services/...", never: "stack/... supervisor/... drill/... diagnose/... console/...",
		why: "services know addresses, never who starts or observes them"},
	{packages: "stack/...", never: "services/... supervisor/... diagnose/... drill/... console/...",
		why: "the stack runs without the storefront"},
	{packages: "stack/spanmetrics", may: "trace/...", why: "the collector's connector compiles it without the rest of the stack"},
	{packages: "middleware/...", may: "middleware/...", why: "other people's services import it"},
	{packages: "middleware/adapter", may: "middleware/internal/...", why: "services and adapters build on it"},
	{packages: "signals", may: "-", why: "alerts, SLOs, console and diagnosis share it"},
	{packages: "... !cmd/...", never: "cmd/...", why: "a library does not import a program"},
}

func TestDirections(t *testing.T) {
	g := load(t)
	for _, rule := range directions {
		t.Run(strings.ReplaceAll(rule.packages, "/", "."), func(t *testing.T) {
			names := g.match(rule.packages)
			if len(names) == 0 {
				t.Fatalf("no package matches %s: was it renamed?", rule.packages)
			}
			for _, name := range names {
				for to, chain := range g.reach(name) {
					if matches(rule.never, to) || (rule.may != "" && !matches(rule.may, to)) {
						t.Errorf("%s imports %s, which breaks %q", strings.Join(chain, " imports "), to, rule.why)
					}
				}
				for _, to := range g[name].tests {
					if matches(rule.never, to) {
						t.Errorf("a test of %s imports %s, which breaks %q", name, to, rule.why)
					}
				}
			}
		})
	}
}

// TestMatches covers the pattern syntax, on which every rule depends.
func TestMatches(t *testing.T) {
	for _, c := range []struct {
		patterns, name string
		want           bool
	}{
		{"trace", "trace", true},
		{"trace", "trace/otlp", false},
		{"trace/...", "trace", true},
		{"trace/...", "trace/otlp", true},
		{"trace/...", "tracestore", false}, // a prefix is not a parent
		{"trace/*", "trace/otlp", true},
		{"trace/*", "trace/otlp/wire", false},
		{"trace/* !trace/file", "trace/file", false},
		{"drill stack/...", "stack/redis", true},
		{"...", "", true}, // the root package
		{"... !cmd/...", "cmd/tenhop", false},
		{"-", "trace", false},
		{"", "trace", false},
	} {
		if got := matches(c.patterns, c.name); got != c.want {
			t.Errorf("matches(%q, %q) = %v, want %v", c.patterns, c.name, got, c.want)
		}
	}
}
