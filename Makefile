# Two commands are enough: `make run` and `make test`. Everything else is a part of them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Outside the checkout, so that a fresh clone builds on what an earlier one compiled.
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/parapet/target
export PATH := $(CURDIR)/.build/node/bin:$(PATH)
# Where Parapet keeps its data when it is started from the checkout.
DATA_DIR ?= $(CURDIR)/.parapet
DEBUG_BINARY := $(CARGO_TARGET_DIR)/debug/parapet

.PHONY: help run test release bench fuzz fuzz-long web rules clean

help: ## shows this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

run: web rules ## installs what is missing, builds, starts Parapet in front of a sample site
	$(DEBUG_BINARY) run --demo --data-dir "$(DATA_DIR)"

test: ## runs everything: formatting, lints, unit tests, scenarios, the browser test
	setup/install test
	cargo fmt --all --check
	cd web && npm ci --no-audit --no-fund && npm run lint && npm test && npm run build
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	cargo build --quiet -p parapet
	$(DEBUG_BINARY) crs install --data-dir "$(DATA_DIR)"
	PARAPET_CRS="$$($(DEBUG_BINARY) crs path --data-dir "$(DATA_DIR)")" cargo test --workspace --no-fail-fast

web: # the console's assets
	setup/install build
	cd web && { [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --no-audit --no-fund; } && npm run build

rules: # the binary and the Core Rule Set
	cargo build -p parapet
	$(DEBUG_BINARY) crs install --data-dir "$(DATA_DIR)"

release: web ## builds the optimised binary
	cargo build --release -p parapet
	@ls -l $(CARGO_TARGET_DIR)/release/parapet

bench: ## measures Parapet and its peers side by side (every executable in bench/)
	setup/install bench
	for benchmark in bench/*; do if [ -f "$$benchmark" ]; then "$$benchmark"; fi; done

fuzz: ## runs each fuzz target for FUZZ_SECONDS, a minute if not set
	setup/install fuzz
	fuzz/run $(or $(FUZZ_SECONDS),60)

fuzz-long: ## the same for half an hour each, for the night
	$(MAKE) fuzz FUZZ_SECONDS=1800

clean: ## removes what building and running left in the checkout (not the shared build cache)
	rm -rf .build .parapet web/node_modules web/dist tests/artifacts
