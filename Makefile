# Everything that CI does is a target here; `make` alone tells what there is.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c

# The modules of the workspace, and those whose pins are their own.
MODULES := . adapters/containerd adapters/podman cmd/jettison kv/etcdkv transfer
OUTSIDE := $(patsubst %/go.mod,%,$(wildcard compare/go.mod tools/benchreport/go.mod))

FUZZTIME  ?= 20000x
BENCHTIME ?= 1s
BENCH     ?= .
KILLS     ?= 500
LOSSES    ?= 20
RESTARTS  ?= 50
TESTFLAGS ?=
SOAK      ?= 1m
CHECKS    ?= 2000

# What adapters/podman, and the command with it, are built with: without these, cgo
# wants the headers of btrfs. A -tags on a command line takes the place of that in
# GOFLAGS, so it has to name them too.
TAGS := exclude_graphdriver_btrfs,exclude_graphdriver_devicemapper,containers_image_openpgp
INTEROP := interop,$(TAGS)
export GOFLAGS := $(strip $(GOFLAGS) -tags=$(TAGS))

ROOT := $(CURDIR)
BIN  := $(ROOT)/.bin
LINT := $(BIN)/golangci-lint

# each,COMMAND runs COMMAND in every module of the workspace.
each = for m in $(MODULES); do echo "== $$m"; (cd $$m && $(1)); done
# outside,COMMAND runs COMMAND in every module that is not in the workspace.
outside = for m in $(OUTSIDE); do echo "== $$m"; (cd $$m && export GOWORK=off && $(1)); done

.PHONY: help
help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Load, tag and delete images with the command, in a directory that goes away
	@./demo.sh

.PHONY: build
build: ## Build every package and command, without cgo
	@$(call each,CGO_ENABLED=0 go build -o /dev/null ./...)

.PHONY: test
test: ## Run the tests of all modules, and the short ones against Docker's code
	@$(call each,go test $(TESTFLAGS) ./...)
	@$(call outside,JETTISON_COMPARE_N=5000 go test -short $(TESTFLAGS) ./...)

.PHONY: test-rights
test-rights: ## Run the tests of missing rights as a user whom rights bind
	@./.ci/unprivileged

.PHONY: test-interop
test-interop: ## Run the tests with skopeo, umoci, podman, containerd and etcd, which must be there; as root
	@cd cmd/jettison && go test -count=1 -tags $(INTEROP) -run '^TestInterop' .
	@cd cmd/jettison && go test -count=1 -tags $(INTEROP) -short -bench . -benchtime 1x ./interop
	@cd adapters/podman && go test -count=1 -v -tags $(INTEROP) -run '^TestInterop' . # -v: says what is skipped
	@cd adapters/containerd && go test -count=1 -tags $(INTEROP) -run '^TestInterop' .
	@cd kv/etcdkv && go test -count=1 -tags $(INTEROP) -run '^TestInterop' .
	@go test -count=1 -tags $(INTEROP) ./internal/containerdtest

.PHONY: crash
crash: ## Kill a process at work KILLS times (500), a containerd and an etcd RESTARTS times (50, as root); try LOSSES random losses (20) at each step of each operation
	@JETTISON_TEST_KILLS=$(KILLS) JETTISON_TEST_LOSSES=$(LOSSES) \
		go test -count=1 -timeout 2h -v -run '^(TestKilled|TestFaultCampaign)$$' ./diskstore
	@cd adapters/containerd && JETTISON_TEST_DAEMON_KILLS=$(RESTARTS) \
		go test -count=1 -timeout 2h -v -tags $(INTEROP) -run '^TestInteropDaemonKilled$$' .
	@cd kv/etcdkv && JETTISON_TEST_ETCD_KILLS=$(RESTARTS) \
		go test -count=1 -timeout 2h -v -tags $(INTEROP) -run '^TestInteropServerKilled$$' .

.PHONY: race
# Without this, each process of the command waits for a second before it ends.
race: export GORACE := atexit_sleep_ms=10
race: ## Run the tests under the race detector (needs gcc)
	@$(call each,CGO_ENABLED=1 go test -race -short $(TESTFLAGS) ./...)
	@$(call outside,CGO_ENABLED=1 go test -race -short $(TESTFLAGS) ./...)

.PHONY: soak
soak: ## Work on every backend with many goroutines for SOAK each (1m), then random histories
	@CGO_ENABLED=1 JETTISON_SOAK=$(SOAK) go test -race -count=1 -timeout 0 -v -run '^TestConcurrent' $(TESTFLAGS) .
	@CGO_ENABLED=1 go test -race -count=20 -timeout 0 -run 'AtOnce|ComesAndGoes|DuringRemoval' $(TESTFLAGS) ./diskstore
	@go test -count=1 -timeout 0 -v -run '^Test(Linked)?History$$' -rapid.checks=$(CHECKS) $(TESTFLAGS) .

.PHONY: cover
cover: ## Show how much of each package of the root module the tests reach
	@go test -short -cover -coverpkg=./... -coverprofile=cover.out ./... | grep -v 'no test files'
	@go tool cover -func=cover.out | tail -1

.PHONY: fuzz
fuzz: ## Run each fuzz target on FUZZTIME inputs (20000x), or for so long (1m)
	@$(call each,$(ROOT)/.ci/fuzz $(FUZZTIME))

.PHONY: bench
bench: ## Run the benchmarks that match BENCH for BENCHTIME each
	@$(call each,go test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem ./...)

.PHONY: bench-once
bench-once: ## Run every benchmark once, on small stores, to see that it works
	@$(call each,go test -run '^$$' -bench . -benchtime 1x -short ./...)
	@$(call outside,go test -run '^$$' -bench . -benchtime 1x -short ./...)

.PHONY: bench-report
bench-report: ## Measure anew all that docs/benchmarks.md says, or the parts PARTS of it, and draw the plots
	@./.ci/bench-report $(PARTS)

.PHONY: compare
compare: ## Compare with Docker's own code: every test, then the speed
	@cd compare && export GOWORK=off && go test -count=1 -v ./... && \
		go test -run '^$$' -bench '$(BENCH)' -benchtime 20x -benchmem ./...

.PHONY: vet
vet: ## Run go vet
	@$(call each,go vet -tags $(INTEROP) ./...)
	@$(call outside,go vet ./...)

.PHONY: lint
lint: $(LINT) ## Run the linters and check the layout
	@$(LINT) config verify
	@$(call each,$(LINT) run --config $(ROOT)/.golangci.yml ./...)
	@$(call outside,$(LINT) run --config $(ROOT)/.golangci.yml ./...)

.PHONY: fmt
fmt: $(LINT) ## Lay out the code
	@$(call each,$(LINT) fmt --config $(ROOT)/.golangci.yml ./...)

.PHONY: tidy
tidy: ## Tidy go.mod and go.sum of every module
	@$(call each,$(ROOT)/.ci/tidy)
	@$(call outside,go mod tidy)

.PHONY: tidy-check
tidy-check: ## Check that go.mod and go.sum are tidy
	@$(call each,$(ROOT)/.ci/tidy -diff)
	@$(call outside,go mod tidy -diff)

.PHONY: ci
ci: build vet tidy-check lint test test-rights test-interop race ci-fuzz bench-once demo ## Do all that CI does

.PHONY: ci-fuzz
ci-fuzz: FUZZTIME = 500x
ci-fuzz: fuzz

# The tools are pinned in a module of their own. The first build takes a few minutes.
$(LINT): tools/go.mod tools/go.sum
	cd tools && GOWORK=off GOBIN=$(BIN) go install tool
	@touch $@
