# Thin over the go command; run `make` for the list.

GO            ?= go
GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
TEST_TIMEOUT  ?= 10m
FUZZ_TIME     ?= 10s
VERSION       ?= $(shell git describe --tags --always --dirty 2>/dev/null)

.PHONY: help build test lint fmt bench demo fuzz docs tools clean

help: ## Show this list.
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' Makefile

build: ## Build the static binary ./callctl.
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o callctl ./cmd/callctl

test: ## Install what the tests need (as root), then run them all with the race detector.
	TEST_TIMEOUT=$(TEST_TIMEOUT) GO=$(GO) sh scripts/test.sh

lint: ## Run the pinned linter.
	$(GO) run $(GOLANGCI_LINT) run ./...

fmt: ## Format as the linter wants it.
	$(GO) run $(GOLANGCI_LINT) fmt ./...

bench: ## Run the benchmarks that the manual quotes.
	$(GO) test -run '^$$' -bench . -benchmem ./...
	$(GO) run ./cmd/callctl bench
	GO=$(GO) sh scripts/build-figures.sh

demo: ## Run the whole product on loopback; Ctrl-C ends it.
	$(GO) run ./cmd/callctl demo

fuzz: ## Run every fuzz target for FUZZ_TIME.
	GO=$(GO) FUZZ_TIME=$(FUZZ_TIME) sh scripts/fuzz.sh

docs: ## Write the generated pages: configuration, command line, API, metrics.
	$(GO) test ./cmd/callctl ./server -run 'TestDocs|TestOpenAPI|TestMetrics' -update

tools: ## Install the programs that tests use as real peers (as root), or say which.
	sh scripts/peers.sh

clean: ## Remove what builds leave behind.
	rm -f callctl
