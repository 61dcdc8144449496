package gateway

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tenhop/tenhop/middleware/hop"
)

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // the client is gone when it fails
}

func fail(w http.ResponseWriter, code int, message string) {
	answer(w, code, map[string]string{"error": message})
}

// statuses maps what a service behind says to what a customer is told
// (google.rpc.Code's HTTP mapping).
var statuses = map[codes.Code]int{
	codes.InvalidArgument: http.StatusBadRequest, codes.NotFound: http.StatusNotFound, codes.AlreadyExists: http.StatusConflict,
	codes.PermissionDenied: http.StatusForbidden, codes.Unauthenticated: http.StatusUnauthorized,
	codes.ResourceExhausted: http.StatusTooManyRequests, codes.FailedPrecondition: http.StatusUnprocessableEntity,
	codes.Aborted: http.StatusConflict, codes.Unavailable: http.StatusServiceUnavailable,
	codes.DeadlineExceeded: http.StatusGatewayTimeout, codes.Canceled: 499,
}

// failed answers with a service's error. Texts of server-side errors stay in
// the log: they may say more than a customer should read.
func failed(w http.ResponseWriter, r *http.Request, err error) {
	s := status.Convert(err)
	code, ok := statuses[s.Code()]
	if !ok {
		code = http.StatusInternalServerError
	}
	message := s.Message()
	if code >= http.StatusInternalServerError {
		hop.Logger(r.Context()).Error().Err(err).Msg("request failed behind the gateway")
		message = "the storefront cannot do this right now; please try again"
	}
	fail(w, code, message)
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
