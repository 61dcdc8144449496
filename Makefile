# Every target with a `##` comment is listed by `make`.
GO ?= go
BIN := bin

.DEFAULT_GOAL := help
.PHONY: help up build test race modules fmt cross lint acceptance acceptance-short eval pairs matrix scrapes bench-middleware cost-middleware fuzz polyglot real programs configs-check lokilog-check compose-run wide pairs-live links outside outage why drill-ci quiet watch-cells torture torture-real knee soak loss storm telemetry-outage hostile licences vulnerabilities build-cost seed search parts caddy edge protocols email-down pull-request foreign generate check ci
.PHONY: console console-test images

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: ## start the stack, the storefront and its shoppers
	$(GO) run ./cmd/up

build: ## build the program into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/tenhop ./cmd/tenhop

build-cost: ## processor time of the first build by module, with an empty cache of its own (five minutes on an idle machine)
	$(GO) run ./internal/buildcost

test: ## run all tests of all workspace modules
	$(GO) test work

licences: ## check the licences of all modules: no AGPL, none without one
	cd tools/licences && GOWORK=off $(GO) run . -root ../..

vulnerabilities: ## govulncheck on every module of the workspace (needs vuln.go.dev; says so if it is not reached)
	internal/vulnerabilities.sh

race: ## run them under the race detector
	$(GO) test -race work

modules: ## test each middleware module alone, with GOWORK=off
	$(GO) run ./internal/modulecheck

fmt: ## gofmt
	gofmt -w $$(git ls-files '*.go' | grep -v '\.pb\.go$$')

cross: ## build and vet what is released for macOS, and vet the middleware for Windows (about ten minutes of CPU the first time)
	GOOS=darwin GOARCH=arm64 $(GO) build -p=2 ./...
	GOOS=darwin GOARCH=arm64 $(GO) vet -p=2 ./...
	GOOS=windows GOARCH=amd64 $(GO) vet -p=2 ./middleware/...

lint: ## golangci-lint, pinned in tools/lint
	cd tools/lint && GOWORK=off $(GO) build -o ../../$(BIN)/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	./internal/lint.sh

acceptance: ## the story of the README against the real program: 1,000 checkouts, eleven hops (half an hour)
	TENHOP_ACCEPTANCE=full $(GO) test -count=1 -v -timeout 90m ./acceptance/...

acceptance-short: ## acceptance with 100 checkouts and three hops chosen by a seed
	TENHOP_ACCEPTANCE=short $(GO) test -count=1 -v -timeout 20m ./acceptance/...

POLYGLOT ?= full
polyglot: ## diagnose services in Go, Python and Node with OpenTelemetry's own instrumentation (half an hour; POLYGLOT=short: two minutes)
	TENHOP_POLYGLOT=$(POLYGLOT) $(GO) test -count=1 -v -timeout 60m ./deploy/polyglot

real: ## start PostgreSQL, Redis, Kafka, RabbitMQ and OpenSearch and run the tests on them
	deploy/real/run --require

search: ## run the storefront on OpenSearch, with the engine slow and away (four minutes)
	TENHOP_ACCEPTANCE=short deploy/real/run --only opensearch $(GO) test -count=1 -v -timeout 10m ./acceptance/search

PARTS ?= full
parts: ## the story with OpenSearch, RabbitMQ, PostgreSQL, mutual TLS, Consul and all of them (half an hour; PARTS=short: fifteen minutes)
	TENHOP_PARTS=$(PARTS) deploy/real/run --only postgres,rabbitmq,opensearch $(GO) test -count=1 -v -timeout 60m ./acceptance/parts

caddy: ## build Caddy into bin/
	cd tools/caddy && GOWORK=off $(GO) build -o ../../$(BIN)/caddy github.com/caddyserver/caddy/v2/cmd/caddy

edge: caddy ## what must survive nginx and Caddy, and the configurations for Kong, AWS, Istio and Linkerd
	TENHOP_CADDY_BIN=$(CURDIR)/$(BIN)/caddy $(GO) test -count=1 -v ./deploy/edge
	cd deploy/meshcheck && GOWORK=off $(GO) test -count=1 -v .

programs: ## build the real collector and Jaeger into bin/ (ten minutes the first time)
	cd deploy/collector && GOWORK=off $(GO) build -o ../../$(BIN)/otelcol .
	cd stack/jaegercontract && GOWORK=off $(GO) build -o ../../$(BIN)/jaeger github.com/jaegertracing/jaeger/cmd/jaeger

lokilog-check: ## test lokilog against VictoriaLogs, which takes Loki's push protocol (half a minute of CPU the first time)
	cd tools/victorialogs && GOWORK=off $(GO) build -o ../../$(BIN)/victoria-logs github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs
	cd middleware/lokilog && GOWORK=off TENHOP_VICTORIALOGS_BIN=$(CURDIR)/$(BIN)/victoria-logs $(GO) test -count=1 -v -run TestRealReceiver .

configs-check: programs ## validate compose file, configurations and manifests by their own parsers
	COLLECTOR_DATA=/tmp $(BIN)/otelcol validate --config=otel-collector.yaml && echo "otel-collector.yaml: valid, says the collector"
	$(BIN)/otelcol validate --config=deploy/collector/hopmetrics.yaml && echo "deploy/collector/hopmetrics.yaml: valid, says the collector"
	$(BIN)/jaeger validate --config=deploy/jaeger/config.yaml && echo "deploy/jaeger/config.yaml: valid, says Jaeger"
	cd deploy/composecheck && GOWORK=off $(GO) test -count=1 -v .
	cd deploy/kubecheck && GOWORK=off TENHOP_JAEGER_BIN=$(CURDIR)/$(BIN)/jaeger TENHOP_COLLECTOR_BIN=$(CURDIR)/$(BIN)/otelcol $(GO) test -count=1 -v .

compose-run: programs ## run docker-compose.yml with end-to-end checks (TENHOP_STANDINS=1: images from local programs)
	cd tools/prometheus && GOWORK=off $(GO) build -o ../../$(BIN)/prometheus github.com/prometheus/prometheus/cmd/prometheus
	cd tools/alertmanager && GOWORK=off $(GO) build -o ../../$(BIN)/alertmanager github.com/prometheus/alertmanager/cmd/alertmanager
	cd tools/compose && GOWORK=off $(GO) build -o ../../$(BIN)/docker-compose github.com/docker/compose/v2/cmd
	deploy/compose/run

OUTAGE ?= full
outage: programs ## stop and start Jaeger under load; a collector that never answers (five minutes)
	TENHOP_OUTAGE=$(OUTAGE) TENHOP_JAEGER_BIN=$(CURDIR)/$(BIN)/jaeger TENHOP_COLLECTOR_BIN=$(CURDIR)/$(BIN)/otelcol \
		$(GO) test -count=1 -v -timeout 30m ./deploy/outage

TELEMETRY_OUTAGE ?= full
telemetry-outage: ## services while OTLP and scrapes fail in ten ways: p99, memory, drops, recovery (ten minutes; TELEMETRY_OUTAGE=short: two)
	TENHOP_TELEMETRY_OUTAGE=$(TELEMETRY_OUTAGE) $(GO) test -count=1 -v -timeout 30m ./acceptance/outage

pairs: ## measure how often two faults at once are both named (TENHOP_PAIRS fleets)
	TENHOP_PAIRS=$${TENHOP_PAIRS:-60} $(GO) test ./diagnose -run TestPairs -v -count=1

eval: ## measure the diagnosis on the recorded incidents in TENHOP_CORPORA
	$(GO) run ./cmd/tenhop eval --corpus $${TENHOP_CORPORA:-../shared/corpora}

matrix: ## record the storefront under every fault (an hour and a half, on an idle machine)
	for share in 1 0.1 0.01; do TENHOP_MATRIX=$$share $(GO) test -count=1 -v -timeout 2h -run TestRecord ./diagnose/matrix || exit 1; done
	$(GO) test -count=1 ./diagnose/matrix -run TestReplay -update

scrapes: ## time to the right name by scrape interval and traced share, into docs/accuracy.md (half an hour)
	TENHOP_SCRAPES=full $(GO) test -count=1 -v -timeout 3h -run TestTable ./diagnose/scrapes

pairs-live: ## inject 200 ms at every pair of six storefront hops and diagnose each (eleven minutes; TENHOP_PAIRS=2 for two)
	TENHOP_PAIRS=$${TENHOP_PAIRS:-15} $(GO) test -count=1 -v -timeout 20m -run TestPairsLive ./diagnose/matrix

outside: ## faults from outside the processes: signals, cgroups, locks, traffic; each diagnosed (half an hour, as root)
	TENHOP_OUTSIDE=$${TENHOP_OUTSIDE:-full} $(GO) test -count=1 -v -timeout 60m ./acceptance/outside

why: ## what --why tells of injected causes, of the storefront's hops, and what it costs (five minutes)
	$(GO) test -count=1 -v -run 'TestCauses|TestMixtures|TestGarbage|TestStarved' ./diagnose/why
	TENHOP_COST=1 $(GO) test -count=1 -v -run TestCost ./middleware/flight
	TENHOP_WHY=1 $(GO) test -count=1 -v -timeout 10m -run TestLive ./diagnose/why

drill-ci: ## three drills of kinds chosen by the day and one without a fault (five minutes)
	TENHOP_DRILLS=short $(GO) test -count=1 -v -timeout 10m ./acceptance/drills
QUIET ?= 60
quiet: ## run the storefront for QUIET minutes and ten of ordinary life: nothing may page, nothing may be named (QUIET=5: eight minutes in all)
	TENHOP_QUIET=$(QUIET) $(GO) test -count=1 -v -timeout 120m ./acceptance/quiet
WATCH ?= full
watch-cells: ## faults at each hop with nobody asking: seconds to the posted cause, after WATCH_QUIET minutes without a post (half an hour; WATCH=3: five minutes)
	TENHOP_WATCH=$(WATCH) TENHOP_WATCH_QUIET=$${WATCH_QUIET:-1} $(GO) test -count=1 -v -timeout 8h ./acceptance/watch
KNEE ?= 5
knee: ## requests/s that the storefront holds without and with each kind of telemetry (KNEE rounds of fifteen minutes, or short)
	TENHOP_KNEE=$(KNEE) $(GO) test -count=1 -v -timeout 180m -run TestKnee ./acceptance/knee

SOAK ?= 30
soak: ## run the storefront at SOAK_RPS for SOAK minutes: memory, goroutines, descriptors and disk must not rise (SOAK=2 is the short form)
	TENHOP_SOAK=$(SOAK) TENHOP_SOAK_RPS=$${SOAK_RPS:-100} $(GO) test -count=1 -v -timeout 90m -run TestSoak ./acceptance/knee

loss: ## accuracy of the diagnosis with lost, late and duplicated spans, skewed clocks, restarts and missing scrapes (ten minutes)
	TENHOP_LOSS=full $(GO) test -count=1 -v -timeout 60m -run TestLoss ./diagnose/scrapes
TORTURE ?= 10
torture: ## customers check out while processes, links, disks and stores fail; the orders are counted afterwards (TORTURE minutes, or short; TENHOP_SEED)
	TENHOP_TORTURE=$(TORTURE) $(GO) test -count=1 -v -timeout 60m -run TestOrdersUnderFire ./acceptance/torture

PULL_REQUESTS ?= 20
pull-request: ## check a change that adds 20 ms to a hop, and PULL_REQUESTS refactorings, into docs/ci.md (two minutes)
	TENHOP_PULL_REQUESTS=$(PULL_REQUESTS) $(GO) test -count=1 -v -timeout 30m ./acceptance/pullrequest -update

foreign: ## a sealed drill on the two services of docs/yourservice: injected, found, scored, lifted (two and a half minutes)
	TENHOP_FOREIGN=1 $(GO) test -count=1 -v -timeout 15m ./acceptance/foreign

storm: ## what a dependency that fails half of the time gets to do, from callers with a retry budget and without one
	$(GO) test -count=1 -v -run TestRetryStorm ./services/runtime

torture-real: ## torture with PostgreSQL and Apache Kafka
	TENHOP_TORTURE=$(TORTURE) TENHOP_TORTURE_ON=postgres,kafka deploy/real/run $(GO) test -count=1 -v -timeout 60m -run TestOrdersUnderFire ./acceptance/torture

EMAIL_DOWN ?= full
email-down: ## notification stopped for two minutes, over the embedded broker, Apache Kafka and RabbitMQ (ten minutes; EMAIL_DOWN=short: seven)
	TENHOP_EMAIL_DOWN=$(EMAIL_DOWN) deploy/real/run $(GO) test -count=1 -v -timeout 40m -run TestEmailServiceIsDown ./acceptance/emaildown

protocols: ## one call over HTTP/1.1, HTTP/2, gRPC, Kafka and RabbitMQ, into docs/protocols.md and the console's page (three minutes on an idle machine)
	TENHOP_PROTOCOLS=full deploy/real/run $(GO) test -count=1 -v -timeout 30m -run TestProtocols ./acceptance/protocols -update
	$(GO) generate ./console/protocols

hostile: ## broken, endless and bomb-like telemetry for every decoder, with its memory, into docs/hostile.md (three minutes on an idle machine)
	TENHOP_HOSTILE=1 $(GO) test -count=1 -v -timeout 30m ./internal/hostile -update

RECORD ?= .
seed: ## run the tests named in docs/seed.md and record the last lines they print (an hour; RECORD is a regular expression of their names)
	TENHOP_RECORD='$(RECORD)' $(GO) test -count=1 -v -timeout 3h -run 'TestRecord$$' ./internal/seed
	$(GO) generate ./internal/seed

links: ## slow the links between storefront processes with toxiproxy and diagnose (five minutes)
	cd deploy/links && GOWORK=off TENHOP_LINKS=1 $(GO) test -count=1 -v -timeout 15m .

wide: ## 40 traces of 20,001 spans through diagnose, with time and memory
	TENHOP_WIDE=20000 $(GO) test -count=1 -v -run TestWideTraces ./diagnose/collect

bench-middleware: ## benchmark the middleware, bare servers and its peers, interleaved in one run
	cd middleware/bench && GOWORK=off $(GO) run . -rounds 10 -md ../../docs/middleware/bench.md

cost-middleware: ## processor share of servers with and without the middleware at fixed rates
	cd middleware/bench && GOWORK=off $(GO) run . cost -md ../../docs/middleware/cost.md

console: ## build the page's script and style into console/dist (needs node)
	npm --prefix console/web ci --no-audit --no-fund
	npm --prefix console/web run check
	npm --prefix console/web run build

console-test: ## test the page in headless Chromium against the real program (six minutes)
	cd console/browsertest && GOWORK=off $(GO) test -count=1 -v -timeout 20m .

images: ## console-test, and write the screenshots of docs/images
	cd console/browsertest && GOWORK=off TENHOP_IMAGES=$(CURDIR)/docs/images $(GO) test -count=1 -v -timeout 20m .

FUZZTIME ?= 10s
fuzz: ## run every fuzzer for FUZZTIME
	@for file in $$(git grep -l '^func Fuzz' -- '*_test.go'); do for f in $$(grep -ho '^func Fuzz[A-Za-z0-9]*' $$file | sed 's/func //'); do \
		$(GO) test ./$$(dirname $$file) -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x || exit 1; done; done

generate: ## write generated code, dashboards, tables and CLI pages
	$(GO) generate ./...

check: generate ## fail if a generated file is not up to date
	git diff --exit-code

ci: ## run what CI runs
	.ci/run
