# `make` without a target prints what there is.
.DEFAULT_GOAL := help
.PHONY: help build test check chaos fuzz asan demo demo-cluster bench peers redis-start redis-stop \
	redis-cluster-start redis-cluster-stop install clean

PREFIX ?= /usr/local
PORT ?= 6379
NODES ?= 3
REPLICAS ?= 0
CHAOS_SEEDS ?= 200
CHAOS_JOBS ?= 6
FUZZ_SECONDS ?= 20
ROUNDS ?= 5
MIB ?= 512
CELLS ?=
CARGO ?= cargo

help: ## print this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build the optimised program: target/release/redis-client
	$(CARGO) build --release --locked -p redis-client

check: ## format and lints, warnings denied
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

test: check server ## everything: check, unit, property and end-to-end tests, every bench once in short form
	$(CARGO) build --locked -p redis-client
	$(CARGO) test --workspace --locked --lib --bins --tests --exclude redis-client-benches
	$(CARGO) test --workspace --locked --doc
	$(CARGO) build --release --locked -p redis-client
	$(CARGO) bench --locked -p redis-client-benches -- --test

chaos: server ## CHAOS_SEEDS (200) fills with faults all the way, for docs/RELIABILITY.md (about 15 minutes)
	$(CARGO) build --locked -p redis-client
	CHAOS_SEEDS=$(CHAOS_SEEDS) CHAOS_JOBS=$(CHAOS_JOBS) CHAOS_RECORD=$(CURDIR)/docs/RELIABILITY.md \
		$(CARGO) test --locked -p redis-client-tests --test end_to_end -- \
		chaos::seeds chaos::policy_seeds --exact --nocapture --test-threads 1

demo: server build ## fill a private server with 1 GiB and prove it by redis-cli
	scripts/demo.sh target/release/redis-client

demo-cluster: server build ## the same with a private cluster of five masters
	scripts/demo-cluster.sh target/release/redis-client

bench: server build ## the figures of PERFORMANCE.md (about ten minutes; best on an idle machine)
	$(CARGO) bench --locked -p redis-client-benches --bench patch --bench ceiling --bench fill \
		--bench verify --bench cluster --bench safety

peers: server build ## beside redis-benchmark and others, into PERFORMANCE.md: ROUNDS (5), MIB (512), CELLS (all; 512/512,cluster)
	$(CARGO) bench --locked -p redis-client-benches --bench peers -- --rounds '$(ROUNDS)' --mib '$(MIB)' \
		$(if $(CELLS),--cells '$(CELLS)') $(if $(ALSO),--also '$(ALSO)')

fuzz: ## fuzz what reads the words of a server, each target for FUZZ_SECONDS (20)
	scripts/fuzz.sh '$(FUZZ_SECONDS)'

asan: server ## the engine's tests, and fills by every driver, under AddressSanitizer
	scripts/asan.sh

redis-start: server ## start a server without persistence on PORT (6379)
	scripts/server.sh start $(PORT)

redis-stop: ## stop that server
	scripts/server.sh stop $(PORT)

redis-cluster-start: server ## start a cluster of NODES masters (3 or 5), each with REPLICAS (0 or 1), from PORT on
	scripts/cluster.sh start '$(PORT)' '$(NODES)' '$(REPLICAS)'

redis-cluster-stop: ## stop that cluster
	scripts/cluster.sh stop '$(PORT)'

install: build ## install the program into PREFIX/bin (/usr/local)
	install -D -m 755 target/release/redis-client $(DESTDIR)$(PREFIX)/bin/redis-client

clean: ## remove everything that was built
	$(CARGO) clean

.PHONY: server
server:
	@scripts/server.sh ensure
