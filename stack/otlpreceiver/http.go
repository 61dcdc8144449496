package otlpreceiver

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/tenhop/tenhop/stack/budget"
	"github.com/tenhop/tenhop/trace/otlp"
)

const (
	typeProto = "application/x-protobuf"
	typeJSON  = "application/json"
)

// decoder is an OTLP request of any signal.
type decoder interface {
	UnmarshalProto([]byte) error
	UnmarshalJSON([]byte) error
}

// encoder is an OTLP response of any signal.
type encoder interface {
	MarshalProto() ([]byte, error)
	MarshalJSON() ([]byte, error)
}

// Handler returns the handler of /v1/traces, /v1/metrics and /v1/logs, to be served by
// another server than the receiver's. It does not check the Host header.
func (r *Receiver) Handler() http.Handler {
	mux := http.NewServeMux()
	if r.consumer.Traces != nil {
		mux.HandleFunc("/v1/traces", func(w http.ResponseWriter, req *http.Request) {
			msg, resp := ptraceotlp.NewExportRequest(), ptraceotlp.NewExportResponse()
			r.serve(w, req, msg, resp, func(ctx context.Context) error {
				return consumeTraces(ctx, r.consumer.Traces, r.viaHTTP, msg.Traces(), resp)
			})
		})
	}
	if r.consumer.Metrics != nil {
		mux.HandleFunc("/v1/metrics", func(w http.ResponseWriter, req *http.Request) {
			msg, resp := pmetricotlp.NewExportRequest(), pmetricotlp.NewExportResponse()
			r.serve(w, req, msg, resp, func(ctx context.Context) error {
				return consumeMetrics(ctx, r.consumer.Metrics, r.viaHTTP, msg.Metrics(), resp)
			})
		})
	}
	if r.consumer.Logs != nil {
		mux.HandleFunc("/v1/logs", func(w http.ResponseWriter, req *http.Request) {
			msg, resp := plogotlp.NewExportRequest(), plogotlp.NewExportResponse()
			r.serve(w, req, msg, resp, func(ctx context.Context) error {
				return consumeLogs(ctx, r.consumer.Logs, r.viaHTTP, msg.Logs(), resp)
			})
		})
	}
	return mux
}

func (r *Receiver) serve(w http.ResponseWriter, req *http.Request, msg decoder, ok encoder, consume func(context.Context) error) {
	if req.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "405 method not allowed, supported: [POST]", http.StatusMethodNotAllowed)
		return
	}
	contentType, _, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	if err != nil || (contentType != typeProto && contentType != typeJSON) {
		r.viaHTTP.Bad("content_type")
		http.Error(w, "415 unsupported media type, supported: ["+typeJSON+", "+typeProto+"]", http.StatusUnsupportedMediaType)
		return
	}
	busy := func() {
		r.viaHTTP.Bad("busy")
		w.Header().Set("Retry-After", "1")
		respondError(w, contentType, http.StatusServiceUnavailable, codes.Unavailable, budget.ErrBusy)
	}
	held := &budget.Reader{Free: r.decoding.free}
	defer held.Release()
	body, err := r.body(w, req, held)
	if errors.Is(err, budget.ErrBusy) {
		busy()
		return
	}
	if err != nil {
		code, reason := http.StatusBadRequest, "malformed"
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			code, reason = http.StatusRequestEntityTooLarge, "oversized"
		}
		r.viaHTTP.Bad(reason)
		respondError(w, contentType, code, codes.InvalidArgument, err)
		return
	}
	size, decode := otlp.DecodedBytes, msg.UnmarshalProto
	if contentType == typeJSON {
		size, decode = decodedJSON, msg.UnmarshalJSON
	}
	n, err := size(body)
	if err == nil {
		if !r.decoding.free.TryAcquire(int64(n)) {
			busy()
			return
		}
		defer r.decoding.free.Release(int64(n))
		err = decode(body)
	}
	if err != nil {
		r.viaHTTP.Bad("malformed")
		respondError(w, contentType, http.StatusBadRequest, codes.InvalidArgument, err)
		return
	}
	if err := consume(req.Context()); err != nil {
		w.Header().Set("Retry-After", "1")
		respondError(w, contentType, http.StatusServiceUnavailable, codes.Unavailable, err)
		return
	}
	encode := ok.MarshalProto
	if contentType == typeJSON {
		encode = ok.MarshalJSON
	}
	out, err := encode()
	if err != nil {
		respondError(w, contentType, http.StatusInternalServerError, codes.Internal, err)
		return
	}
	w.Header().Set("Content-Type", contentType)
	_, _ = w.Write(out) // the client is gone, its data is stored
}

// body reads a request's body, decompressed, into memory that held takes.
func (r *Receiver) body(w http.ResponseWriter, req *http.Request, held *budget.Reader) ([]byte, error) {
	limited := http.MaxBytesReader(w, req.Body, int64(r.maxBytes))
	switch enc := req.Header.Get("Content-Encoding"); enc {
	case "", "identity":
		held.In = limited
		return io.ReadAll(held)
	case "gzip":
		zr, err := gzip.NewReader(limited)
		if err != nil {
			return nil, fmt.Errorf("gzip body: %w", err)
		}
		// The decompressed body has the same limit.
		held.In = http.MaxBytesReader(w, zr, int64(r.maxBytes))
		body, err := io.ReadAll(held)
		return body, errors.Join(err, zr.Close())
	default:
		return nil, fmt.Errorf("content encoding %q is not supported, use gzip or none", enc)
	}
}

func respondError(w http.ResponseWriter, contentType string, httpCode int, code codes.Code, err error) {
	st := &spb.Status{Code: int32(code), Message: err.Error()}
	marshal := proto.Marshal
	if contentType == typeJSON {
		marshal = protojson.Marshal
	}
	out, err := marshal(st)
	if err != nil {
		http.Error(w, st.GetMessage(), httpCode)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(httpCode)
	_, _ = w.Write(out) // the client is gone
}
