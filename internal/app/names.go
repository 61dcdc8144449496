package app

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/query/prometheus"
	"github.com/tenhop/tenhop/query/traces"
	"github.com/tenhop/tenhop/stack/endpoint"
	"github.com/tenhop/tenhop/supervisor"
	"github.com/tenhop/tenhop/trace"
)

// Names looks up names in a run or in back ends, for shell completion. Its methods
// return nothing if the back end does not answer before ctx ends.
type Names struct {
	State                     supervisor.State // of the run; zero without one
	Prometheus, Jaeger, Tempo string           // URLs that replace those of the run
	Clients                   query.Clients
}

// remote reports whether the back ends are not those of the run.
func (n Names) remote() bool { return n.Prometheus != "" || n.Jaeger != "" || n.Tempo != "" }

// traces returns the back end with the traces, or nil.
func (n Names) traces() query.Tracer {
	jaeger := n.Jaeger
	if !n.remote() {
		jaeger = n.State.Endpoints[endpoint.Jaeger]
	}
	found, _ := traces.Open(jaeger, n.Tempo, n.Clients) // completion shows what there is
	return found
}

// Services returns the services of the storefront, or those that have sent spans
// if the stack runs alone.
func (n Names) Services(ctx context.Context) []string {
	if !n.remote() && len(n.State.Services) > 0 {
		return slices.Sorted(maps.Keys(n.State.Services))
	}
	client := n.traces()
	if client == nil {
		return nil
	}
	names, _ := client.Services(ctx) // completion shows what there is
	return names
}

// Operations returns the operations of a service, or of all services if it is empty.
func (n Names) Operations(ctx context.Context, service string) []string {
	services := []string{service}
	if service == "" {
		services = n.Services(ctx)
	}
	client := n.traces()
	if client == nil {
		return nil
	}
	var all []string
	for _, service := range services {
		found, _ := client.Operations(ctx, service) // completion shows what there is
		all = append(all, found...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Entries returns the entries of the requests that the services have measured.
func (n Names) Entries(ctx context.Context) []string {
	url := n.Prometheus
	if !n.remote() {
		url = n.State.Endpoints[endpoint.Prometheus]
	}
	client, err := prometheus.New(url, n.Clients.Prometheus)
	if err != nil {
		return nil // there is no Prometheus
	}
	entries, _ := client.LabelValues(ctx, "entry", "hop_self_duration_seconds_count") // completion shows what there is
	return entries
}

// Maximum number and age of the traces per service.
const (
	recentTraces = 10
	recentSince  = 15 * time.Minute
)

// TraceIDs returns the IDs of recent traces, the newest first, each followed by a tab
// and a description. They are the traces with spans of the gateway, or all if the stack
// runs alone.
func (n Names) TraceIDs(ctx context.Context) []string {
	services := []string{endpoint.Gateway}
	if n.remote() || len(n.State.Services) == 0 {
		services = n.Services(ctx)
	}
	client := n.traces()
	if client == nil {
		return nil
	}
	byID := map[string]*trace.Trace{}
	now := time.Now()
	for _, service := range services {
		found, _ := client.Traces(ctx, query.Search{Service: service, From: now.Add(-recentSince), To: now, Limit: recentTraces}) // completion shows what there is
		for i := range found {
			if found[i].Root() != nil {
				byID[found[i].ID] = &found[i]
			}
		}
	}
	newest := slices.SortedFunc(maps.Values(byID), func(a, b *trace.Trace) int { return b.Root().Start.Compare(a.Root().Start) })
	var ids []string
	for _, t := range newest {
		root := t.Root()
		ids = append(ids, fmt.Sprintf("%s\t%s %s, %s at %s", t.ID, root.Service, root.Operation,
			root.Duration.Round(100*time.Microsecond), root.Start.Local().Format(time.TimeOnly)))
	}
	return ids
}
