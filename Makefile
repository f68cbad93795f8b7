# What people and .ci/run call; `make` alone lists it.
.DEFAULT_GOAL := help
.PHONY: help tools fmt fmt-check lint test fuzz checker checker-controls check-edge check-openapi check-money check-money-controls doc proto run bench bench-writers bench-overload check-rolling soak check-upgrade

# grpcurl, buf and other programs, where .ci/install-tools puts them.
export PATH := $(CURDIR)/.tools/bin:$(PATH)

help: ## Lists these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-21s %s\n", $$1, $$2 }' Makefile

run: ## Serves on 127.0.0.1:50051 with a SQLite file, no other server needed
	cargo run --locked

tools: ## Installs what the tests need and this machine lacks: PostgreSQL, PgBouncer, Redis, Varnish, nginx, Chromium, grpcurl, buf, promtool, llmock, LiteLLM, aimock, gRPC for Python, Node and Go, FastAPI
	@bash .ci/install-tools

test: tools ## Runs every test, against servers that the tests start themselves
	cargo test --locked --package challenges-catalog --package fuzz

# How long `make checker` and `make fuzz` run, and what decides the order of things.
SECONDS := 60
SEED := $(shell date +%Y%m%d)
# `test` takes the server that `make test` built: slower, and nothing to build.
PROFILE := checker
CHECKER = cargo test --locked --profile $(PROFILE) --test checker

checker: tools ## Breaks a fleet of four for SECONDS=60, by SEED=…, and proves that no answer lied
	$(CHECKER) -- run $(SECONDS) $(SEED)

checker-controls: tools ## Proves that the checker notices: runs it against deliberate faults, or those in FAULTS=…
	$(CHECKER) --features negative-controls -- controls $(FAULTS)

# How long the edge may keep answers: `proof` or `edge`, as --http-cache has it.
EDGE := edge

check-edge: tools ## Reads through Varnish for SECONDS=60, with EDGE=proof or edge, while others write, and proves that no answer is older than it says
	$(CHECKER) -- edge $(SECONDS) $(SEED) $(EDGE)

# How many random requests an operation gets.
EXAMPLES := 50

check-openapi: ## Sends requests made from docs/openapi.json to the program, EXAMPLES=50 an operation by SEED=…, and checks every answer
	cargo build --locked
	@bash .ci/check-openapi target/debug/challenges-catalog $(EXAMPLES) $(SEED)

check-money: tools ## Breaks Redis and a fleet of three for SECONDS=60, by SEED=…, while tips spend a budget, and compares all books
	$(CHECKER) -- money $(SECONDS) $(SEED)

check-money-controls: tools ## Proves that check-money notices: runs it against deliberate faults
	$(CHECKER) -- money-controls $(SEED)

# Which of fuzz/src/targets is searched.
TARGET := requests
FOUND = target/fuzz/found/$(TARGET)

fuzz: ## Searches TARGET=… for inputs that are read wrongly, for SECONDS=60, guided by coverage; needs a C++ compiler
	RUSTC_WRAPPER=$(CURDIR)/fuzz/rustc cargo build --locked --profile fuzz --package fuzz --features guided
	mkdir -p $(FOUND)
	FUZZ_TARGET=$(TARGET) target/fuzz/fuzz -max_total_time=$(SECONDS) -timeout=10 -print_final_stats=1 \
		-artifact_prefix=target/fuzz/$(TARGET)- $(FOUND) fuzz/corpus/$(TARGET)

fmt: ## Formats the code and the contract
	cargo fmt
	if command -v buf >/dev/null; then buf format proto --write; fi

fmt-check: ## Fails on code that is not formatted
	cargo fmt --check

lint: ## Runs clippy; a warning is an error
	cargo clippy --locked --workspace --all-targets --features challenges-catalog/negative-controls -- -D warnings
	cargo clippy --locked --workspace --test checker --features challenges-catalog/negative-controls -- -D warnings

doc: ## Builds the documentation; a warning is an error
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --document-private-items

proto: tools ## Lints the contract, checks its format, and that it breaks no caller
	@bash .ci/check-proto

bench: tools ## Measures against the limit servers; `make bench ARGS=--quick` takes 2 minutes instead of 10; ARGS="--before BINARY" compares releases
	cargo build --locked --release
	cargo build --locked --release --package limits
	python3 benches/run.py $(ARGS)

bench-writers: tools ## Measures what other programs' writers pay; `make bench-writers ARGS="--before BINARY"` compares releases
	cargo build --locked --release
	cargo build --locked --release --package limits
	python3 benches/writers.py $(ARGS)

bench-overload: tools ## Offers five times what a replica can answer, and lets one caller flood; ARGS="--quick --only late"
	cargo build --locked --release
	cargo build --locked --release --package limits
	python3 benches/overload.py $(ARGS)

check-rolling: tools ## Restarts a fleet over TLS, six times around, under callers in Python and Node; ARGS="--rounds 2"
	cargo build --locked --release
	cargo build --locked --release --package limits
	python3 benches/rolling.py $(ARGS)

soak: tools ## Lets 5000 connections come and go for an hour, and shows that nothing stays; ARGS="--minutes 5"
	cargo build --locked --release
	cargo build --locked --release --package limits
	python3 benches/soak.py $(ARGS)

check-upgrade: tools ## Migrates a database of the release before under its fleet and other programs; ARGS="--before BINARY --seconds 30"
	cargo build --locked --release
	python3 benches/upgrade.py $(ARGS)
