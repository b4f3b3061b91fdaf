# make demo and make test are all that a user needs; the rest is for those who change the code.
SHELL := /bin/bash
GO ?= go
export CGO_ENABLED ?= 0
VERSION ?= $(shell git describe --tags --always --abbrev=12 --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.release=$(VERSION)
IMAGE ?= swarm-operator
PLATFORMS ?= linux/amd64,linux/arm64
DIST ?= dist

# Tools with a module of their own, each in its directory.
MODULES := tools/image

.PHONY: help build image demo test e2e-full check lint fmt tidy docs fuzz bench bench-real bench-go clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

build: ## bin/: swarm-operator, swarm-sandbox and swarm-open, static
	@mkdir -p bin
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

image: ## dist/: the container image for PLATFORMS, binaries and lists of what is in them; needs no docker
	@$(GO) run -C tools/image . -root "$(CURDIR)" -out "$(abspath $(DIST))" -name $(IMAGE) -version $(VERSION) -ldflags '$(LDFLAGS)' -platforms $(PLATFORMS)

demo: build ## the main job on an embedded swarm: a tour without a terminal, a playground with one
	@$(GO) run ./test/demo -bin bin

test: ## every test that this machine and user can run
	@$(GO) run ./test/run $(FLAGS)

e2e-full: ## every scenario on the sandbox and on real engines, each call disturbed, at the times of production; needs root
	@$(GO) run ./test/run -full $(FLAGS)

check: ## tidy, format, vet, lint, import rules, generated docs
	$(GO) mod tidy -diff
	@unformatted=$$($(GO) tool -modfile=tools/go.mod gofumpt -l .) && [ -z "$$unformatted" ] || { echo "not formatted (make fmt does it): $$unformatted"; exit 1; }
	$(GO) vet -trimpath ./...
	$(GO) tool -modfile=tools/go.mod golangci-lint run
	@for m in $(MODULES); do (cd $$m && $(GO) mod tidy -diff && $(GO) vet ./... && $(GO) tool -modfile="$(CURDIR)/tools/go.mod" golangci-lint run) || exit 1; done
	$(GO) test -trimpath -count=1 -run '^TestWho|^TestThePure|^TestWhatTheOperatorLinks' ./test/laws
	$(GO) test -trimpath -count=1 -run Reference ./test/reference ./api/config ./controllers/status ./cmd/swarm-operator

fmt: ## format
	$(GO) tool -modfile=tools/go.mod gofumpt -w .

docs: ## generate docs/reference
	$(GO) test -count=1 -run Reference ./test/reference ./api/config ./controllers/status ./cmd/swarm-operator -update

fuzz: ## each law for FUZZTIME (default 1m)
	@FUZZTIME=$(or $(FUZZTIME),1m) ./test/laws/fuzz.sh

bench: ## ratios on the sandbox with N services (1000) and NODES machines (1); FLAGS, as in "-o markdown"
	@$(GO) run ./test/bench -n $(or $(N),1000) -nodes $(or $(NODES),1) $(FLAGS)

bench-real: ## the same on a Docker Engine of its own; needs root and docker.io
	@$(GO) run ./test/bench -on engine -n $(or $(N),1000) -nodes $(or $(NODES),1) $(FLAGS)

bench-go: ## time and allocations of what decides, function by function
	$(GO) test -run '^$$' -bench . -benchmem ./controllers/... ./manifests/... ./test/laws

clean: ## remove what was built
	rm -rf bin dist .artifacts
