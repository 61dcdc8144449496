package catalog

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"google.golang.org/grpc/status"

	"github.com/tenhop/tenhop/middleware/hop"
	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
)

// engineTimeout bounds a search in the engine. The database answers afterwards.
const engineTimeout = 2 * time.Second

// Stores that answer a search.
const (
	storeEngine   = "engine"
	storeDatabase = "database"
)

// Reasons why the database answers a search in the engine's place.
const (
	reasonNotReady    = "not_ready"   // the index is not known to be complete
	reasonTimeout     = "timeout"     // no answer in time
	reasonUnavailable = "unavailable" // no connection, or it broke
	reasonRefused     = "refused"     // an answer that is an error
)

// Span attributes of a search.
const (
	attrStore  = attribute.Key("catalog.search.store")
	attrReason = attribute.Key("catalog.search.degraded_reason")
)

// searches counts the searches by the store that answered.
type searches struct{ total *prometheus.CounterVec }

func newSearches(to prometheus.Registerer) searches {
	s := searches{prometheus.NewCounterVec(prometheus.CounterOpts{Name: "catalog_searches_total",
		Help: "Searches, by the store that answered and, if that is the database, by the reason: not_ready, timeout, unavailable or refused."},
		[]string{"store", "reason"})}
	to.MustRegister(s.total)
	s.total.WithLabelValues(storeEngine, "")
	for _, reason := range []string{reasonNotReady, reasonTimeout, reasonUnavailable, reasonRefused} {
		s.total.WithLabelValues(storeDatabase, reason)
	}
	return s
}

// answered records which store answers a search. The reason is empty for the engine.
func (s searches) answered(ctx context.Context, store, reason string) {
	s.total.WithLabelValues(store, reason).Inc()
	attrs := []attribute.KeyValue{attrStore.String(store)}
	if reason != "" {
		attrs = append(attrs, attrReason.String(reason))
	}
	hop.SetAttributes(ctx, attrs...)
}

// errNotReady is the error of a search before the index is complete.
var errNotReady = errors.New("the index is not complete")

// reason returns the reason of an error of the engine.
func reason(err error) string {
	var answer *answerError
	switch {
	case errors.Is(err, errNotReady):
		return reasonNotReady
	case errors.Is(err, context.DeadlineExceeded):
		return reasonTimeout
	case errors.As(err, &answer):
		return reasonRefused
	}
	return reasonUnavailable
}

// search returns the products whose names have all words of a text, with typing errors in
// words of four letters or more. ok is false if the engine has no answer and the database
// is to be asked. The error is that of the caller's context.
func (x *index) search(ctx context.Context, text string, limit int32) (found *pb.Products, ok bool, err error) {
	words := strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) })
	if len(words) == 0 {
		x.searches.answered(ctx, storeEngine, "")
		return &pb.Products{}, true, nil
	}
	found, err = x.ask(ctx, words, limit)
	if err == nil {
		x.searches.answered(ctx, storeEngine, "")
		return found, true, nil
	}
	if ctx.Err() != nil {
		return nil, false, status.FromContextError(ctx.Err()).Err()
	}
	x.searches.answered(ctx, storeDatabase, reason(err))
	x.failed(err)
	return nil, false, nil
}

// result is the part of a search's answer that is used.
type result struct {
	Hits struct {
		Hits []struct {
			Source document `json:"_source"`
		} `json:"hits"`
	} `json:"hits"`
}

func (x *index) ask(ctx context.Context, words []string, limit int32) (*pb.Products, error) {
	if !x.ready.Load() {
		return nil, errNotReady
	}
	within := x.timeout
	if end, ok := ctx.Deadline(); ok {
		within = min(within, time.Until(end)/2) // the database needs time too
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var r result
	// Without a shard there is an error instead of fewer hits.
	err := call(ctx, x.engine, http.MethodPost, "/"+x.name+"/_search?allow_partial_search_results=false", query(words, limit), &r)
	if err != nil {
		return nil, err
	}
	out := &pb.Products{}
	for _, hit := range r.Hits.Hits {
		d := hit.Source
		out.Products = append(out.Products, &pb.Product{Id: d.ID, Name: d.Name, Category: d.Category, Description: d.Description, Price: d.Price})
	}
	return out, nil
}

// query returns the body of a search. A word with a digit is a number of a model, which
// has no similar ones. The fuzziness allows one edit from four letters on and two from
// seven; below, most words would be similar to each other.
func query(words []string, limit int32) map[string]any {
	var must []any
	for _, word := range words {
		match := map[string]any{"query": word}
		if !strings.ContainsFunc(word, unicode.IsNumber) {
			match["fuzziness"], match["prefix_length"] = "AUTO:4,7", 1
		}
		must = append(must, map[string]any{"match": map[string]any{"name": match}})
	}
	return map[string]any{
		"query": map[string]any{"bool": map[string]any{"must": must}},
		"size":  limit,
		"sort":  []any{map[string]any{"_score": "desc"}, map[string]any{"id": "asc"}},
	}
}

// answerError is an answer of the engine that is an error.
type answerError struct {
	status int
	kind   string // such as index_not_found_exception
}

// Error implements error.
func (e *answerError) Error() string {
	return strings.TrimSpace("the engine answered " + strconv.Itoa(e.status) + " " + e.kind)
}
