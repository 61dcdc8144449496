package spanmetrics

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// shop is a request through three services with different conventions: Node in front,
// Python with the old HTTP conventions and SQLAlchemy on top of a driver, Go with gRPC.
var shop = []sp{
	{id: 1, service: "web", name: "POST /checkout", kind: server, from: 0, to: 200, attrs: "http.request.method=POST http.route=/checkout http.response.status_code=200 url.scheme=http"},
	{id: 2, parent: 1, service: "web", name: "middleware - jsonParser", kind: internal, from: 5, to: 10},
	{id: 3, parent: 2, service: "web", name: "GET", kind: client, from: 20, to: 100, attrs: "http.request.method=GET server.address=py server.port=5000"},
	{id: 4, parent: 3, service: "py", name: "/price/<item>", kind: server, from: 25, to: 95, attrs: "http.method=GET http.route=/price/<item> http.status_code=200 http.scheme=http"},
	{id: 5, parent: 4, service: "py", name: "SELECT", kind: client, from: 30, to: 70, attrs: "db.system=sqlite"},
	{id: 6, parent: 5, service: "py", name: "SELECT", kind: client, from: 35, to: 65, attrs: "db.system=sqlite"},
	{id: 7, parent: 1, service: "web", name: "shop.Stock/Reserve", kind: client, from: 60, to: 160, attrs: "rpc.system=grpc rpc.service=shop.Stock rpc.method=Reserve server.address=go server.port=50051"},
	{id: 8, parent: 7, service: "go", name: "shop.Stock/Reserve", kind: server, from: 62, to: 158, attrs: "rpc.system.name=grpc rpc.method=shop.Stock/Reserve rpc.response.status_code=OK"},
}

func TestHops(t *testing.T) {
	got := run(t, shop...)
	// The two calls of web overlap from 60 to 100; its internal span is its own time.
	got.want(t, "hop_self_duration_seconds{entry=POST /checkout,flow=request,operation=POST /checkout,protocol=http,service_name=web}", 60)
	got.want(t, "hop_duration_seconds{entry=POST /checkout,flow=request,operation=POST /checkout,protocol=http,service_name=web}", 200)
	got.want(t, "hop_self_duration_seconds{entry=POST /checkout,flow=request,operation=GET /price/<item>,protocol=http,service_name=py}", 30)
	got.want(t, "hop_self_duration_seconds{entry=POST /checkout,flow=request,operation=shop.Stock/Reserve,protocol=grpc,service_name=go}", 96)
	got.want(t, "hop_wait_duration_seconds{dependency=py,dependency_kind=http,entry=POST /checkout,flow=request,operation=POST /checkout,service_name=web}", 80)
	got.want(t, "hop_wait_duration_seconds{dependency=go,dependency_kind=grpc,entry=POST /checkout,flow=request,operation=POST /checkout,service_name=web}", 100)
	got.want(t, "hop_wait_duration_seconds{dependency=sqlite,dependency_kind=database,entry=POST /checkout,flow=request,operation=GET /price/<item>,service_name=py}", 40)
	if n := len(prefixed(got, "hop_self_duration_seconds")); n != 3 {
		t.Errorf("%d hops, want 3: the driver below SQLAlchemy is no hop", n)
	}
	for series, s := range prefixed(got, "hop_") {
		if !strings.HasSuffix(s.exemplar, "01") {
			t.Errorf("%s has the exemplar %q", series, s.exemplar)
		}
	}
}

func TestDurations(t *testing.T) {
	got := run(t, shop...)
	got.want(t, "http_server_request_duration_seconds{http_request_method=POST,http_response_status_code=200,http_route=/checkout,service_name=web,url_scheme=http}", 200)
	got.want(t, "http_server_request_duration_seconds{http_request_method=GET,http_response_status_code=200,http_route=/price/<item>,service_name=py,url_scheme=http}", 70)
	got.want(t, "rpc_server_call_duration_seconds{rpc_method=shop.Stock/Reserve,rpc_response_status_code=OK,rpc_system_name=grpc,service_name=go}", 96)
}

func TestCollectorFamilies(t *testing.T) {
	got := run(t, shop...)
	got.want(t, "traces_span_metrics_calls_total{service_name=py,span_kind=SPAN_KIND_CLIENT,span_name=SELECT,status_code=STATUS_CODE_UNSET}", 2)
	got.want(t, "traces_span_metrics_duration_milliseconds{service_name=go,span_kind=SPAN_KIND_SERVER,span_name=shop.Stock/Reserve,status_code=STATUS_CODE_UNSET}", 96)
	got.want(t, "traces_service_graph_request_total{client=web,server=py}", 1)
	got.want(t, "traces_service_graph_request_client_seconds{client=web,server=go}", 100)
	got.want(t, "traces_service_graph_request_server_seconds{client=web,server=go}", 96)
	got.want(t, "traces_service_graph_request_total{client=py,connection_type=database,server=sqlite}", 1)
}

func TestFailures(t *testing.T) {
	got := run(t,
		sp{id: 1, service: "web", name: "GET", kind: server, to: 50, failed: true, attrs: "http.request.method=GET http.route=/a http.response.status_code=503"},
		sp{id: 2, parent: 1, service: "web", name: "GET", kind: client, from: 5, to: 45, failed: true, attrs: "http.request.method=GET url.full=http://bank.example/pay error.type=timeout"},
		sp{id: 3, parent: 1, service: "web", name: "x/Y", kind: client, from: 45, to: 46, failed: true, attrs: "rpc.system=grpc rpc.service=x rpc.method=Y rpc.grpc.status_code=14 server.address=10.1.2.3"})
	got.want(t, "http_server_request_duration_seconds{error_type=503,http_request_method=GET,http_response_status_code=503,http_route=/a,service_name=web}", 50)
	got.want(t, "traces_service_graph_request_failed_total{client=web,connection_type=virtual_node,server=bank.example}", 1)
	got.want(t, "hop_wait_duration_seconds{dependency=bank.example,dependency_kind=http,entry=GET /a,flow=request,operation=GET /a,service_name=web}", 40)
	got.want(t, "traces_service_graph_request_failed_total{client=web,connection_type=virtual_node,server=10.1.2.3}", 1)
}

// TestNoURLs sends names and attributes that contain paths.
func TestNoURLs(t *testing.T) {
	got := run(t,
		sp{id: 1, service: "a", name: "GET /users/4711", kind: server, to: 10, attrs: "http.request.method=GET url.path=/users/4711"},
		sp{id: 2, service: "b", name: "/users/4711?x=1", kind: server, to: 10, attrs: "http.method=GET http.target=/users/4711?x=1"},
		sp{id: 3, service: "c", name: "GET", kind: server, to: 10, attrs: "http.request.method=GET"},
		sp{id: 6, service: "f", name: "GET /users/{id}", kind: server, to: 10, attrs: "http.request.method=GET url.path=/users/4711"},
		sp{id: 7, service: "g", name: "GET /health", kind: server, to: 10, attrs: "http.request.method=GET url.path=/health"},
		sp{id: 4, service: "d", name: "login", kind: server, to: 10, attrs: "http.request.method=BREW"},
		sp{id: 5, service: "e", name: "GET http://x/users/4711", kind: client, to: 10, attrs: "http.request.method=GET url.full=http://x/users/4711"})
	for series := range got {
		if strings.Contains(series, "4711") {
			t.Errorf("a URL became a label: %s", series)
		}
	}
	got.want(t, "hop_self_duration_seconds{entry=GET unmatched,flow=request,operation=GET unmatched,protocol=http,service_name=a}", 10)
	got.want(t, "hop_self_duration_seconds{entry=GET /users/{id},flow=request,operation=GET /users/{id},protocol=http,service_name=f}", 10)
	got.want(t, "hop_self_duration_seconds{entry=GET /health,flow=request,operation=GET /health,protocol=http,service_name=g}", 10)
	got.want(t, "hop_self_duration_seconds{entry=_OTHER login,flow=request,operation=_OTHER login,protocol=http,service_name=d}", 10)
}

// TestNamesByPath has a service that names its spans by the path of the request.
func TestNamesByPath(t *testing.T) {
	p := New()
	for i := range 26 * 5 {
		user := string([]byte{'a' + byte(i/26), 'a' + byte(i%26)})
		p.Add(batch(byte(i), sp{id: 1, service: "a", name: "GET /users/" + user, kind: server, to: 10, attrs: "http.request.method=GET"}), epoch)
	}
	p.Close(epoch.Add(time.Minute))
	got := gather(t, p)
	if n := len(prefixed(got, "hop_self_duration_seconds")); n > maxStaticPaths+1 {
		t.Errorf("%d operations", n)
	}
	if n := got["hop_self_duration_seconds{entry=GET unmatched,flow=request,operation=GET unmatched,protocol=http,service_name=a}"].count; n != 130-maxStaticPaths {
		t.Errorf("%d requests are unmatched, want %d", n, 130-maxStaticPaths)
	}
}

// TestRecords follows a message from its producer to its consumer.
func TestRecords(t *testing.T) {
	got := run(t,
		sp{id: 1, service: "order", name: "POST /orders", kind: server, to: 50, attrs: "http.request.method=POST http.route=/orders"},
		sp{id: 2, parent: 1, service: "order", name: "send orders", kind: producer, from: 10, to: 20, attrs: "messaging.system=kafka messaging.destination.name=orders messaging.operation.type=send"},
		sp{id: 3, parent: 2, service: "ship", name: "process orders", kind: consumer, from: 120, to: 200, attrs: "messaging.system=kafka messaging.destination.name=orders messaging.operation.type=process"},
		sp{id: 4, parent: 3, service: "ship", name: "INSERT", kind: client, from: 130, to: 150, attrs: "db.system.name=postgresql"})
	got.want(t, "hop_self_duration_seconds{entry=POST /orders,flow=request,operation=POST /orders,protocol=http,service_name=order}", 40)
	got.want(t, "hop_wait_duration_seconds{dependency=orders,dependency_kind=produce,entry=POST /orders,flow=request,operation=POST /orders,service_name=order}", 10)
	got.want(t, "hop_self_duration_seconds{entry=POST /orders,flow=async,operation=process orders,protocol=kafka,service_name=ship}", 60)
	got.want(t, "hop_queue_wait_seconds{entry=POST /orders,operation=process orders,service_name=ship}", 100)
	got.want(t, "hop_completion_duration_seconds{entry=POST /orders,operation=process orders,service_name=ship}", 200)
	got.want(t, "messaging_process_duration_seconds{messaging_destination_name=orders,messaging_operation_name=process,messaging_system=kafka,service_name=ship}", 80)
	got.want(t, "messaging_client_operation_duration_seconds{messaging_destination_name=orders,messaging_operation_name=send,messaging_system=kafka,service_name=order}", 10)
	got.want(t, "traces_service_graph_request_total{client=order,connection_type=messaging_system,server=ship}", 1)
}

// TestTopOfTrace covers callers that are not hops.
func TestTopOfTrace(t *testing.T) {
	for _, c := range []struct {
		why   string
		spans []sp
		entry string
		hops  int
	}{
		{"a client that sends spans", []sp{
			{id: 1, service: "load", name: "GET", kind: client, to: 30, attrs: "http.request.method=GET"},
			{id: 2, parent: 1, service: "a", name: "GET /x", kind: server, from: 5, to: 25, attrs: "http.request.method=GET http.route=/x"}}, "GET /x", 1},
		{"a job that calls services", []sp{
			{id: 1, service: "job", name: "nightly", kind: internal, to: 30},
			{id: 2, parent: 1, service: "job", name: "GET", kind: client, from: 2, to: 28, attrs: "http.request.method=GET"},
			{id: 3, parent: 2, service: "a", name: "GET /x", kind: server, from: 5, to: 25, attrs: "http.request.method=GET http.route=/x"}}, "nightly", 2},
		{"internal spans that call nobody", []sp{{id: 1, service: "a", name: "tcp.connect", kind: internal, to: 30}}, "", 0},
		{"two instrumentations of one request", []sp{
			{id: 1, service: "a", name: "GET", kind: server, to: 30, attrs: "http.request.method=GET http.route=/x"},
			{id: 2, parent: 1, service: "a", name: "GET /x", kind: server, from: 1, to: 29, attrs: "http.request.method=GET http.route=/x"}}, "GET /x", 1},
		{"a service that calls itself", []sp{
			{id: 1, service: "a", name: "GET", kind: server, to: 30, attrs: "http.request.method=GET http.route=/x"},
			{id: 2, parent: 1, service: "a", name: "GET", kind: client, from: 1, to: 29, attrs: "http.request.method=GET"},
			{id: 3, parent: 2, service: "a", name: "GET /y", kind: server, from: 2, to: 28, attrs: "http.request.method=GET http.route=/y"}}, "GET /x", 2},
		{"the entry that the middleware recorded", []sp{
			{id: 1, service: "a", name: "GET /x", kind: server, to: 30, attrs: "http.request.method=GET http.route=/x hop.entry=edge"},
			{id: 2, parent: 1, service: "a", name: "GET", kind: client, from: 1, to: 29, attrs: "http.request.method=GET"},
			{id: 3, parent: 2, service: "b", name: "GET /y", kind: server, from: 2, to: 28, attrs: "http.request.method=GET http.route=/y"}}, "edge", 2},
	} {
		hops := prefixed(run(t, c.spans...), "hop_self_duration_seconds")
		if len(hops) != c.hops {
			t.Errorf("%s: %d hops, want %d: %v", c.why, len(hops), c.hops, hops)
		}
		for series := range hops {
			if !strings.Contains(series, "{entry="+c.entry+",") {
				t.Errorf("%s: %s, want the entry %s", c.why, series, c.entry)
			}
		}
	}
}

func prefixed(s samples, prefix string) samples {
	out := samples{}
	for k, v := range s {
		if strings.HasPrefix(k, prefix) {
			out[k] = v
		}
	}
	return out
}

// TestReported leaves out what a service reports itself, and nothing else.
func TestReported(t *testing.T) {
	p := New(WithReported(func(service string, g Group) bool {
		return service == "py" && g == Hops || service == "web" && g == HTTP
	}))
	p.Add(batch(1, shop...), epoch.Add(time.Second))
	p.Close(epoch.Add(time.Minute))
	got := gather(t, p)
	for series := range got {
		if strings.HasPrefix(series, "hop_") && strings.Contains(series, "service_name=py") ||
			strings.HasPrefix(series, "http_") && strings.Contains(series, "service_name=web") {
			t.Errorf("counted twice: %s", series)
		}
	}
	got.want(t, "hop_self_duration_seconds{entry=POST /checkout,flow=request,operation=POST /checkout,protocol=http,service_name=web}", 60)
	got.want(t, "http_server_request_duration_seconds{http_request_method=GET,http_response_status_code=200,http_route=/price/<item>,service_name=py,url_scheme=http}", 70)
}

// TestMiddleware waits for the metrics of a service whose spans the middleware wrote.
func TestMiddleware(t *testing.T) {
	hop := sp{id: 1, service: "a", name: "GET /x", kind: server, to: 30, attrs: "http.request.method=GET http.route=/x", scope: MiddlewareScope}
	for _, c := range []struct {
		wait  time.Duration
		after time.Duration
		hops  int
	}{{0, 0, 1}, {time.Minute, 10 * time.Second, 0}, {time.Minute, 2 * time.Minute, 1}, {-1, time.Hour, 0}} {
		p := New(WithMiddleware(c.wait))
		first := hop
		first.kind = internal
		p.Add(batch(1, first), epoch)
		p.Add(batch(2, hop), epoch.Add(c.after))
		p.Close(epoch.Add(c.after))
		if n := len(prefixed(gather(t, p), "hop_self")); n != c.hops {
			t.Errorf("wait %v, %v later: %d hops, want %d", c.wait, c.after, n, c.hops)
		}
	}
}

func TestSeriesLimit(t *testing.T) {
	p := New(WithSeries(10, 15))
	for i := range 40 {
		p.Add(batch(byte(i), sp{id: 1, service: fmt.Sprint("s", i/20), name: fmt.Sprint("op", i), kind: server, to: 10, attrs: fmt.Sprint("rpc.system=grpc rpc.method=op", i)}), epoch)
	}
	p.Close(epoch.Add(time.Minute))
	got := prefixed(gather(t, p), "hop_duration_seconds")
	got.want(t, "hop_duration_seconds{entry=_OTHER,flow=_OTHER,operation=_OTHER,protocol=_OTHER,service_name=s0}", 100)
	if len(got) > 17 {
		t.Errorf("%d series", len(got))
	}
	var sum uint64
	for _, s := range got {
		sum += s.count
	}
	if sum != 40 {
		t.Errorf("%d requests are counted, want all 40", sum)
	}
	p.Flush(epoch.Add(time.Hour))
	if n := len(prefixed(gather(t, p), "hop_")); n != 0 {
		t.Errorf("%d series an hour after the last request", n)
	}
}
