# What there is to do here, one command each. `make` lists them.
#
# Everything that runs on this machine is built in one profile, release, so that wasmtime is compiled once.

TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))

help: ## List these commands
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 10

run: build ## Build the agent and its plugins, and run them in run/ with the built-in configuration
	sh plugins/build.sh run/plugins
	cd run && $(TARGET)/release/saker run

test: guests plugins ## Run all tests; some want Debian's victoria-metrics and prometheus-node-exporter
	cargo test --release --workspace --locked

build: ## Build the agent: target/release/saker
	cargo build --release --locked -p saker

plugins: ## Build the plugins into target/plugins
	sh plugins/build.sh $(TARGET)/plugins

guests: ## Build the plugins that only tests run, those that misbehave, into target/guests
	sh plugins/build.sh $(TARGET)/guests --guests

bench: plugins ## Run the benchmarks
	cargo bench --workspace --locked

check: ## Look for what a machine can find: format, clippy, documentation
	cargo fmt --check
	cargo clippy --release --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --release --no-deps --workspace --locked

clean: ## Remove everything that was built, and run/ with what the agent kept there
	cargo clean
	rm -rf run

.PHONY: help run test build plugins guests bench check clean
