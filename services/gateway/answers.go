package gateway

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"unicode/utf8"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/services/problem"
)

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // the client is gone when it fails
}

func fail(w http.ResponseWriter, code int, message string) {
	problem.Write(w, code, message)
}

// failed writes the response for a service's error, by its kind.
func failed(w http.ResponseWriter, r *http.Request, err error) {
	problem.Answer(w, hop.Zerolog(r.Context()), err)
}

// decode reads a JSON body strictly. If it returns false, it has written the response.
func decode(w http.ResponseWriter, r *http.Request, into any) bool {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil {
		if _, more := dec.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is more after the JSON value")
		}
	}
	var tooLarge *http.MaxBytesError
	var wrong *json.UnmarshalTypeError
	switch {
	case err == nil:
		return true
	case errors.As(err, &tooLarge):
		fail(w, http.StatusRequestEntityTooLarge, "the body is larger than 64 KiB")
	case errors.Is(err, io.EOF):
		fail(w, http.StatusBadRequest, "the body is empty; send a JSON object")
	case errors.As(err, &wrong):
		fail(w, http.StatusBadRequest, cmp.Or(wrong.Field, "the body")+" must be "+jsonKind(wrong.Type.Kind())+", not "+wrong.Value)
	default:
		fail(w, http.StatusBadRequest, "the body is not the expected JSON: "+err.Error())
	}
	return false
}

// jsonKind returns the JSON name of a Go type, for error texts.
func jsonKind(k reflect.Kind) string {
	switch k {
	case reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.String:
		return "a string"
	}
	return "a JSON object"
}

// texts refuses paths, queries and headers that are not UTF-8. No service accepts
// them, so they would be counted as server errors.
func texts(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ok := utf8.ValidString(r.URL.Path) && utf8.ValidString(r.Header.Get("Idempotency-Key"))
		for _, values := range r.URL.Query() {
			for _, v := range values {
				ok = ok && utf8.ValidString(v)
			}
		}
		if !ok {
			fail(w, http.StatusBadRequest, "path, query and Idempotency-Key must be UTF-8")
			return
		}
		next.ServeHTTP(w, r)
	})
}
