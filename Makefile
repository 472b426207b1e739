# Everything here works on a fresh machine with make and Python 3.11 or newer; every target may be called again.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
LOCKED := $(PIP) --no-deps --require-hashes --requirement
BENCH_VENV := .venv-bench
BENCH_PIP := $(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint benchmarks/constraints.txt
FLOWER_142 := .venv-flower-142
FLOWER_142_PIP := $(FLOWER_142)/bin/python -m pip install --quiet --disable-pip-version-check
BENCH_PEERS := jax fedjax pfl fluke
QUICK ?=

.PHONY: help demo test acceptance docs lint check format lock bench bench-peers test-flower test-flower-142 test-flower-deployed clean
.DEFAULT_GOAL := help

help:
	@echo "make demo        install into $(VENV) and run the quickstart"
	@echo "make test        install with test dependencies and run the tests"
	@echo "make acceptance  run the long tests, which train on the full data"
	@echo "make docs        build the documentation's site into the folder site"
	@echo "make lint        format check, lint, types, and the documentation's site"
	@echo "make check       the same and the tests (what pre-commit runs)"
	@echo "make format      format the code"
	@echo "make lock        write the locks anew, after pyproject.toml or constraints.txt have changed"
	@echo "make bench       time fedlens against a bare PyTorch loop and other frameworks (QUICK=1: only to see that it works)"
	@echo "make bench-peers install the frameworks that need environments of their own, which make bench does unless QUICK=1"
	@echo "make test-flower run the tests of the bridge to Flower, in its environment"
	@echo "make test-flower-142   the same with Flower 1.42"
	@echo "make test-flower-deployed   attack a deployed federation of Flower, in a network of its own"
	@echo "make clean       remove $(VENV), the environments of benchmarks, $(FLOWER_142) and caches"

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "fedlens needs Python 3.11 or newer; name one by: make PYTHON=python3.12 ..."; exit 1; }
	@echo "Creating the virtual environment $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# PyTorch by its version, for its build depends on the machine; the rest by hashes; and fedlens itself from here.
$(VENV)/.installed: pyproject.toml constraints.txt locks/run.txt | $(VENV)/bin/python
	@echo "Installing fedlens into $(VENV) (PyTorch is large; this takes some minutes the first time)"
	@$(PIP) --constraint constraints.txt torch
	@$(LOCKED) locks/run.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed locks/test.txt
	@echo "Installing what the tests need"
	@$(LOCKED) locks/test.txt
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed-test locks/dev.txt
	@echo "Installing the developers' tools"
	@$(LOCKED) locks/dev.txt
	@touch $@

demo: $(VENV)/.installed
	@echo "Running the quickstart: one client of ten poisons a model of the Adult census data"
	@$(BIN)/fedlens run quickstart

test: $(VENV)/.installed-test
	@echo "Running the tests"
	@$(BIN)/python -m pytest --numprocesses auto

acceptance: $(VENV)/.installed-test test-flower-142 test-flower-deployed
	@echo "Running the long tests"
	@$(BIN)/python -m pytest -m acceptance --timeout 3600

docs: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

lint: $(VENV)/.installed-dev docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint
	$(BIN)/python -m pytest --numprocesses auto

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(VENV)/.installed-dev
	$(BIN)/python tools/lock.py

# Flower wants older versions of some packages than fedlens is tested with, and so has an environment of its own.
$(BENCH_VENV)/.installed: pyproject.toml benchmarks/constraints.txt
	@echo "Installing fedlens and the frameworks that it is compared with into $(BENCH_VENV)"
	@$(PYTHON) -m venv $(BENCH_VENV)
	@$(BENCH_PIP) --editable '.[bench]'
	@$(BENCH_PIP) --no-deps byzfl
	@touch $@

# Each of these wants versions of packages that fedlens does not. Who does not install here is left out with pip's reason.
bench-peers:
	@for peer in $(BENCH_PEERS); do \
	  venv=$(BENCH_VENV)-$$peer; list=benchmarks/peers/$$peer.txt; \
	  if [ $$venv/.installed -nt $$list ]; then continue; fi; \
	  echo "Installing $$peer into $$venv"; \
	  rm -rf $$venv; $(PYTHON) -m venv $$venv || exit 1; \
	  pip="$$venv/bin/python -m pip install --quiet --disable-pip-version-check"; \
	  { { ! grep -q '^torch==' $$list || $$pip --constraint $$list torch; } && $$pip --no-deps --requirement $$list; } \
	    >$$venv/install.log 2>&1 && touch $$venv/.installed || echo "$$peer does not install here"; \
	done

bench: $(BENCH_VENV)/.installed $(if $(QUICK),,bench-peers)
	@echo "Timing the engines and the rules; leave the machine alone meanwhile"
	@mkdir -p results
	@for name in bench aggregation attacks crafting backdoors scale networks memory overhead; do \
	  $(BENCH_VENV)/bin/python benchmarks/$$name.py $(if $(QUICK),--quick,--json results/$$name.json) || exit 1; \
	done

# Beside the frameworks of the benchmark, for the same reason.
test-flower: $(BENCH_VENV)/.installed
	@echo "Running the tests of the bridge to Flower"
	@$(BENCH_VENV)/bin/python -m pytest tests/bridges/flower

# Flower 1.42 wants newer versions of certifi and uv than 1.41 is tested with; the others are the benchmark's.
$(FLOWER_142)/.installed: pyproject.toml benchmarks/constraints.txt
	@echo "Installing fedlens and Flower 1.42 into $(FLOWER_142)"
	@$(PYTHON) -m venv $(FLOWER_142)
	@grep -vE '^(certifi|flwr|uv)==' benchmarks/constraints.txt > $(FLOWER_142)/constraints.txt
	@$(FLOWER_142_PIP) --constraint $(FLOWER_142)/constraints.txt --editable '.[flower,test]' 'flwr>=1.42,<1.43'
	@touch $@

test-flower-142: $(FLOWER_142)/.installed
	@echo "Running the tests of the bridge to Flower, with Flower 1.42"
	@$(FLOWER_142)/bin/python -m pytest tests/bridges/flower

# Starts servers and nodes of Flower where there is only loopback, which takes a minute.
test-flower-deployed: $(BENCH_VENV)/.installed
	@echo "Running the long tests of the bridge to Flower"
	@$(BENCH_VENV)/bin/python -m pytest tests/bridges/flower -m acceptance --timeout 1200

clean:
	rm -rf $(VENV) $(BENCH_VENV) $(BENCH_PEERS:%=$(BENCH_VENV)-%) $(FLOWER_142) site .mypy_cache .ruff_cache .pytest_cache .hypothesis
