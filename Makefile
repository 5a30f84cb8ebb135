# Everything that is done with this repository. `make` alone lists it.

# How long `make fuzz` runs each fuzz target.
FUZZ_SECONDS ?= 60

.DEFAULT_GOAL := help
# What `make bench` measures: rows by commas, the seconds of each measurement, how often, beside whom.
ROWS ?= all
SECONDS ?= 1
ROUNDS ?= 3
PEERS ?= all
SCENES ?= all

.PHONY: help run test test-cluster test-differential test-servers check fast-check instructions fuzz bench bench-upkeep bench-herd bench-docker bench-gang

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Build and start the server, without a Corefile unless there is one here
	cargo run --release

test: test-servers ## Install what the tests need, then run all of them
	scripts/test

test-cluster: ## RabbitMQ and PyTorch find their nodes by name, machines are broken (as root; first makes an image)
	scripts/install-test-servers cluster
	scripts/test-cluster

test-servers: ## Install what the tests need (apt, as root or with sudo; nothing where all is there)
	scripts/install-test-servers

test-differential: test-servers ## Ask NSD and Knot what Callsign is asked, and compare the answers
	scripts/test-differential

check: fast-check ## Formatting, lints, licences and known vulnerabilities of dependencies
	@if command -v cargo-deny >/dev/null; then \
		cargo deny --workspace check; \
	else \
		echo "cargo-deny is not installed, so dependencies are not checked: cargo install cargo-deny"; \
	fi

fast-check: ## Formatting and lints only
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo metadata --locked --manifest-path fuzz/Cargo.toml --format-version 1 >/dev/null

instructions: test-servers ## Count the instructions that answers take, and compare with the limits
	scripts/instructions

fuzz: ## Run every fuzz target for FUZZ_SECONDS seconds (default 60)
	FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz

# A part of the table is only shown.
bench: ## What answers cost, beside other servers; a part: make bench ROWS=zone,list SECONDS=1 ROUNDS=3
	scripts/install-test-servers bench
	cargo build --release -p callsign -p callsign-bench
	"$${CARGO_TARGET_DIR:-target}/release/answers" --rows $(ROWS) --seconds $(SECONDS) --rounds $(ROUNDS) \
		--peers $(PEERS) $(if $(filter all,$(ROWS)),--results bench/RESULTS.md)
	$(if $(filter all,$(ROWS)),"$${CARGO_TARGET_DIR:-target}/release/upkeep" --results bench/RESULTS.md)

bench-upkeep: ## What a server costs besides: TCP, standing by, a large zone, changes; some of it: SCENES=idle,tcp
	scripts/install-test-servers bench
	cargo build --release -p callsign -p callsign-bench
	"$${CARGO_TARGET_DIR:-target}/release/upkeep" --scenes $(SCENES)

bench-herd: ## A thousand nodes claim names at once in a real etcd
	cargo run --release -p callsign-herd

bench-docker: test-servers ## How far names are behind a real Docker Engine (as root)
	cargo build --release -p callsign -p callsign-bench
	"$${CARGO_TARGET_DIR:-target}/release/docker"

bench-gang: ## How soon the 64 commands of a job start once its last member has come
	cargo build --release -p callsign -p callsign-bench
	"$${CARGO_TARGET_DIR:-target}/release/gang"
