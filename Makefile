# muster: the few verbs. Everything else is `go` and `muster --help`.
# Downloads and tools go to .cache/, which git ignores.

GO      ?= go
CACHE   := $(CURDIR)/.cache
# Built from the module proxy, so that a machine needs Go and nothing else.
LINT_VERSION := v2.15.0
LINT    := $(CACHE)/bin/golangci-lint-$(LINT_VERSION)

.DEFAULT_GOAL := help
.PHONY: help build demo test test-engines soak fuzz lint fmt bench frames clean

help: ## Show the verbs
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

build: ## Build bin/muster
	@[ -x bin/muster ] || echo "building bin/muster: the first time takes a few minutes, most of it for Iceberg and DuckDB"
	@$(GO) build -o bin/muster ./cmd/muster

demo: build ## A fleet with faults and incidents, live in the terminal (q quits); AWS=ministack on an AWS that others wrote
	@bin/muster demo $(if $(AWS),--aws $(AWS)) $(ARGS)

test: ## All tests that need nothing but Go and a C compiler, with the race detector
	@[ -d "$${MUSTER_CORPUS:-../shared/data}" ] || echo "NOTE: the recorded data is not here (MUSTER_CORPUS names its folder): the tests that need it are SKIPPED"
	$(GO) test -race -timeout 40m ./...
	$(GO) test -timeout 30m -count 1 -run '^TestSoak$$' ./cmd/muster -v -soak.schedules 40

SOAK_SEED ?= 1
soak: ## 500 seeded schedules of faults, a process killed in each; prints what is lost and doubled; then a robot's 1,000,000 keys in the explorer
	$(GO) test -timeout 6h -count 1 -run '^TestSoak$$' ./cmd/muster -v -soak.schedules 500 -soak.seed $(SOAK_SEED)
	$(GO) test -race -timeout 6h -count 1 -run '^TestRobot$$' ./explore -v -robot.events 1000000 -robot.draw 1 -robot.seed $(SOAK_SEED)

FUZZTIME ?= 10m
fuzz: ## Each fuzz target of the parsers for FUZZTIME (10m)
	@GO=$(GO) FUZZTIME=$(FUZZTIME) scripts/fuzz.sh

test-engines: ## Tests against real engines, downloaded once (needs python3, mvn, unzip, Java 17 and 25)
	@GO=$(GO) scripts/test-engines.sh

lint: $(LINT) ## gofumpt, golangci-lint with the layout's import rules, and go mod tidy
	$(GO) mod tidy -diff
	$(LINT) run ./...

fmt: $(LINT) ## Format the code
	$(LINT) fmt ./...

# With MUSTER_BENCH_FULL=1 every part has the size that its target names: 65 minutes, 20 GB of disk.
FULL := $(MUSTER_BENCH_FULL)
bench: build ## Go benchmarks of the line's parts, then whole imports beside DuckDB, rules beside sigma-go, memory, the explorer's keys, latency, OpenSearch (takes a while)
	$(GO) test -run '^$$' -bench . -benchmem -benchtime 0.3s ./correlate ./collectors ./audit ./stores/lake
	$(GO) run ./bench $(if $(FULL),-records 1000000) $(ARGS)
	$(GO) run ./bench rules # 1,000,000 CloudTrail events by Sigma rules, patterns and policies, beside sigma-go
	$(GO) run ./bench memory $(if $(FULL),-records 20000000) # of 2 million records by itself
	$(GO) run ./bench explorer # keys in a pseudo-terminal: 1,000,000 traces, and a trace of 100,000 spans
	$(GO) run ./bench latency $(if $(FULL),-spans 12000000) # of 300,000 spans by itself
	@if command -v mvn >/dev/null && command -v unzip >/dev/null; then \
	$(GO) run ./bench opensearch $(if $(FULL),-pairs 7) \
	$(if $(FULL),&& $(GO) run ./bench opensearch -latency -spans 12000000 -spans-only); \
	else echo "NOTE: no mvn or unzip, so that there is no OpenSearch to measure"; fi

frames: build ## Take the README's pictures of the explorer anew (needs tmux)
	@scripts/frames.sh

clean: ## Remove what was built
	rm -rf bin

$(LINT):
	@mkdir -p $(CACHE)/bin
	GOBIN=$(CACHE)/bin $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	@mv $(CACHE)/bin/golangci-lint $@
