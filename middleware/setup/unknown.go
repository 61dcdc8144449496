package setup

import (
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
)

// foreign are the beginnings of variables that are for other languages and tools. By the
// specification a language's variables begin with OTEL_{LANGUAGE}_.
var foreign = []string{
	"CPP", "DOTNET", "ERLANG", "GO_AUTO", "JAVA", "JAVAAGENT", "JMX", "JS", "NODE", "PHP", "PYTHON", "RUBY", "RUST", "SWIFT",
	"EBPF", "INSTRUMENTATION", "INJECTOR", "OPERATOR", "POD", "RESOURCE_ATTRIBUTES", // the last four are the Kubernetes operator's
}

// environmentWarnings returns a sentence for each variable that is set and has no effect:
// OTEL_* variables that nobody knows, with the name that was probably meant, a sampler's
// argument without its sampler, and a path for gRPC.
func environmentWarnings() []string {
	var out []string
	if sampler := enum("OTEL_TRACES_SAMPLER", "unset"); getenv("OTEL_TRACES_SAMPLER_ARG") != "" && !strings.HasSuffix(sampler, "traceidratio") {
		out = append(out, fmt.Sprintf("OTEL_TRACES_SAMPLER_ARG has no effect while OTEL_TRACES_SAMPLER is %s; set that to parentbased_traceidratio", sampler))
	}
	for _, signal := range []string{"TRACES", "METRICS", "LOGS"} {
		name, protocol := otlpVariable(signal, "ENDPOINT"), otlpVariable(signal, "PROTOCOL")
		if u, err := url.Parse(getenv(name)); err == nil && strings.HasPrefix(u.Scheme, "http") && strings.Trim(u.Path, "/") != "" && enum(protocol, "grpc") == "grpc" {
			out = append(out, fmt.Sprintf("the path of %s has no effect over gRPC; set %s=http/protobuf if the collector speaks that there", name, protocol))
		}
	}
	var known []string
	for _, v := range variables {
		known = append(known, v.names()...)
	}
	for _, assignment := range os.Environ() {
		name, value, _ := strings.Cut(assignment, "=")
		rest, ok := strings.CutPrefix(name, "OTEL_")
		if !ok || value == "" || slices.Contains(known, name) {
			continue
		}
		if near := nearest(name, known); near != "" {
			out = append(out, fmt.Sprintf("%s is not a variable of OpenTelemetry and has no effect; is %s meant?", name, near))
			continue
		}
		if !slices.ContainsFunc(foreign, func(f string) bool { return strings.HasPrefix(rest, f+"_") }) {
			out = append(out, name+" is not a variable of OpenTelemetry and has no effect")
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// nearest returns the known name with the fewest edits from name, or "" if that is more
// than a fifth of its letters, which no slip of the hand is.
func nearest(name string, known []string) string {
	best, edits := "", len(name)/5
	for _, k := range known {
		if d := distance(name, k); d <= edits {
			best, edits = k, d-1
		}
	}
	return best
}

// distance returns the number of letters to insert, delete or replace to turn a into b
// (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			row[j+1] = min(cost, above+1, row[j]+1)
			diagonal = above
		}
	}
	return row[len(b)]
}
