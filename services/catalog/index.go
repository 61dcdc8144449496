package catalog

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	"github.com/rs/zerolog"

	"github.com/tenhop/tenhop/services/runtime"
)

// engineName is the logical name of the search engine.
const engineName = "catalog-search"

// indexName is the name of the index.
const indexName = "catalog-products"

// mapping holds the settings and the mapping of the index.
//
//go:embed products.json
var mapping []byte

// Limits of the work on the index.
const (
	batch          = 500 // products per bulk request
	prepareTimeout = time.Minute
	minBackoff     = 250 * time.Millisecond
	maxBackoff     = 5 * time.Second
)

// document is a product in the index.
type document struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Category    string `json:"category"`
	Description string `json:"description"`
	Price       int64  `json:"price"`
}

// index holds the products in a search engine. The database is the source of truth: the
// index is made from it, and made again if the engine has lost it.
type index struct {
	engine   *runtime.SearchEngine
	store    *runtime.Store
	name     string
	timeout  time.Duration // of a search
	log      *zerolog.Logger
	searches searches
	ready    atomic.Bool   // it is complete, and the last search had an answer
	lost     chan struct{} // sent to when ready becomes false; buffered
	indexed  bool          // this process has written all products; used by prepare
}

func openIndex(e *runtime.Env, store *runtime.Store, name string) (*index, error) {
	engine, err := e.OpenSearchEngine(engineName)
	if err != nil {
		return nil, err
	}
	return &index{engine: engine, store: store, name: name, timeout: engineTimeout, log: e.Telemetry.Zerolog(),
		searches: newSearches(e.Telemetry.Registerer()), lost: make(chan struct{}, 1)}, nil
}

// failed notes an error of a search. Unless the engine only refused this one, the database
// answers until the index has been found complete again.
func (x *index) failed(err error) {
	var answer *answerError
	if errors.As(err, &answer) && answer.status < 500 && answer.status != http.StatusNotFound && answer.status != http.StatusTooManyRequests {
		return
	}
	if x.ready.CompareAndSwap(true, false) {
		x.log.Warn().Err(err).Msg("no answer of the search engine; the database answers searches")
		x.lost <- struct{}{}
	}
}

// keep completes the index at the start and whenever the engine was away, until ctx ends.
func (x *index) keep(ctx context.Context) error {
	wait, said := time.Duration(0), false
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		err := x.prepare(ctx)
		if err != nil {
			if !said && ctx.Err() == nil {
				x.log.Warn().Err(err).Msg("the search index is not ready; the database answers searches")
			}
			wait, said = min(max(2*wait, minBackoff), maxBackoff), true
			continue
		}
		x.ready.Store(true)
		x.log.Info().Msg("the search engine answers searches")
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-x.lost:
		}
		wait, said = minBackoff, false
	}
}

// prepare creates the index if there is none and writes the products that are missing. The
// first time in a process it writes all of them, since their texts may have changed.
func (x *index) prepare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, prepareTimeout)
	defer cancel()
	if err := x.create(ctx); err != nil {
		return fmt.Errorf("create the index: %w", err)
	}
	var there struct{ Count int }
	if err := call(ctx, x.engine.Unmeasured, http.MethodGet, "/"+x.name+"/_count", nil, &there); err != nil {
		return fmt.Errorf("count the index: %w", err)
	}
	var want int
	if err := x.store.QueryRow(ctx, "SELECT COUNT(*) FROM products").Scan(&want); err != nil {
		return fmt.Errorf("count the products: %w", err)
	}
	if x.indexed && there.Count == want {
		return nil
	}
	for last, more := "", true; more; {
		var err error
		if last, more, err = x.write(ctx, last); err != nil {
			return fmt.Errorf("index products: %w", err)
		}
	}
	if err := call(ctx, x.engine.Unmeasured, http.MethodPost, "/"+x.name+"/_refresh", nil, nil); err != nil {
		return fmt.Errorf("refresh the index: %w", err)
	}
	x.indexed = true
	return nil
}

// create creates the index unless it exists. Another instance may create it meanwhile.
func (x *index) create(ctx context.Context) error {
	var answer *answerError
	err := call(ctx, x.engine.Unmeasured, http.MethodHead, "/"+x.name, nil, nil)
	if !errors.As(err, &answer) || answer.status != http.StatusNotFound {
		return err
	}
	err = call(ctx, x.engine.Unmeasured, http.MethodPut, "/"+x.name, json.RawMessage(mapping), nil)
	if errors.As(err, &answer) && answer.kind == "resource_already_exists_exception" {
		return nil
	}
	return err
}

// write writes the products after an ID, at most batch. It returns the last one's ID and
// whether there may be more.
func (x *index) write(ctx context.Context, after string) (last string, more bool, err error) {
	rows, err := x.store.Query(ctx, "SELECT "+columns+" FROM products WHERE id > ? ORDER BY id LIMIT ?", after, batch)
	if err != nil {
		return "", false, err
	}
	defer rows.Close()
	var lines bytes.Buffer
	to := json.NewEncoder(&lines)
	n := 0
	for ; rows.Next(); n++ {
		var d document
		if err := rows.Scan(&d.ID, &d.Name, &d.Category, &d.Description, &d.Price); err != nil {
			return "", false, err
		}
		action := map[string]any{"index": map[string]string{"_id": d.ID}}
		if err := errors.Join(to.Encode(action), to.Encode(d)); err != nil {
			return "", false, err
		}
		last = d.ID
	}
	if err := rows.Err(); err != nil || n == 0 {
		return "", false, err
	}
	var answer struct {
		Errors bool
		Items  []struct{ Index struct{ Status int } }
	}
	if err := call(ctx, x.engine.Unmeasured, http.MethodPost, "/"+x.name+"/_bulk", &lines, &answer); err != nil {
		return "", false, err
	}
	if answer.Errors { // the status of the request is 200 nevertheless
		for _, item := range answer.Items {
			if item.Index.Status >= 400 {
				return "", false, &answerError{status: item.Index.Status}
			}
		}
	}
	return last, n == batch, nil
}

// maxAnswer is the maximum size in bytes of an answer of the engine.
const maxAnswer = 4 << 20

// call sends a request to the engine and decodes the answer into out unless that is nil.
// body is nil, the lines of a bulk request, or a value to be sent as JSON.
func call(ctx context.Context, engine elastictransport.Interface, method, path string, body, out any) error {
	var payload io.Reader
	contentType := "application/json"
	switch b := body.(type) {
	case nil:
	case *bytes.Buffer:
		payload, contentType = b, "application/x-ndjson"
	default:
		encoded, err := json.Marshal(b)
		if err != nil {
			return err
		}
		payload = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, path, payload)
	if err != nil {
		return err
	}
	if payload != nil {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := engine.Perform(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		var answer struct{ Error struct{ Type string } }
		_ = json.Unmarshal(content, &answer) // a proxy answers otherwise
		return &answerError{resp.StatusCode, answer.Error.Type}
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(content, out); err != nil {
		return fmt.Errorf("the engine's answer: %w", err)
	}
	return nil
}
