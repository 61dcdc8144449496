package seed

// Rows returns the rows in the order of the page.
func Rows() []Row {
	return []Row{
		{
			Sentence: "A shop of ten services answers slowly: which of them, and why? A spike of 500 ms is named within seconds.",
			Here:     "`tenhop up` runs thirteen services; `tenhop diagnose` names hop, operation and cause, with evidence ([tour.md](tour.md)).",
			Tests: []Test{
				{Package: "acceptance", Name: "TestStory/Hop", Env: acceptance, Step: "TENHOP_ACCEPTANCE=short go test"},
				{Package: "acceptance/drills", Name: "TestDrills", Env: "TENHOP_DRILLS=short", Step: "make drill-ci"},
			},
		},
		{
			Sentence: "A request has one correlation ID, in every service, log line and message.",
			Here:     "The middleware accepts, makes and passes on `X-Correlation-ID` over HTTP, gRPC and messages ([glossary.md](glossary.md)).",
			Tests: []Test{
				{Package: "services", Name: "TestStorefront"},
				{Package: "acceptance", Name: "TestStory/Traces", Env: acceptance, Step: "TENHOP_ACCEPTANCE=short go test"},
			},
		},
		{
			Sentence: "Services in different languages belong to the same trace.",
			Here:     "Three services in Go, Python and Node with OpenTelemetry's own instrumentation are diagnosed ([your-fleet.md](your-fleet.md)).",
			Tests:    []Test{{Package: "deploy/polyglot", Name: "TestPolyglot", Env: "POLYGLOT=short", Step: "make polyglot"}},
		},
		{
			Sentence: "Orders become events, which other services handle later; the trace continues.",
			Here:     "An outbox, Kafka and consumers in the producer's trace ([architecture.md](architecture.md)).",
			Tests: []Test{
				{Package: "services/order", Name: "TestTheRelayContinuesTheRequest"},
				{Package: "services/order", Name: "TestAnOrderAndItsEventAreOne"},
				{Package: "middleware/kafkamw", Name: "TestFault11RecordStaysInTheProducersTrace"},
			},
		},
		{
			Sentence: "No order is lost and none is charged twice when parts fail.",
			Here:     "Outbox, idempotency keys, retries within a budget ([reliability.md](reliability.md)).",
			Tests: []Test{
				{Package: "acceptance/torture", Name: "TestOrdersUnderFire", Env: "TENHOP_TORTURE=short", Step: "make torture"},
				{Package: "services/payment", Name: "TestOneKeyIsChargedOnce"},
			},
		},
		{
			Sentence: "Circuit breaking, retries and mutual TLS belong to the infrastructure.",
			Here:     "Retry budget, circuit breaker and bulkhead per call; `tenhop up --mtls` ([storefront.md](storefront.md)).",
			Tests: []Test{
				{Package: "services/runtime", Name: "TestRetryStorm"},
				{Package: "services", Name: "TestMutualTLS"},
			},
		},
		{
			Sentence: "The team measures deployment frequency, lead time, change failure rate and time to recover.",
			Here:     "`tenhop dora`, from versions in production, incidents of `tenhop watch` and git; a dashboard ([dora.md](dora.md)).",
			Tests: []Test{
				{Package: "internal/app", Name: "TestDelivery"},
				{Package: "dora", Name: "TestFigures"},
				{Package: "dora", Name: "TestDeployments"},
				{Package: "dora", Name: "TestUnknown"},
				{Package: "dora", Name: "TestCommit"},
			},
		},
		{
			Sentence: "Everything runs with `docker compose`, also your own services.",
			Here:     "Profiles `full`, `minimal` and `stack` of docker-compose.yml; a service joins by network, OTLP endpoint and targets ([compose.md](compose.md)).",
			Tests: []Test{
				{Package: "deploy/composecheck", Name: "TestJoining", Step: "make configs-check"},
				{Package: "deploy/composecheck", Name: "TestStackProfile", Step: "make configs-check"},
				{Package: "deploy/composecheck", Name: "TestAddressesAgree", Step: "make configs-check"},
			},
		},

		// Rows of parts that are not here. Replace Missing by Here and Tests.
		{Sentence: "The story holds with each optional part switched on: search engine, RabbitMQ, PostgreSQL, mutual TLS, Consul.", Missing: "the acceptance test with each of them"},
		{Sentence: "The catalog is searched in Elasticsearch.", Missing: "search store of the catalog"},
		{Sentence: "The email service is down: the message stays in the queue and is processed later.", Missing: "drill of notification down"},
		{Sentence: "Events travel over RabbitMQ.", Missing: "the storefront's events over RabbitMQ"},
		{Sentence: "A monolith is strangled, module by module, with Kafka in between.", Missing: "docs/strangler.md and its example"},
		{Sentence: "Services find each other in Consul or Kubernetes.", Missing: "resolvers for Consul and EndpointSlices"},
		{Sentence: "An API gateway or a mesh stands in front and in between: Kong, AWS API Gateway, Istio, Linkerd.", Missing: "pages with validated configuration, and a contract test through a proxy"},
		{Sentence: "REST, gRPC and a broker are compared.", Missing: "the table with figures of our own"},
		{Sentence: "Six hops in a row are unbearable; nano-services are a mistake.", Missing: "`tenhop trace --shape`"},
		{Sentence: "Each service has its own database.", Missing: "a test that no service opens another's store, and the finding `shared_store`"},
		{Sentence: "Kubernetes scales only checkout, by 400 %.", Missing: "the decision of the autoscaler from the hop's own metrics"},
		{Sentence: "Card data stays in the scope of PCI: in payment.", Missing: "planted card numbers in no signal and no event"},
	}
}
