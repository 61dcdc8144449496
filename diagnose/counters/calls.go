package counters

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/query/prometheus"
)

// callFamily is a family of OpenTelemetry's semantic conventions that counts
// what is served or called.
type callFamily struct {
	name   string
	client bool
	unit   float64 // of its sum, in seconds
}

// callFamilies are the present conventions' and, for otelgrpc before its
// version 0.64, the ones before.
var callFamilies = []callFamily{
	{"http_server_request_duration_seconds", false, 1},
	{"rpc_server_call_duration_seconds", false, 1},
	{"rpc_server_duration_milliseconds", false, 1e-3},
	{"messaging_process_duration_seconds", false, 1},
	{"http_client_request_duration_seconds", true, 1},
	{"rpc_client_call_duration_seconds", true, 1},
	{"rpc_client_duration_milliseconds", true, 1e-3},
	{"db_client_operation_duration_seconds", true, 1},
}

// callSelector selects the families' counters with a suffix such as _count.
func callSelector(suffix string, families []callFamily) string {
	names := make([]string, len(families))
	for i, f := range families {
		names[i] = f.name + suffix
	}
	return fmt.Sprintf(`{__name__=~%q}`, strings.Join(names, "|"))
}

// operation is what a call's labels say is done, as the middleware spells it.
func (f callFamily) operation(l map[string]string) string {
	switch {
	case strings.HasPrefix(f.name, "http_"):
		return strings.TrimSpace(l["http_request_method"] + " " + l["http_route"])
	case strings.HasPrefix(f.name, "rpc_"):
		if l["rpc_service"] != "" {
			return l["rpc_service"] + "/" + l["rpc_method"]
		}
		return l["rpc_method"]
	case strings.HasPrefix(f.name, "messaging_"):
		return strings.TrimSpace(l["messaging_operation_name"] + " " + l["messaging_destination_name"])
	}
	return cmp.Or(l["db_operation_name"], l["db_operation"])
}

// serverErrors are the gRPC codes that are the server's fault (semantic
// conventions for gRPC).
var serverErrors = []string{"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "2", "4", "12", "13", "14", "15"}

// failure is the type of error that a series counts; "" when it counts what
// ended well. Families without error_type are judged by their status.
func (f callFamily) failure(l map[string]string) string {
	if t := l["error_type"]; t != "" {
		return t
	}
	if _, told := l["error_type"]; told {
		return ""
	}
	if s := l["http_response_status_code"]; strings.HasPrefix(s, "5") {
		return s
	}
	if s := cmp.Or(l["rpc_response_status_code"], l["rpc_grpc_status_code"]); slices.Contains(serverErrors, s) {
		return s
	}
	return ""
}

// calls turns the counts of what was served and called into a series each
// service, operation and dependency.
func (t table) calls(found []prometheus.Series) []evidence.CallSeries {
	index := map[[4]string]*evidence.CallSeries{}
	for _, s := range found {
		f, ok := familyOf(s.Labels["__name__"], "_count")
		if !ok {
			continue
		}
		k := [4]string{service(s.Labels), f.operation(s.Labels)}
		if f.client {
			k[2], k[3] = cmp.Or(s.Labels["dependency"], s.Labels["server_address"], s.Labels["db_system_name"]), "client"
		}
		c := index[k]
		if c == nil {
			c = &evidence.CallSeries{Service: k[0], Operation: k[1], Dependency: k[2],
				Failed: make([]float64, t.steps), LevelFailed: make([]float64, t.steps), Types: map[string][]float64{}}
			index[k] = c
		}
		c.Count, c.LevelCount = t.add(c.Count, s), t.scraped(c.LevelCount, s)
		if kind := f.failure(s.Labels); kind != "" {
			t.add(c.Failed, s)
			t.scraped(c.LevelFailed, s)
			c.Types[kind] = t.add(c.Types[kind], s)
		}
	}
	out := make([]evidence.CallSeries, 0, len(index))
	for _, k := range sortedKeys(index) {
		out = append(out, *index[k])
	}
	return out
}

func familyOf(name, suffix string) (callFamily, bool) {
	for _, f := range callFamilies {
		if name == f.name+suffix {
			return f, true
		}
	}
	return callFamily{}, false
}

// readCalls reads the counts of what was served and called.
func readCalls(ctx context.Context, c *prometheus.Client, start, end time.Time, every time.Duration) ([]prometheus.Series, error) {
	found, err := samples(ctx, c, callSelector("_count", callFamilies), start, end, every)
	if err != nil {
		return nil, fmt.Errorf("requests and errors: %w", err)
	}
	return found, nil
}
