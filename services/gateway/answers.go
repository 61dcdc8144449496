package gateway

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

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

// failed answers with a service's error, as its kind asks for.
func failed(w http.ResponseWriter, r *http.Request, err error) {
	problem.Answer(w, hop.Logger(r.Context()), err)
}

// decode reads a JSON body strictly; it has answered when it returns false.
func decode(w http.ResponseWriter, r *http.Request, into any) bool {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil && dec.More() {
		err = errors.New("there is more after the JSON value")
	}
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		return true
	case errors.As(err, &tooLarge):
		fail(w, http.StatusRequestEntityTooLarge, "the body is larger than 64 KiB")
	case errors.Is(err, io.EOF):
		fail(w, http.StatusBadRequest, "the body is empty; send a JSON object")
	default:
		fail(w, http.StatusBadRequest, "the body is not the expected JSON: "+err.Error())
	}
	return false
}
