package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/tenhop/tenhop/console/protocols"
	"github.com/tenhop/tenhop/query"
)

// endpoint is an endpoint of the JSON API. The page's types are generated from its
// request and response types.
type endpoint struct {
	pattern string
	answer  reflect.Type
	body    reflect.Type // nil without one
	token   bool         // whether it requires the token
	handle  func(*Console, *http.Request) (any, error)
}

// endpoints lists the JSON API.
func endpoints() []endpoint {
	return []endpoint{
		answers("GET /api/config", (*Console).config),
		answers("GET /api/services", (*Console).services),
		answers("GET /api/services/{name}/operations", (*Console).operations),
		answers("GET /api/traces", (*Console).search),
		answers("GET /api/traces/{id}", (*Console).trace),
		answers("GET /api/traces/{id}/logs", (*Console).traceLogs),
		answers("GET /api/compare", (*Console).compare),
		answers("GET /api/diagnose", (*Console).diagnose),
		answers("GET /api/incidents", (*Console).incidents),
		answers("GET /api/incidents/{id}", (*Console).incident),
		answers("GET /api/dashboards", (*Console).dashboards),
		answers("GET /api/dashboards/{uid}", (*Console).dashboard),
		answers("GET /api/protocols", func(*Console, *http.Request) (protocols.Comparison, error) { return protocols.Recorded() }),
		answers("GET /api/drill", (*Console).drillState),
		answers("GET /api/drill/choices", (*Console).drillChoices),
		locked(answers("GET /api/faults", (*Console).listFaults)),
		locked(takes("POST /api/faults", (*Console).injectFault)),
		locked(answers("DELETE /api/faults", (*Console).clearFaults)),
		locked(answers("POST /api/drill", (*Console).startDrill)),
		locked(takes("POST /api/drill/answer", (*Console).answerDrill)),
		locked(answers("DELETE /api/drill", (*Console).endDrill)),
		locked(answers("POST /api/token", (*Console).checkToken)),
	}
}

func answers[T any](pattern string, h func(*Console, *http.Request) (T, error)) endpoint {
	return endpoint{pattern: pattern, answer: reflect.TypeFor[T](), handle: func(c *Console, r *http.Request) (any, error) {
		v, err := h(c, r)
		fillLists(reflect.ValueOf(&v))
		return v, err
	}}
}

// takes is like answers, for a handler with a JSON body.
func takes[B, T any](pattern string, h func(*Console, *http.Request, B) (T, error)) endpoint {
	e := answers(pattern, func(c *Console, r *http.Request) (T, error) {
		var body B
		if err := readJSON(r, &body); err != nil {
			var none T
			return none, err
		}
		return h(c, r, body)
	})
	e.body = reflect.TypeFor[B]()
	return e
}

func locked(e endpoint) endpoint {
	e.token = true
	return e
}

// Done is the empty response to an action.
type Done struct{}

// APIError is the body of every response with a status other than 200.
type APIError struct {
	Error string `json:"error"` // the problem and its remedy
}

// fillLists replaces nil slices and maps within v by empty ones, so that the
// page's types need no null. Values reached through v must not be shared with
// other goroutines, unless they have been filled already.
func fillLists(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			fillLists(v.Elem())
		}
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[json.RawMessage]() {
			return
		}
		if v.IsNil() {
			v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		}
		if k := v.Type().Elem().Kind(); k == reflect.Struct || k == reflect.Pointer || k == reflect.Slice || k == reflect.Map {
			for i := range v.Len() {
				fillLists(v.Index(i))
			}
		}
	case reflect.Map:
		if v.IsNil() {
			v.Set(reflect.MakeMap(v.Type()))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fillLists(v.Field(i))
			}
		}
	}
}

// filled returns v without nil slices and maps.
func filled[T any](v T) T {
	fillLists(reflect.ValueOf(&v))
	return v
}

// copied returns a copy of v. Whatever fillLists may change of it is not shared with v.
func copied[T any](v T) T {
	copyLists(reflect.ValueOf(&v).Elem())
	return v
}

// copyLists replaces what pointers and slices within v refer to by copies.
func copyLists(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			c := reflect.New(v.Type().Elem())
			c.Elem().Set(v.Elem())
			copyLists(c.Elem())
			v.Set(c)
		}
	case reflect.Slice:
		if !v.IsNil() && v.Type() != reflect.TypeFor[json.RawMessage]() {
			c := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
			reflect.Copy(c, v)
			for i := range c.Len() {
				copyLists(c.Index(i))
			}
			v.Set(c)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				copyLists(v.Field(i))
			}
		}
	}
}

// apiError is an error with its HTTP status.
type apiError struct {
	status  int
	message string
}

// Error returns the message for the user.
func (e *apiError) Error() string { return e.message }

func badRequest(format string, args ...any) error {
	return &apiError{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// serve returns the handler of e. It responds in JSON.
func (c *Console) serve(e endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := e.handle(c, r)
		if err != nil {
			writeError(w, err)
			return
		}
		writeJSON(w, http.StatusOK, v)
	}
}

// writeError writes an error response. An error that is not an apiError comes from a
// telemetry back end, so its status is 502.
func writeError(w http.ResponseWriter, err error) {
	status := http.StatusBadGateway
	var e *apiError
	if errors.As(err, &e) {
		status = e.status
	}
	writeJSON(w, status, APIError{describe(err)})
}

// describe returns the text of an error for the page, with what to do about a back
// end that does not answer.
func describe(err error) string {
	if gone := (*query.UnreachableError)(nil); errors.As(err, &gone) {
		return err.Error() + "; `tenhop status` shows what runs"
	}
	return err.Error()
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // fails when the client is gone
}

// readJSON decodes a small body. It requires the content type of JSON, which a form on
// another site cannot set.
func readJSON(r *http.Request, v any) error {
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); kind != "application/json" {
		return &apiError{http.StatusUnsupportedMediaType, "the body must be application/json"}
	}
	dec := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 64<<10))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return badRequest("read the body: %v", err)
	}
	return nil
}
