package resilience

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
)

func clients(change func(*Policy)) *Clients {
	p := Default()
	if change != nil {
		change(&p)
	}
	log := zerolog.Nop()
	return New(p, prometheus.NewRegistry(), &log)
}

// TestAttempts makes calls again if that is of use, and allowed.
func TestAttempts(t *testing.T) {
	for _, c := range []struct {
		why        string
		idempotent bool
		outcomes   []outcome
		made       int
		mark       bool // the caller's caller must not retry
	}{
		{"the first attempt succeeds", true, []outcome{answered}, 1, false},
		{"the second one does", true, []outcome{failed, answered}, 2, false},
		{"no attempt does", true, []outcome{failed, failed, failed, failed}, 3, true},
		{"the call changes something each time", false, []outcome{failed, answered}, 1, true},
		{"what the dependency calls has failed, which it has retried", true, []outcome{otherwise, answered}, 1, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, h := withHop(t.Context())
			made, began := 0, time.Now()
			_ = clients(nil).Of("stock").retry(ctx, c.idempotent, func(ctx context.Context) (outcome, error) {
				if earlier(ctx) != made {
					t.Errorf("%s: attempt %d says that it is number %d", c.why, made, earlier(ctx))
				}
				o := c.outcomes[made]
				made++
				if o == answered {
					return o, nil
				}
				return o, errors.New("no")
			})
			if made != c.made || h.callFailed.Load() != c.mark {
				t.Errorf("%s: %d attempts, want %d; marked %v", c.why, made, c.made, h.callFailed.Load())
			}
			if took := time.Since(began); made == 1 && took != 0 || took > time.Second {
				t.Errorf("%s: %d attempts took %v", c.why, made, took)
			}
		})
	}
}

// TestJitter spreads retries: those of calls that fail at once come at different times.
func TestJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clients(func(p *Policy) { p.BudgetBurst = 1000 }).Of("stock")
		var mu sync.Mutex
		at := map[time.Duration]bool{}
		began := time.Now()
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				_ = c.retry(t.Context(), true, func(ctx context.Context) (outcome, error) {
					if earlier(ctx) == 0 {
						return failed, errors.New("no")
					}
					mu.Lock()
					defer mu.Unlock()
					at[time.Since(began)] = true
					return answered, nil
				})
			})
		}
		wg.Wait()
		for d := range at {
			if d < c.policy.Backoff/2 || d > c.policy.Backoff*3/2 {
				t.Errorf("a retry came after %v", d)
			}
		}
		if len(at) < 90 {
			t.Errorf("100 retries came at %d times", len(at))
		}
	})
}

// TestBudget allows few retries for many calls, and some at once after a quiet time.
func TestBudget(t *testing.T) {
	b := newBudget(.05, 5)
	spent := 0
	for range 1000 {
		b.earn()
		if b.spend() {
			spent++
		}
	}
	if spent < 50 || spent > 55 {
		t.Errorf("%d retries of 1000 calls", spent)
	}
}

// TestDeadlines leaves each hop time to answer.
func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clients(nil).Of("stock")
		ctx, began := t.Context(), time.Now()
		last := c.policy.Timeout + time.Nanosecond
		for hop := range 5 {
			inner, cancel, err := c.deadline(ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer cancel()
			d, _ := inner.Deadline()
			if left := d.Sub(began); left >= last || left < c.policy.Timeout-time.Duration(hop)*maxReserve {
				t.Errorf("hop %d has %v after %v", hop, left, last)
			} else {
				last = left
			}
			ctx = inner
		}
		short, cancel := context.WithTimeout(t.Context(), 2*time.Millisecond)
		defer cancel()
		if _, _, err := c.deadline(short); !errors.Is(err, context.DeadlineExceeded) || testutil.ToFloat64(c.series.deadline) != 1 {
			t.Errorf("a call without time is made: %v", err)
		}
	})
}

// TestBreaker opens for a dependency that fails, not for one that fails for half of the calls,
// is slow, or whose own dependency fails.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := func(c *Client, n int, o func(i int) outcome) (refused int) {
			for i := range n {
				done, err := c.admit(t.Context())
				if err != nil {
					refused++
					continue
				}
				done(o(i))
			}
			return refused
		}
		always := func(o outcome) func(int) outcome { return func(int) outcome { return o } }
		for why, o := range map[string]func(int) outcome{
			"half of the calls fail": func(i int) outcome { return outcome(i % 2) },
			"calls do not end":       always(otherwise),
			"it refuses requests":    always(answered),
		} {
			if n := calls(clients(nil).Of("stock"), 1000, o); n != 0 {
				t.Errorf("%s: %d are refused", why, n)
			}
		}
		c := clients(nil).Of("stock")
		if n := calls(c, 19, always(failed)); n != 0 {
			t.Errorf("%d of too few calls are refused", n)
		}
		if n := calls(c, 100, always(failed)); n != 99 || testutil.ToFloat64(c.series.state) != 2 {
			t.Errorf("%d of 99 are refused, state %v", n, testutil.ToFloat64(c.series.state))
		}
		time.Sleep(2 * c.policy.BreakerDelay)
		if n := calls(c, 10, always(failed)); n != 9 {
			t.Errorf("%d of 10 are refused after a while; one is made", n)
		}
		time.Sleep(2 * c.policy.BreakerDelay)
		if n := calls(c, 10, always(answered)); n != 0 || testutil.ToFloat64(c.series.state) != 0 {
			t.Errorf("%d are refused when it is well again, state %v", n, testutil.ToFloat64(c.series.state))
		}
	})
}

// TestBulkhead lets calls wait for a moment, and refuses those that wait in vain.
func TestBulkhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clients(func(p *Policy) { p.MaxInFlight = 2 }).Of("stock")
		first, _ := c.admit(t.Context())
		second, _ := c.admit(t.Context())
		if _, err := c.admit(t.Context()); !errors.As(err, new(refusal)) {
			t.Errorf("a third call is made: %v", err)
		}
		time.AfterFunc(c.policy.BulkheadWait/2, func() { first(answered) })
		third, err := c.admit(t.Context())
		if err != nil {
			t.Fatalf("a call does not wait: %v", err)
		}
		second(answered)
		third(answered)
		if waited := testutil.ToFloat64(c.series.waited); waited != 1.5*c.policy.BulkheadWait.Seconds() {
			t.Errorf("waited %v s", waited)
		}
	})
}

// TestBreakerStates takes results only in the state that admitted the call, and none of calls
// that were not made.
func TestBreakerStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clients(func(p *Policy) { p.MaxInFlight = 40 }).Of("stock")
		admit := func() func(outcome) {
			t.Helper()
			done, err := c.admit(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return done
		}
		var slow, failing []func(outcome)
		for range 10 {
			slow = append(slow, admit())
		}
		for range 20 {
			failing = append(failing, admit())
		}
		for _, done := range failing {
			done(failed)
		}
		time.Sleep(2 * c.policy.BreakerDelay)
		probe := admit()
		for _, done := range slow {
			done(answered)
		}
		if state := testutil.ToFloat64(c.series.state); state != 1 {
			t.Errorf("calls from before it opened have changed the state to %v", state)
		}
		probe(failed)
		if state := testutil.ToFloat64(c.series.state); state != 2 {
			t.Errorf("after a failed call the state is %v", state)
		}
		time.Sleep(2 * c.policy.BreakerDelay)
		for range 40 {
			c.bulkhead.TryAcquirePermit()
		}
		for range 3 {
			if _, err := c.admit(t.Context()); err == nil {
				t.Error("a call beyond the bulkhead is made")
			}
		}
		if state := testutil.ToFloat64(c.series.state); state == 0 {
			t.Error("calls that were not made have closed it")
		}
	})
}

// TestRetryWithoutTime counts no retry that the deadline forbids.
func TestRetryWithoutTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clients(nil).Of("stock")
		ctx, cancel := context.WithTimeout(t.Context(), c.policy.Backoff/4)
		defer cancel()
		made := 0
		_ = c.retry(ctx, true, func(context.Context) (outcome, error) {
			made++
			return failed, errors.New("no")
		})
		if n := testutil.ToFloat64(c.series.retries); n != float64(made-1) {
			t.Errorf("%d attempts, %v retries are counted", made, n)
		}
	})
}

// TestLateAnswer takes a 503 at the deadline for slowness: the server's time ends shortly
// before that of its caller.
func TestLateAnswer(t *testing.T) {
	unavailable := &http.Response{StatusCode: http.StatusServiceUnavailable}
	for left, want := range map[time.Duration]outcome{time.Minute: failed, time.Millisecond: otherwise} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), left)
			defer cancel()
			if got := outcomeOfHTTP(ctx, unavailable, nil); got != want {
				t.Errorf("with %v left: %v, want %v", left, got, want)
			}
		})
	}
}

// half is a server of the storefront's contracts that fails for each second request.
type half struct {
	pb.UnimplementedPaymentServer
	requests, again atomic.Int64
}

func (h *half) Charge(ctx context.Context, _ *pb.ChargeRequest) (*pb.ChargeResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	if len(md.Get(keyAttempts)) > 0 {
		h.again.Add(1)
	}
	if h.requests.Add(1)%2 == 0 {
		return nil, status.Error(codes.Unavailable, "every second one")
	}
	return &pb.ChargeResponse{}, nil
}

// front is a server that passes requests on to payment.
type front struct {
	pb.UnimplementedOrderServer
	payment pb.PaymentClient
}

func (f *front) CreateOrder(ctx context.Context, _ *pb.CreateOrderRequest) (*pb.OrderRecord, error) {
	_, err := f.payment.Charge(ctx, &pb.ChargeRequest{})
	return &pb.OrderRecord{}, err
}

func serve(t *testing.T, register func(grpc.ServiceRegistrar)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer(grpc.ChainUnaryInterceptor(UnaryServer()))
	register(srv)
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(srv.Stop)
	return l.Addr().String()
}

func dial(t *testing.T, to string, c *Client) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(to, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry(),
		grpc.WithChainUnaryInterceptor(c.Around(), c.Within()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// amplification returns the requests that payment gets per order, and the part of the orders
// that fail, while payment fails for half of its requests. There are two hops that retry.
func amplification(t *testing.T, p func(*Policy)) (perOrder, fail float64) {
	t.Helper()
	const orders = 800
	payment := &half{}
	all := clients(p)
	behind := dial(t, serve(t, func(r grpc.ServiceRegistrar) { pb.RegisterPaymentServer(r, payment) }), all.Of("payment"))
	order := pb.NewOrderClient(dial(t, serve(t, func(r grpc.ServiceRegistrar) {
		pb.RegisterOrderServer(r, &front{payment: pb.NewPaymentClient(behind)})
	}), all.Of("order")))
	var failures atomic.Int64
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range orders / 20 {
				if _, err := order.CreateOrder(t.Context(), &pb.CreateOrderRequest{}); err != nil {
					failures.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if again := float64(payment.again.Load()); again != testutil.ToFloat64(all.Of("payment").series.retries) {
		t.Errorf("payment was told of %v repeated calls, the client counts %v", again, testutil.ToFloat64(all.Of("payment").series.retries))
	}
	if n := testutil.ToFloat64(all.Of("order").series.retries); n != 0 {
		t.Errorf("%v calls of order were repeated, whose own calls had failed", n)
	}
	return float64(payment.requests.Load()) / orders, float64(failures.Load()) / orders
}

// TestAmplification holds the load on a dependency that fails for half of its requests.
func TestAmplification(t *testing.T) {
	with, fail := amplification(t, nil)
	t.Logf("with the budget: %.2f requests per order, %.0f %% of the orders fail", with, 100*fail)
	if with > 1.2 {
		t.Errorf("%.2f requests per order", with)
	}
	without, fail := amplification(t, func(p *Policy) { p.BudgetRatio, p.BudgetBurst, p.Backoff = 1e6, 1e6, time.Millisecond })
	t.Logf("without it: %.2f requests per order, %.0f %% of the orders fail", without, 100*fail)
	if without < 1.4 {
		t.Errorf("%.2f requests per order without a budget: the test measures nothing", without)
	}
}

// TestHTTP retries what may be, tells the server the time it has, and returns the last answer.
func TestHTTP(t *testing.T) {
	var got atomic.Int64
	server := httptest.NewServer(Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.Add(1)
		d, ok := r.Context().Deadline()
		if left := time.Until(d); !ok || left > 10*time.Second {
			t.Errorf("the request has %v left", left)
		}
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/fails" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintf(w, "%s %s", r.Method, body)
	})))
	defer server.Close()
	c := clients(nil).Of("fraud")
	client := &http.Client{Transport: c.Transport(c.TransportWithin(http.DefaultTransport))}
	for _, call := range []struct {
		method, path string
		requests     int64
	}{
		{http.MethodGet, "/", 1}, {http.MethodGet, "/fails", 3}, {http.MethodPost, "/fails", 1},
	} {
		got.Store(0)
		req, err := http.NewRequestWithContext(t.Context(), call.method, server.URL+call.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if want := call.method + " "; err != nil || string(body) != want || got.Load() != call.requests || (resp.StatusCode == 503) != (call.path == "/fails") {
			t.Errorf("%s %s: %d requests, want %d; status %d, %q, %v", call.method, call.path, got.Load(), call.requests, resp.StatusCode, body, err)
		}
	}
}

// TestShed answers at once what does not fit.
func TestShed(t *testing.T) {
	hold, entered := make(chan struct{}), make(chan struct{}, 3)
	reg := prometheus.NewRegistry()
	h := Shed(2, reg, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) { entered <- struct{}{}; <-hold }))
	ask := func() int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		return w.Code
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { ask() })
		<-entered
	}
	if code := ask(); code != http.StatusServiceUnavailable {
		t.Errorf("a third request is handled: %d", code)
	}
	close(hold)
	wg.Wait()
	if code := ask(); code != http.StatusOK {
		t.Errorf("a request after them: %d", code)
	}
}

// TestIdempotent reads the contract.
func TestIdempotent(t *testing.T) {
	for method, want := range map[string]bool{
		"/tenhop.v1.Cart/GetCart": true, "/tenhop.v1.Cart/AddItem": false, "/tenhop.v1.Checkout/PlaceOrder": false,
		"/tenhop.v1.Payment/Charge": true, "/other.Service/Method": false, "": false, strconv.Itoa(0): false,
	} {
		if got := idempotent(method); got != want {
			t.Errorf("%q: %v", method, got)
		}
	}
}
