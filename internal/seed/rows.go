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
			Tests:    []Test{{Package: "deploy/polyglot", Name: "TestPolyglot", Env: "TENHOP_POLYGLOT=short", Step: "make polyglot"}},
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
		{
			Sentence: "The catalog is searched in Elasticsearch.",
			Here:     "Catalog searches in Elasticsearch or OpenSearch, and in its database while the engine is away ([search.md](search.md)).",
			Tests: []Test{
				{Package: "services/catalog", Name: "TestDegradation"},
				{Package: "services/catalog", Name: "TestTypingErrors", Real: true, Step: "deploy/real/run"},
				{Package: "acceptance/search", Name: "TestStorefrontOnASearchEngine", Env: acceptance, Real: true, Step: "make search"},
			},
		},
		{
			Sentence: "The email service is down: the message stays in the queue and is processed later.",
			Here:     "The lag of the consumer group tells how many messages wait; each is sent once afterwards. `tenhop drill --scenario email-down` ([drills.md](drills.md)).",
			Tests:    []Test{{Package: "services", Name: "TestTheEmailServiceIsDown"}},
		},
		{
			Sentence: "Events travel over RabbitMQ.",
			Here:     "`tenhop up --rabbitmq URL`: RabbitMQ instead of Kafka ([rabbitmq.md](middleware/rabbitmq.md)).",
			Tests: []Test{
				{Package: "services", Name: "TestStorefront/rabbitmq", Real: true, Step: "deploy/real/run"},
				{Package: "services/runtime", Name: "TestNothingIsLostWhenRabbitMQRestarts", Real: true, Step: "deploy/real/run"},
			},
		},
		{
			Sentence: "A monolith is strangled, module by module, with Kafka in between.",
			Here:     "An example that gives up one module behind a flag, with its data over Kafka ([strangler.md](strangler.md)).",
			Tests: []Test{
				{Package: "docs/strangler", Name: "TestBothRoutesAnswerAlike"},
				{Package: "docs/strangler", Name: "TestRollbackLosesNothing"},
				{Package: "docs/strangler", Name: "TestOneTrace"},
			},
		},
		{
			Sentence: "Services find each other in Consul or Kubernetes.",
			Here:     "Resolvers for Consul, EndpointSlices and DNS, tested on stand-ins, and on Consul itself where its program is named ([discovery.md](discovery.md)).",
			Tests: []Test{
				{Package: "services/runtime", Name: "TestInstancesComeAndGo"},
				{Package: "services/runtime/discovery", Name: "TestConsul"},
				{Package: "services/runtime/discovery", Name: "TestKubernetes"},
			},
		},
		{
			Sentence: "An API gateway or a mesh stands in front and in between: Kong, AWS API Gateway, Istio, Linkerd.",
			Here:     "Configurations and pages; nginx and Caddy run in front and in between, the others are checked by schema ([gateways](gateways/README.md)).",
			Tests: []Test{
				{Package: "deploy/edge", Name: "TestProxies", Step: "make edge"},
				{Package: "deploy/edge", Name: "TestConfigurations", Step: "make edge"},
				{Package: "deploy/meshcheck", Name: "TestIstio", Step: "make edge"},
				{Package: "deploy/meshcheck", Name: "TestLinkerd", Step: "make edge"},
			},
		},
		{
			Sentence: "REST, gRPC and a broker are compared.",
			Here:     "One call over HTTP/1.1, HTTP/2, gRPC, Kafka and RabbitMQ, measured ([protocols.md](protocols.md)).",
			Tests:    []Test{{Package: "acceptance/protocols", Name: "TestProtocols"}},
		},
		{
			Sentence: "Six hops in a row are unbearable; nano-services are a mistake.",
			Here:     "`tenhop trace --shape`: hops behind each other, chatty pairs, links against work, and what another shape would take ([shape.md](shape.md)).",
			Tests: []Test{
				{Package: "trace/shape", Name: "TestChain"},
				{Package: "trace/shape", Name: "TestChatty"},
			},
		},
		{
			Sentence: "Each service has its own database.",
			Here:     "No service opens another's store, and the finding `shared_store` names those that do ([shape.md](shape.md#one-database-several-services)).",
			Tests: []Test{
				{Package: "services", Name: "TestNoServiceOpensAnothersStore"},
				{Package: "services", Name: "TestRolesSeeTheirOwnDatabase", Real: true, Step: "deploy/real/run"},
				{Package: "services", Name: "TestSharedStoreIsFound", Real: true, Step: "deploy/real/run"},
				{Package: "trace/shape", Name: "TestSharedStores"},
			},
		},
		{
			Sentence: "Kubernetes scales only checkout, by 400 %.",
			Here:     "Checkout's HPA scales by its self time, so that a slow dependency scales nothing. The test computes the decision; no cluster was there ([scaling.md](scaling.md)).",
			Tests:    []Test{{Package: "acceptance/scale", Name: "TestDecisions"}},
		},
		{
			Sentence: "Card data stays in the scope of PCI: in payment.",
			Here:     "Payment exchanges the number for a token; numbers are in no signal, topic, response or store ([storefront.md](storefront.md)).",
			Tests:    []Test{{Package: "services", Name: "TestCardDataNeverLeavesPayment"}},
		},
		{
			Sentence: "The story holds with each optional part switched on: search engine, RabbitMQ, PostgreSQL, mutual TLS, Consul.",
			Here:     "`make parts` starts `tenhop up` with each, and with all at once: customers buy, 500 ms at a hop are named, one trace reaches the part ([real-systems.md](real-systems.md#the-story-with-each-part)).",
			Tests: []Test{
				{Package: "acceptance/parts", Name: "TestStoryWithParts/mtls", Env: parts, Step: "TENHOP_PARTS=short go test"},
				{Package: "acceptance/parts", Name: "TestStoryWithParts/consul", Env: parts, Step: "TENHOP_PARTS=short go test"},
				{Package: "acceptance/parts", Name: "TestStoryWithParts/search", Env: parts, Real: true, Step: "make parts"},
				{Package: "acceptance/parts", Name: "TestStoryWithParts/rabbitmq", Env: parts, Real: true, Step: "make parts"},
				{Package: "acceptance/parts", Name: "TestStoryWithParts/postgres", Env: parts, Real: true, Step: "make parts"},
				{Package: "acceptance/parts", Name: "TestStoryWithParts/all", Env: parts, Real: true, Step: "make parts"},
			},
		},
	}
}
