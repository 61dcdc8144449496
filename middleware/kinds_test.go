package middleware_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const kindsPage = "../docs/middleware/kinds.md"

// faultKind is a kind of fault of a middleware, situations of it, and the tests that hold
// it, as folder/test.
type faultKind struct {
	name, situations string
	tests            []string
}

var faultKinds = []faultKind{
	{"The service behaves otherwise", "writer interfaces of gin, ReverseProxy and ResponseController; interim and superfluous headers; 413 that closes the connection; gRPC retries; multipart files; driver interfaces; the handler's span name and outgoing headers",
		[]string{"httpmw/TestFault03InterimAndSuperfluousHeaders", "httpmw/TestFault04WriterInterfacesAreKept", "httpmw/TestTheWriterHidesNothing", "httpmw/routertest/TestGinStreamWorksBehindHandler",
			"httpmw/TestTooLargeABodyClosesTheConnection", "httpmw/TestTooLargeABodyThatAnotherGoroutineReads", "grpcmw/TestServerKeepsClientsRetryable", "httpmw/TestFault06MultipartFilesAreRemoved",
			"sqlmw/TestNothingTheDriverCanDoIsHidden", "httpmw/TestTheHandlersSpanNameStays", "httpmw/TestWhatTheHandlerSetsIsSent", "httpmw/TestOneCorrelationHeaderBehindAProxy"}},
	{"The route is wrong or missing", "ServeMux, chi, gorilla, gin, echo, grpc-gateway, ConnectRPC; under an outer mux, StripPrefix, TimeoutHandler and copies of the request; asked early and from other goroutines; 404 and 405",
		[]string{"httpmw/routertest/TestRouteInEveryWrapping", "httpmw/routertest/TestRequestsWithoutARoute", "httpmw/routertest/TestTheRouteReachesEverySignal", "httpmw/routertest/TestConnectProcedures",
			"httpmw/routertest/TestCallInSubrouterMiddlewareKeepsTheRoute", "httpmw/TestTheUsersRouteOptionCounts", "httpmw/TestPrefetchBeforeRoutingIsNoRace", "httpmw/TestFault02RouteSurvivesCopies",
			"httpmw/TestAProcedureThatDoesNotExistIsNoRoute", "httpmw/TestAPathOfManySegmentsIsCheap", "httpmw/TestLostRoutesAreSaidOnce"}},
	{"One message counts twice", "handlers, transports and interceptors of the package twice; otelhttp and otelgrpc outside, within and between; grpcmw within httpmw; a second End",
		[]string{"httpmw/TestNestedHandlersAreOneHop", "bench/TestBesideOtelhttp", "bench/TestBesideOtelhttpTransport", "bench/TestBesideOtelgrpc", "bench/TestGRPCWithinHTTP", "otelmw/TestBesideTheAdapters",
			"adapter/TestEndsTwiceIsOnce", "adapter/TestCallEndsOnce", "adapter/TestUseAfterTheEnd"}},
	{"A statement or command counts wrongly", "ErrSkip, a bad connection, no rows, cancellation; comments in front; Redis handshakes, pipelines, transactions; calls without the request's context",
		[]string{"sqlmw/TestASkippedCallIsCountedOnce", "sqlmw/TestOutcomesOfAStatement", "database/TestOperationAfterComments", "redismw/TestConnectionSetUpIsNoCall", "redismw/TestSetUpOfASubscriptionIsNoCall",
			"redismw/TestPipelinesAreOneCall", "redismw/TestRefusedMemberOfATransaction", "adapter/TestCallsOutsideRequests"}},
	{"The wrong side is blamed", "clients that leave before the headers, in the body and while sending, over HTTP/1.1 and HTTP/2; shutdown; TimeoutHandler; gRPC cancellation and deadlines; a consumer that stops",
		[]string{"httpmw/TestDepartedClients", "httpmw/TestClientThatLeftIsNo5xx", "httpmw/TestShutdownIsNotTheClientsDoing", "httpmw/TestTimeoutHandlerOutside", "httpmw/TestFault09TransportErrorsAndDepartedClients",
			"grpcmw/TestCancelAndDeadline", "grpcmw/TestStatusMapping", "messaging/TestStoppedConsumerIsNoFailure", "saramamw/TestRebalanceIsNoFailure"}},
	{"Streams count as latency", "server-sent events, JSON lines, multipart replacement, ConnectRPC streams, WebSocket, gRPC streams",
		[]string{"httpmw/TestEveryKindOfStream", "httpmw/TestStreamsAreNoLatency", "httpmw/TestFault05LongLivedConnections", "grpcmw/TestFault14StreamCountsOnlyBlockedTime", "grpcmw/TestFault14CancelledStreamEndsWithItsContext"}},
	{"A message loses its trace", "republished records, two traceparents, other publishers, batches, one bad member of baggage, B3 and Jaeger",
		[]string{"kafkamw/TestRepublishedRecordPointsToItsSender", "kafkamw/TestRepublishedHeaders", "kafkagomw/TestRepublishedHeaders", "saramamw/TestRepublishedHeaders", "amqpmw/TestTraceOfOtherPublishers",
			"kafkamw/TestFault11BatchLinksToItsProducers", "httpmw/TestMalformedBaggageMember", "adapter/TestOwnBaggageMembersSurviveForeignOnes", "httpmw/TestPropagationForms"}},
	{"Signals lack what they must have", "status and route on a span that is full; fields once in a line; the stack of a panic",
		[]string{"setup/TestAttributesOfTheProgramLeaveRoom", "hop/TestEachFieldOnceInALine", "hop/TestLinesByteForByte", "httpmw/TestPanicHasAStack", "httpmw/TestFault07Panics"}},
	{"Callers fill or name things", "made-up entries, from the internet and from within; limits of the process; names that are no UTF-8; unknown methods and commands",
		[]string{"adapter/TestWhoNamesTheEntry", "adapter/TestMadeUpEntriesMakeRoom", "adapter/TestHopOfAnEvictedEntry", "adapter/TestLimitsHoldForTheProcess", "adapter/TestNamesThatAreNoUTF8",
			"httpmw/TestFault01SeriesAreBounded", "httpmw/TestUnknownMethodsAreOneLabelValue", "httpmw/TestFault12TrustAtTheEdge", "grpcmw/TestFault12PublicEdgeStartsATraceOfItsOwn"}},
	{"Hostile headers", "one corpus on every adapter: 64 kB, 10,000 members, NUL, CRLF, no UTF-8, repeated headers, versions to come (TestServer of mwtest)",
		[]string{"httpmw/TestConformance", "grpcmw/TestConformance", "kafkamw/TestConformance", "kafkagomw/TestConformance", "saramamw/TestConformance", "amqpmw/TestConformance", "messaging/TestConformance",
			"httpmw/TestHostileHeadersDoNotBreakARequest", "adapter/FuzzBaggage", "adapter/FuzzTraceparent", "adapter/FuzzCorrelationID", "adapter/FuzzB3", "adapter/FuzzUberTraceID"}},
	{"Goroutines are left", "after a timed-out Shutdown, and after the tests of every package (goleak)",
		[]string{"setup/TestTimedOutShutdownLeavesNothing", "adapter/TestMain", "hop/TestMain", "httpmw/TestMain", "chaos/TestMain", "messaging/TestMain", "grpcmw/TestMain", "kafkamw/TestMain", "kafkagomw/TestMain",
			"saramamw/TestMain", "amqpmw/TestMain", "redismw/TestMain", "sqlmw/TestMain", "pgxmw/TestMain", "otelmw/TestMain", "setup/TestMain", "lokilog/TestMain"}},
	{"setup does otherwise than the variables say", "propagators, exporters, resource, the default registry, a disabled SDK, exemplars and temporality of pushed metrics, errors of the last flush",
		[]string{"setup/TestEnvironmentRefusals", "setup/TestEnvironmentPairs", "setup/TestPropagators", "setup/TestServiceWithoutSpansPassesTheTraceOn", "setup/TestExporterNoneStartsATrace", "setup/TestDefaultRegistry",
			"setup/TestResourceOfTheDeployment", "setup/TestPushedExemplars", "setup/TestDeltasAddUpToTheCumulativeValue", "setup/TestShutdownReturnsTheLastExport", "setup/TestDisabledSDKIgnoresTheOthers"}},
}

// TestEveryKindHasItsTests lists the tests of each kind on the page. It fails when one is
// not there or the page is not up to date; -update writes it.
func TestEveryKindHasItsTests(t *testing.T) {
	have := testsBelow(t)
	var b strings.Builder
	b.WriteString("# Kinds of faults, and the tests that hold them\n\nWritten by `go test -run TestEveryKind . -update` in `middleware/`; do not edit. A test's cases are the rows of its table, or 1.\n\n| kind | situations | tests | cases |\n|---|---|--:|--:|\n")
	var details strings.Builder
	for _, k := range faultKinds {
		cases := 0
		byFolder := map[string][]string{}
		for _, name := range k.tests {
			n, ok := have[name]
			if !ok {
				t.Errorf("%s: there is no %s", k.name, name)
			}
			cases += n
			folder, test := filepath.ToSlash(filepath.Dir(name)), filepath.Base(name)
			byFolder[folder] = append(byFolder[folder], "`"+test+"`")
		}
		fmt.Fprintf(&b, "| %s | %s | %d | %d |\n", k.name, k.situations, len(k.tests), cases)
		fmt.Fprintf(&details, "\n## %s\n\n", k.name)
		for _, folder := range slices.Sorted(maps.Keys(byFolder)) {
			fmt.Fprintf(&details, "- %s: %s\n", folder, strings.Join(byFolder[folder], ", "))
		}
	}
	b.WriteString(details.String())
	if *update {
		if err := os.WriteFile(kindsPage, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(kindsPage)
	if err != nil {
		t.Fatal(err)
	}
	if string(page) != b.String() {
		t.Errorf("%s is not up to date; run go test -run TestEveryKind . -update", kindsPage)
	}
}

// testsBelow returns the number of cases of each test and fuzz target, by folder/name.
func testsBelow(t *testing.T) map[string]int {
	t.Helper()
	tests := map[string]int{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range f.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && (strings.HasPrefix(fn.Name.Name, "Test") || strings.HasPrefix(fn.Name.Name, "Fuzz")) {
				tests[filepath.ToSlash(filepath.Dir(path))+"/"+fn.Name.Name] = rows(fn)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests
}

// rows returns the number of rows of a test's largest table of structs, maps or functions.
func rows(fn *ast.FuncDecl) int {
	most := 1
	ast.Inspect(fn, func(n ast.Node) bool {
		table, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		switch typ := table.Type.(type) {
		case *ast.ArrayType:
			if _, ok := typ.Elt.(*ast.StructType); ok {
				most = max(most, len(table.Elts))
			}
		case *ast.MapType:
			switch typ.Value.(type) {
			case *ast.StructType, *ast.FuncType, *ast.Ident:
				most = max(most, len(table.Elts))
			}
		}
		return true
	})
	return most
}
