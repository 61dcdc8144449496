package connectmw_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// serverSpan returns the only server span.
func serverSpan(t *testing.T, rec *mwtest.Recorder) mwtest.Span {
	t.Helper()
	var found []mwtest.Span
	for _, s := range rec.Spans() {
		if s.Kind == trace.SpanKindServer {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d server spans, want 1", len(found))
	}
	return found[0]
}

// The code of an error is in the body of a stream, in a trailer of gRPC, and in the status
// and the body of a unary call. All signals have it, and there is one hop.
func TestCodes(t *testing.T) {
	outcomes := []struct {
		err               error
		connect, grpc     string // rpc.response.status_code
		failed            bool
		whyThisOneMatters string
	}{
		{nil, "", "OK", false, "a success has no code in the protocol Connect"},
		{connect.NewError(connect.CodeNotFound, errors.New("secret")), "not_found", "NOT_FOUND", false, "the caller's fault"},
		{connect.NewError(connect.CodeInternal, errors.New("secret")), "internal", "INTERNAL", true, "the server's fault"},
		{connect.NewError(connect.CodeCanceled, errors.New("secret")), "canceled", "CANCELLED", false, "spelled in two ways"},
		{errors.New("secret"), "unknown", "UNKNOWN", true, "an error without a code"},
		{context.DeadlineExceeded, "deadline_exceeded", "DEADLINE_EXCEEDED", true, "connect maps errors of the context"},
	}
	for protocol, p := range protocols {
		for _, a := range arrangements {
			for _, procedure := range []string{unaryProcedure, outputProcedure} {
				for _, o := range outcomes {
					t.Run(protocol+" "+a.name+" "+procedure+" "+o.whyThisOneMatters, func(t *testing.T) {
						rec := mwtest.New(t)
						client, url := serve(t, a.build(rec, cart{
							unary: func(context.Context, *connect.Request[empty]) (*connect.Response[empty], error) {
								return connect.NewResponse(&empty{}), o.err
							},
							output: func(_ context.Context, _ *connect.Request[empty], s *connect.ServerStream[text]) error {
								_ = s.Send(&text{})
								return o.err
							},
						}))
						want := o.connect
						if p.system == "grpc" {
							want = o.grpc
						}
						var correlation string
						if procedure == unaryProcedure {
							resp, err := connect.NewClient[empty, empty](client, url+procedure, p.option).CallUnary(t.Context(), connect.NewRequest(&empty{}))
							if resp != nil {
								correlation = resp.Header().Get("X-Correlation-ID")
							}
							var failed *connect.Error
							if errors.As(err, &failed) {
								correlation = failed.Meta().Get("X-Correlation-ID")
							}
						} else {
							s, err := connect.NewClient[empty, text](client, url+procedure, p.option).CallServerStream(t.Context(), connect.NewRequest(&empty{}))
							if err != nil {
								t.Fatal(err)
							}
							for s.Receive() {
							}
							correlation = s.ResponseHeader().Get("X-Correlation-ID")
							_ = s.Close()
						}
						awaitHop(t, rec)
						span := serverSpan(t, rec)
						if span.Name != operationOf(procedure) || span.Attributes["rpc.method"] != operationOf(procedure) || span.Attributes["rpc.system.name"] != p.system {
							t.Errorf("span %s %v", span.Name, span.Attributes)
						}
						if got := span.Attributes["rpc.response.status_code"]; got != want {
							t.Errorf("rpc.response.status_code %q, want %q", got, want)
						}
						if (span.Status == codes.Error) != o.failed {
							t.Errorf("status %v", span.Status)
						}
						errorType := want
						if o.err == nil {
							errorType = ""
						}
						if n := rec.Count("rpc_server_call_duration_seconds", "rpc_system_name", p.system, "rpc_method", operationOf(procedure), "rpc_response_status_code", want, "error_type", errorType); n != 1 {
							t.Errorf("rpc_server_call_duration_seconds counts %d", n)
						}
						if n := rec.Count("hop_duration_seconds"); n != 1 {
							t.Errorf("%d hops", n)
						}
						if n := rec.Count("hop_self_duration_seconds", "operation", operationOf(procedure)); n != 1 {
							t.Errorf("%d hops with the procedure as the operation", n)
						}
						lines := rec.Lines()
						if len(lines) != 1 {
							t.Fatalf("%d log lines", len(lines))
						}
						if got, _ := lines[0]["error_type"].(string); got != errorType {
							t.Errorf("the log line has error_type %q", got)
						}
						if correlation == "" || correlation != lines[0]["correlation_id"] {
							t.Errorf("the response has correlation ID %q, the line %v", correlation, lines[0]["correlation_id"])
						}
					})
				}
			}
		}
	}
}

// awaitHop waits until the server has reported a hop. The client may have the whole response
// before.
func awaitHop(t *testing.T, rec *mwtest.Recorder) {
	t.Helper()
	for range 500 {
		if rec.OpenSpans() == 0 && len(rec.Lines()) > 0 {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Fatal("no hop was reported")
}

// The life of a stream is not self time: only what the handler does itself is.
func TestStreamCountsBlockedTimeAsWait(t *testing.T) {
	const idle = 60 * time.Millisecond
	for protocol, p := range protocols {
		if protocol == "grpc-web" {
			continue // half duplex
		}
		for _, a := range arrangements {
			t.Run(protocol+" "+a.name, func(t *testing.T) {
				rec := mwtest.New(t)
				client, url := serve(t, a.build(rec, cart{duplex: func(_ context.Context, s *connect.BidiStream[text, text]) error {
					for {
						if _, err := s.Receive(); errors.Is(err, io.EOF) {
							return nil
						} else if err != nil {
							return err
						}
						if err := s.Send(&text{}); err != nil {
							return err
						}
					}
				}}))
				s := connect.NewClient[text, text](client, url+duplexProcedure, p.option).CallBidiStream(t.Context())
				for range 2 {
					if err := s.Send(&text{}); err != nil {
						t.Fatal(err)
					}
					if _, err := s.Receive(); err != nil {
						t.Fatal(err)
					}
					time.Sleep(idle)
				}
				_ = s.CloseRequest()
				if _, err := s.Receive(); !errors.Is(err, io.EOF) {
					t.Fatal(err)
				}
				_ = s.CloseResponse()
				awaitHop(t, rec)
				whole, self := rec.Sum("hop_duration_seconds"), rec.Sum("hop_self_duration_seconds")
				wait := rec.Sum("hop_wait_duration_seconds", "dependency_kind", "caller")
				if wait < (2*idle).Seconds() || self > whole-(2*idle).Seconds() {
					t.Errorf("whole %v, self %v, wait %v", whole, self, wait)
				}
			})
		}
	}
}

// A panic continues, as it does without the interceptor, and is in all signals.
func TestPanicContinues(t *testing.T) {
	for _, a := range arrangements {
		for _, procedure := range []string{unaryProcedure, outputProcedure} {
			t.Run(a.name+procedure, func(t *testing.T) {
				rec := mwtest.New(t)
				h := a.build(rec, cart{
					unary: func(context.Context, *connect.Request[empty]) (*connect.Response[empty], error) { panic("secret") },
					output: func(context.Context, *connect.Request[empty], *connect.ServerStream[text]) error {
						panic("secret")
					},
				})
				recovered := make(chan any, 1)
				client, url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					defer func() {
						recovered <- recover()
						panic(http.ErrAbortHandler) // net/http logs other values
					}()
					h.ServeHTTP(w, r)
				}))
				var err error
				if procedure == unaryProcedure {
					_, err = connect.NewClient[empty, empty](client, url+procedure).CallUnary(t.Context(), connect.NewRequest(&empty{}))
				} else {
					var s *connect.ServerStreamForClient[text]
					if s, err = connect.NewClient[empty, text](client, url+procedure).CallServerStream(t.Context(), connect.NewRequest(&empty{})); err == nil {
						s.Receive()
						err = s.Err()
						_ = s.Close()
					}
				}
				if p := <-recovered; p != "secret" || err == nil {
					t.Errorf("recovered %v, the client got %v", p, err)
				}
				awaitHop(t, rec)
				if span := serverSpan(t, rec); span.Attributes["error.type"] != "panic" || span.Status != codes.Error {
					t.Errorf("%v %v", span.Status, span.Attributes)
				}
				if n := rec.Count("rpc_server_call_duration_seconds", "error_type", "panic"); n != 1 {
					t.Errorf("rpc_server_call_duration_seconds counts %d", n)
				}
			})
		}
	}
}

// Callers write anything into headers. Nothing of it is in a label, and it takes no time.
func TestHostileHeaders(t *testing.T) {
	bad := map[string][]string{
		"Traceparent":      {strings.Repeat("0", 64<<10), "\x00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
		"Baggage":          {strings.Repeat("evil=1,", 10_000), "hop.entry=" + strings.Repeat("evil", 16<<10), "\r\nevil: 1"},
		"X-Correlation-Id": {"evil\x00\r\n" + strings.Repeat("evil", 16<<10), "evil"},
		"Tracestate":       {strings.Repeat("evil=1,", 10_000)},
		"X-Request-Id":     {"evil\n"},
	}
	for _, a := range arrangements {
		t.Run(a.name, func(t *testing.T) {
			rec := mwtest.New(t)
			h := a.build(rec, cart{unary: func(context.Context, *connect.Request[empty]) (*connect.Response[empty], error) {
				return connect.NewResponse(&empty{}), nil
			}})
			r := httptest.NewRequest(http.MethodPost, unaryProcedure, strings.NewReader("{}"))
			r.Header = http.Header{"Content-Type": {"application/json"}}
			for k, v := range bad {
				r.Header[k] = v
			}
			w, began := httptest.NewRecorder(), time.Now()
			h.ServeHTTP(w, r)
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("took %s", took)
			}
			if w.Code != http.StatusOK || strings.Contains(w.Header().Get("X-Correlation-ID"), "evil") && len(w.Header().Get("X-Correlation-ID")) > 8 {
				t.Errorf("%d %v", w.Code, w.Header())
			}
			metrics := httptest.NewRecorder()
			rec.Telemetry.MetricsHandler().ServeHTTP(metrics, httptest.NewRequest(http.MethodGet, "/metrics", nil))
			if strings.Contains(metrics.Body.String(), "evil") {
				t.Error("a label has what the caller sent")
			}
		})
	}
}

// A handler that calls another one within the process, with its own context, makes a hop of
// its own.
func TestCallWithinTheProcess(t *testing.T) {
	rec := mwtest.New(t)
	inner := arrangements[0].build(rec, cart{unary: func(context.Context, *connect.Request[empty]) (*connect.Response[empty], error) {
		return connect.NewResponse(&empty{}), nil
	}})
	h := httpmw.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		call, _ := http.NewRequestWithContext(r.Context(), http.MethodPost, unaryProcedure, strings.NewReader("{}"))
		call.Header.Set("Content-Type", "application/json")
		inner.ServeHTTP(httptest.NewRecorder(), call)
	}), httpmw.WithTelemetry(rec.Telemetry))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/page", nil))
	if n := rec.Count("hop_duration_seconds"); n != 2 {
		t.Errorf("%d hops", n)
	}
}

// A GET whose answer has not changed is a success.
func TestNotModified(t *testing.T) {
	for _, a := range arrangements {
		t.Run(a.name, func(t *testing.T) {
			rec := mwtest.New(t)
			client, url := serve(t, a.build(rec, cart{unary: func(context.Context, *connect.Request[empty]) (*connect.Response[empty], error) {
				return nil, connect.NewNotModifiedError(nil)
			}}))
			_, err := connect.NewClient[empty, empty](client, url+unaryProcedure, connect.WithHTTPGet(), connect.WithIdempotency(connect.IdempotencyNoSideEffects), clientOf(rec)).CallUnary(t.Context(), connect.NewRequest(&empty{}))
			if !connect.IsNotModifiedError(err) {
				t.Fatal(err)
			}
			awaitHop(t, rec)
			for _, span := range rec.Spans() {
				if span.Attributes["error.type"] != "" || span.Status == codes.Error {
					t.Errorf("%v %v %v", span.Kind, span.Status, span.Attributes)
				}
			}
			if n := len(rec.Spans()); n != 2 {
				t.Errorf("%d spans", n)
			}
		})
	}
}
