# What there is to do here, one command each. `make` lists them.
#
# Everything that runs on this machine is built in one profile, release, and chosen from the whole workspace: other
# choices ask for other features, and wasmtime would be compiled again for each.

# Where cargo puts the agent.
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))

help: ## List these commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 20

run: build ## Build the agent and its plugins, and run them in run/ with the built-in configuration
	sh plugins/build.sh run/plugins
	cd run && $(TARGET)/release/saker run

test: guests plugins ## Run all tests that want nothing but this repository
	cargo test --release --workspace --locked

test-servers: plugins ## Run the tests against real servers; as root on Debian, installs them first
	sh tests/install.sh servers
	cargo test --release --workspace --locked --test servers

# The program is the one that the tests run; that of `make build` lacks what they ask of tokio.
authors: plugins ## Write plugins as a newcomer does, of each kind and in each language; wants python3-venv, Node.js 20 with npm, clang
	cargo test --release --workspace --locked --test agent --no-run
	set -e; for script in tests/authors/*.sh; do echo "== $$script"; sh $$script $(TARGET)/authors $(TARGET)/release/saker; done

# The plugins come first: the agent knows those that it ships with by their hashes.
build: plugins page ## Build the agent, target/release/saker, the plugins that it ships with, and its page
	cargo build --release --locked --workspace --bin saker

plugins: ## Build the plugins into target/plugins
	sh plugins/build.sh target/plugins

# What Node.js before 20 builds nobody has tried. As for the authors, the program is the one that the tests run.
PAGE := host/web/page
page: ## Build the page into host/web/dist; wants Node.js 20 with npm, and without it says so
	@if ! node -e 'process.exit(Number(process.versions.node.split(".")[0] < 20))' 2>/dev/null || ! command -v npm >/dev/null; then \
		echo "no Node.js 20 with npm: the agent is built without its page"; \
	elif [ -z "$$(find $(PAGE) -path $(PAGE)/node_modules -prune -o -type f -newer host/web/dist/built -print 2>&1)" ]; then \
		echo "the page is built"; \
	else \
		cd $(PAGE) && npm ci --no-audit --no-fund && npm run build && touch ../dist/built; \
	fi

test-page: page plugins ## Test the page: its types and style, its parts, and all of it in a browser; wants Node.js 20, npm, chromium
	cd $(PAGE) && npm ci --no-audit --no-fund && npm run check && npm test
	cargo test --release --workspace --locked --test agent --no-run
	cd tests/page && npm ci --no-audit --no-fund && node --test page.test.mjs && node budget.mjs

screenshots: page plugins ## Make the screenshots in docs/images anew; wants what test-page does
	cargo test --release --workspace --locked --test agent --no-run
	cd tests/page && npm ci --no-audit --no-fund && node screenshots.mjs

guests: ## Build the plugins that only tests run, those that misbehave, into target/guests
	sh plugins/build.sh target/guests --guests

bench: bench-collect bench-write bench-pipeline bench-forward ## Run the benchmarks

promql-corpus: ## Run Prometheus' own tests of PromQL: DIR=…/promql/promqltest/testdata
	cargo run --release --locked -p saker-query --example corpus -- $(DIR)

promql-compare: ## Ask a Prometheus the same random queries: PROMETHEUS=… PROMTOOL=…
	cargo run --release --locked -p saker-query --example compare -- $(PROMETHEUS) $(PROMTOOL)

bench-query: ## What queries cost, beside Debian's victoria-metrics and prometheus where they are installed
	cargo run --release --locked -p saker-query --example cost -- $$(command -v victoria-metrics && command -v prometheus && command -v promtool)

# How long this host's own collectors are recorded for bench-store: make record-store STORE_SECONDS=3600.
STORE_SECONDS := 3600
RECORDING := $(TARGET)/recorded.jsonl

bench-store: ## What the store costs, beside VictoriaMetrics, Prometheus and rrdtool; as root on Debian, installs them
	sh tests/install.sh stores
	$(if $(wildcard $(RECORDING)),SAKER_STORE_RECORDED=$(RECORDING)) cargo bench --locked -p saker-store --bench store

record-store: build ## Record what this host's collectors say at a second, for bench-store; STORE_SECONDS
	TARGET=$(TARGET) sh host/store/benches/record.sh $(STORE_SECONDS) $(RECORDING)

bench-store-churn: ## A hundred thousand new series a day for two simulated years: start, memory, files
	cargo bench --locked -p saker-store --bench store -- churn

test-store: ## The store's tests of truth and crashes at full size: 10,000 power cuts, 200 kills, 2,000 histories
	SAKER_POWER_CUTS=10000 SAKER_KILLS=200 SAKER_STORE_HISTORIES=2000 \
	cargo test --release --locked -p saker-store --test law --test power --test death -- --nocapture

bench-collect: plugins guests ## What a call costs: an empty one, and a collector's in the sandbox beside the same code natively
	cargo bench --locked --workspace --bench collect

bench-write: plugins ## What a point costs in each backend, and its bytes on the wire
	cargo bench --locked --workspace --bench write

bench-pipeline: plugins ## What a point costs on its way from the pipeline to a server
	cargo bench --locked --workspace --bench pipeline

bench-forward: plugins ## What forwarding costs, beside vmagent; wants Debian's victoria-metrics
	cargo bench --locked --workspace --bench forward

bench-hostile: guests ## Five minutes of the whole hostile collection beside ten collectors at a second: lateness, memory, leaks
	SAKER_HOSTILE_SECONDS=300 cargo test --release --locked --workspace --test agent the_worst_plugins -- --nocapture

bench-scale: plugins guests ## What a thousand instances, a start with twenty plugins and a new file cost; an hour of swaps
	SAKER_INSTANCES=1000 SAKER_INSTANCE_SECONDS=60 SAKER_DROPS=9 SAKER_SWAPS=6000 SAKER_SWAP_PAUSE_MS=500 \
	cargo test --release --locked --workspace --test agent scale:: -- --nocapture --test-threads 1

# How long, and in which order: make torture SECONDS=600 SEED=7. Without a seed it is another order each time.
SECONDS := 3600
SEED := $(shell date +%s)
TORTURE := $(TARGET)/release/saker-load torture --program $(TARGET)/release/saker --seed $(SEED)

torture: plugins ## An hour of starts, kills, reloads, disk and receiver faults under load; SECONDS, SEED; wants root (docs/torture.md)
	cargo build --release --locked --workspace --bin saker --bin saker-load
	$(TORTURE) --starts 1000
	$(TORTURE) --starts 1000 --foreign-files 20000
	$(TORTURE) --frozen 60
	$(TORTURE) --seconds $(SECONDS) --disk

check: ## Look for what a machine can find: format, lints, documentation
	cargo fmt --check
	cargo clippy --release --workspace --all-targets --locked -- -D warnings
	cargo clippy --release --workspace --test servers --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --release --no-deps --workspace --locked

clean: ## Remove everything that was built, and run/ with what the agent has kept there
	cargo clean
	rm -rf run

.PHONY: help run test test-servers test-page authors build page plugins guests bench bench-collect bench-write bench-pipeline bench-forward bench-hostile bench-query bench-scale bench-store bench-store-churn record-store test-store promql-corpus promql-compare screenshots torture check clean
