# Ostiary. `make help` lists the targets.

GO      ?= go
BIN     := bin/ostiary
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
LDFLAGS := -X main.version=$(VERSION) -X main.commit=$(COMMIT)
TOOLS   := $(GO) tool -modfile=tools/go.mod

.DEFAULT_GOAL := help
.PHONY: offboarding demo-offboarding help build demo test sim race lint fmt gen gen-check bench conformance fuzz e2e check clean bench-peers bench-cluster chaos soak deploy release release-binary release-check docs

help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/ostiary
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/ostiary

demo: build ## build, serve an example on a temporary folder, ask it a few questions, go on serving
	./$(BIN) demo

demo-offboarding: build ## play how a person's access begins and ends, as a timeline (SERVER=host:port: on that server)
	./$(BIN) demo offboarding $(if $(SERVER),--server $(SERVER))

test: ## run every test
	$(GO) test -timeout 10m ./...

SEEDS ?= 2000
SEED  ?= 1
sim: ## simulate clusters that break: SEEDS=20000 SEED=1 (make test simulates 200)
	$(GO) test -c -o bin/sim.test ./raftstore/sim
	bin/sim.test -test.run TestSchedules -test.timeout 0 -seed $(SEED) -seeds $(SEEDS)

race: ## run every test with the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race -short -timeout 15m ./...

lint: ## gofmt, go vet, staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
	  if [ -n "$$unformatted" ]; then echo "not gofmt-clean:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet $$($(GO) list ./... | grep -v /dsl/gen)
	$(TOOLS) staticcheck $$($(GO) list ./... | grep -v -e /dsl/gen -e /api/gen)

fmt: ## format the code
	gofmt -w $$(git ls-files '*.go')

gen: ## regenerate the parser (needs node and npm) and the protobuf code
	bash dsl/gen.sh
	bash api/gen.sh

gen-check: gen ## regenerate and fail when the tree changed
	git diff --exit-code --stat -- dsl/gen api/gen

bench: ## run the Go benchmarks: ns/op, allocs/op and Pebble reads/op
	$(GO) test -run '^$$' -bench . -benchmem ./dsl ./engine ./storage ./bench

bench-peers: build ## measure an echo, Ostiary and OpenFGA on PostgreSQL in one run (about 7 minutes; BENCH_SECONDS)
	bash bench/peers.sh

bench-cluster: build ## measure three nodes on this machine (about 2 minutes; SCALE=large)
	$(GO) run ./bench/cmd/cluster -scale $(or $(SCALE),mid)

e2e: build ## ask the built server through OpenFGA's published Go and npm clients (needs node and npm)
	cd e2e && $(GO) vet ./... && $(GO) test -count=1 ./...
	cd e2e/js && npm ci --no-audit --no-fund && npm test

TRIES ?= 10000
offboarding: ## end people's access while they log in, TRIES times (10000) on one node and on three whose clocks are apart
	$(GO) test -count=1 -timeout 0 -v -run '^TestOffboarding$$' ./cmd/ostiary -offboarding-tries $(TRIES)

ROUNDS ?= 20
chaos: build ## run three nodes under load and kill, stop, cut off and fill them, ROUNDS times (20)
	cd e2e && $(GO) vet ./chaos && $(GO) run ./chaos -rounds $(ROUNDS)

SOAK  ?= 1h
NODES ?= 1
soak: build ## run a node (NODES=3: three) under load for SOAK (1h), and under abuse, and look for growth
	$(GO) run ./bench/cmd/soak -for $(SOAK) -nodes $(NODES)

conformance: build ## run OpenFGA's, SpiceDB's and other suites against a server, and print a table
	$(GO) run ./conformance/cmd/suites -binary $(BIN)

FUZZTIME ?= 100000x
fuzz: ## run every fuzz target for FUZZTIME: 100000x runs, or a time such as 20s
	@for pkg in $$($(GO) list ./... | grep -v /gen); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "$$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done; \
	done

DIST := dist
ARCH := $(shell $(GO) env GOARCH)
release: ## build dist/: static binaries for linux/amd64 and arm64, what they are built from (CycloneDX), checksums
	@rm -rf $(DIST) && mkdir -p $(DIST)
	@for arch in amd64 arm64; do \
	  $(MAKE) --no-print-directory release-binary ARCH=$$arch || exit 1; \
	  (cd deploy && $(GO) run ./cmd/sbom ../$(DIST)/ostiary-linux-$$arch '$(VERSION)') >$(DIST)/ostiary-linux-$$arch.cdx.json || exit 1; \
	done
	@cd $(DIST) && sha256sum ostiary-* >SHA256SUMS && cat SHA256SUMS

# The same source, Go, VERSION and COMMIT give the same bytes, wherever they are built.
release-binary:
	CGO_ENABLED=0 GOOS=linux GOARCH=$(ARCH) GOFLAGS= $(GO) build -trimpath -buildvcs=false -ldflags '-s -w -buildid= $(LDFLAGS)' \
	  -o $(DIST)/ostiary-linux-$(ARCH) ./cmd/ostiary

release-check: ## build two clones in folders of their own, with caches of their own, and compare (about 5 minutes)
	bash deploy/reproduce.sh

deploy: build ## check the image, the systemd unit and the Kubernetes manifests as far as tools allow
	cd deploy && $(GO) vet ./... && $(GO) test -count=1 ./...

docs: ## write what docs/ says of settings and of the API again, and the help that tests compare
	$(GO) test -count=1 ./api -run '^TestReference$$' -update
	$(GO) test -count=1 ./cmd/ostiary -run '^(TestConfigReference|TestHelp)$$' -update

check: lint test race ## the heart of CI; .ci/run adds gen-check, fuzz, conformance, e2e and the demo

clean: ## remove what was built
	rm -rf bin dist
