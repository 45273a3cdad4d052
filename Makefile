# `make` without a target prints what there is.
.DEFAULT_GOAL := help
.PHONY: help build test check chaos fuzz asan demo demo-cluster bench baseline sweep charts compare \
	experiment peers profile regress regress-baseline audit box redis-start redis-stop \
	redis-cluster-start redis-cluster-stop install clean

PREFIX ?= /usr/local
PORT ?= 6379
NODES ?= 3
REPLICAS ?= 0
CHAOS_SEEDS ?= 200
CHAOS_JOBS ?= 6
FUZZ_SECONDS ?= 20
CARGO ?= cargo
# What `matrix run` is told: see `make help`.
MATRIX = $(if $(PROGRAM),REDIS_CLIENT_BIN=$(abspath $(PROGRAM))) $(CARGO) run --release --locked -q -p redis-client-benches --bin matrix --
MATRIX_FLAGS = $(if $(BUDGET),--budget $(BUDGET)) $(if $(LABEL),--label $(LABEL)) $(if $(REPEATS),--repeats $(REPEATS)) \
	$(if $(filter-out 0,$(FRESH)),--fresh) $(if $(filter-out 0,$(PROFILE)),--profile)
# An experiment: its two settings, and what both have alike.
EXPERIMENT_SETTINGS = $(if $(A),--a='$(A)') $(if $(B),--b='$(B)') \
	$(if $(A_PROGRAM),--a-program='$(abspath $(A_PROGRAM))') $(if $(B_PROGRAM),--b-program='$(abspath $(B_PROGRAM))') \
	$(if $(A_SERVER),--a-server='$(A_SERVER)') $(if $(B_SERVER),--b-server='$(B_SERVER)') \
	$(if $(A_ENV),--a-env='$(A_ENV)') $(if $(B_ENV),--b-env='$(B_ENV)')
EXPERIMENT_FLAGS = $(if $(ROUNDS),--rounds=$(ROUNDS)) $(if $(MIB),--mib=$(MIB)) $(if $(SIZES),--sizes='$(SIZES)') \
	$(if $(MODE),--mode=$(MODE)) $(if $(filter-out 0,$(COUNT)),--count) $(if $(filter-out 0,$(NETNS)),--netns) \
	$(if $(filter 0,$(PIN)),--free) $(if $(RESULTS),--results='$(abspath $(RESULTS))')
REGRESS = $(CARGO) run --release --locked -q -p redis-client-benches --bin regress --

help: ## print this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build the optimised program: target/release/redis-client
	$(CARGO) build --release --locked -p redis-client

check: ## format, lints, documentation, packages and spelling, warnings denied
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc -q --workspace --no-deps --document-private-items --locked
	$(CARGO) package -q -p redis-client-engine -p redis-client --locked --exclude-lockfile --no-verify \
		--allow-dirty --no-metadata
	@scripts/tools.sh codespell
	codespell . .ci .cargo .github

audit: ## dependencies: licences, bans, sources (deny.toml), and whether any is unused
	@scripts/tools.sh cargo-deny cargo-machete
	$(CARGO) deny --workspace --locked check licenses bans sources
	$(CARGO) machete

test: check server shells ## everything: check, unit, property and end-to-end tests, every bench once in short form
	$(CARGO) build --locked -p redis-client
	$(CARGO) test --workspace --locked --lib --bins --tests --exclude redis-client-benches
	$(CARGO) test --locked -p redis-client-benches --lib --test matrix --test profile --test regress
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
	$(CARGO) bench --locked -p redis-client-benches --bench peers -- --rounds '$(or $(ROUNDS),5)' --mib '$(or $(MIB),512)' \
		$(if $(CELLS),--cells '$(CELLS)') $(if $(ALSO),--also '$(ALSO)')

baseline: server build ## common settings, REPEATS (3) times each, goes on where it ended (BUDGET=30m FRESH=1 LABEL= PROGRAM= PROFILE=1)
	$(MATRIX) run baseline $(MATRIX_FLAGS)

sweep: server build ## 149 settings through the whole range, likewise (REPEATS=1), and the charts
	$(MATRIX) run sweep $(MATRIX_FLAGS)
	$(MATRIX) report $(if $(LABEL),--label $(LABEL))

charts: ## put the results of both (with LABEL) into PERFORMANCE.md, docs/RESULTS.md and docs/charts
	$(MATRIX) report $(if $(LABEL),--label $(LABEL))

compare: ## print how two baselines compare: BEFORE and AFTER are their labels
	$(MATRIX) compare '$(BEFORE)' '$(AFTER)'

experiment: server build ## compare two settings of a fill in turns: A='flags' B='flags' (docs/experiments/README.md)
	$(if $(strip $(EXPERIMENT_SETTINGS)),,$(error say what to compare: make experiment A='--replies each' B='', see docs/experiments/README.md))
	$(CARGO) bench -q --locked -p redis-client-benches --bench experiment -- --strict \
		$(EXPERIMENT_SETTINGS) $(EXPERIMENT_FLAGS)

profile: server build ## flame graphs and hot spots of a fill: DRIVER (auto), FLAGS, MIB (1024), SERVER=1 for the server's, too
	$(CARGO) run --release --locked -q -p redis-client-benches --bin profile -- --driver '$(or $(DRIVER),auto)' \
		--flags='$(FLAGS)' --mib '$(or $(MIB),1024)' $(if $(filter-out 0,$(SERVER)),--server)

# What the tests want besides a server.
test: tools
.PHONY: tools
tools:
	@scripts/tools.sh check-jsonschema ruby shellcheck valgrind

regress: ## fail on more than 3 % more instructions in the hot paths than benches/regress.json
	@scripts/tools.sh valgrind
	$(REGRESS) compare

regress-baseline: ## count the hot paths' instructions anew, into that file
	@scripts/tools.sh valgrind
	$(REGRESS) record

box: ## run vagrant/provision.sh in a fresh Debian 12, twice, and fill a server there
	scripts/box.sh

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

install: build ## program, man pages and completions into PREFIX (/usr/local), below DESTDIR; PROGRAM: another build
	scripts/install.sh '$(or $(PROGRAM),target/release/redis-client)' '$(DESTDIR)$(PREFIX)'

clean: ## remove everything that was built
	$(CARGO) clean

.PHONY: server shells
server:
	@scripts/server.sh ensure
shells:
	@scripts/shells.sh ensure
