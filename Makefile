# `make demo` and `make test` each do all their set-up on a fresh machine with Python >= 3.11 and make.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' && { echo $$p; break; }; done)
UV_VERSION := 0.13.9
UV := .uv/bin/uv
BIN := .venv/bin
ARGS ?=
# most tests wait for a process or a disk: more of them at a time than there are cores
TOGETHER := -n 3 --dist worksteal
# the newest Python beyond 3.11 that runs here, on the path or kept by pyenv
NEWEST ?= $(shell for p in python3.15 python3.14 python3.13 python3.12 $$(ls -d $(HOME)/.pyenv/versions/3.1[2-9]*/bin/python 2>/dev/null | sort -rV); do $$p -c '' 2>/dev/null && { echo $$p; break; }; done)
# as pip does: a company's own certificates count
export UV_SYSTEM_CERTS := true
# tests start hundreds of processes: none shall compile again what another has compiled
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo test slow check fix lock packages torture oldest postgres catalog newest bench bench-alarms docs clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: .venv/demo  ## a real pipeline and a served model go wrong, are found out, and the pages open (ARGS=--no-serve)
	@$(BIN)/watchglass demo $(ARGS)

test: .venv/dev packages  ## the tests, three at a time (ARGS="-k replay" for some, ARGS="-n 0" for one after the other)
	@$(BIN)/python -m pytest $(TOGETHER) -m "not slow" $(ARGS)

slow: .venv/dev packages  ## the short form of those that take long: kills, power cuts, laws over many stories
	@$(BIN)/python -m pytest $(TOGETHER) -m slow $(ARGS)

torture: .venv/dev packages  ## the long form: hundreds of kill -9, power cuts at every point, fuzzing
	@WATCHGLASS_TORTURE=1 $(BIN)/python -m pytest tests/e2e tests/fuzz tests/replay tests/store/test_cells.py --timeout 3000 $(ARGS)

oldest: .venv/dev .oldest/duckdb  ## the store's tests with the oldest line of DuckDB that is supported
	@PYTHONPATH=.oldest $(BIN)/python -m pytest $(TOGETHER) tests/store $(ARGS)

postgres: .venv/dev packages  ## the store's tests with every catalog in a PostgreSQL that they start
	@WATCHGLASS_TEST_POSTGRES=1 $(BIN)/python -m pytest $(TOGETHER) -m "not catalog_file" tests/store $(ARGS)

# where nearly every answer is the catalog's own; elsewhere, about files and cells, it is asked the same few things
catalog: .venv/dev packages  ## a minute of these: runs, lineage, subjects, artifacts, schemas, leases
	@WATCHGLASS_TEST_POSTGRES=1 $(BIN)/python -m pytest $(TOGETHER) -m "not catalog_file and not many_stores and not slow" \
	  $(addprefix tests/store/,lineage runs subjects artifacts schemas test_leases.py test_losses.py test_tuning.py) $(ARGS)

newest: .newest/dev packages  ## recorder, store and kills at the disk's calls with the newest Python that is found here
	@[ ! -x .newest/bin/python ] || .newest/bin/python -m pytest $(TOGETHER) tests/capture tests/store tests/e2e/test_kill_points.py $(ARGS)

bench: .venv/dev packages  ## measure what the docs promise (ARGS="compaction http" for some); results into bench/results
	@$(BIN)/python -m bench $(ARGS)

bench-alarms: .venv/dev  ## how often alarms are false and what they see, on real streams beside the checkout (ARGS="--seeds 1")
	@for protocol in undrifted planted batches; do $(BIN)/python -m bench.alarms $$protocol --keep $(ARGS) > /dev/null; done

docs: .venv/dev  ## the reference and the tables of the docs, made anew from the code and the results
	@$(BIN)/python docs/make.py && $(BIN)/python -m bench.tables

check: .venv/dev  ## style, types, layers
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

fix: .venv/dev  ## format, and mend what ruff can mend
	@$(BIN)/ruff format --quiet . && $(BIN)/ruff check --fix --quiet .

lock: $(UV)  ## newest versions into requirements/*.txt, with hashes
	@mkdir -p requirements && $(UV) lock --quiet --upgrade
	@$(UV) export --quiet --frozen --no-emit-project --no-header --no-default-groups --extra demo -o requirements/demo.txt
	@$(UV) export --quiet --frozen --no-emit-project --no-header --all-extras --all-groups -o requirements/dev.txt

packages:  # Debian's programs that tests drive for real; without the right to install, what is missing is said and those tests skip
	@missing=""; for pair in chromium:chromium strace:strace curl:curl node:nodejs; do \
	  command -v $${pair%%:*} >/dev/null || missing="$$missing $${pair##*:}"; done; \
	ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$$missing postgresql"; \
	[ -z "$$missing" ] && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then echo "installing from Debian:$$missing"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	else echo "missing, and no right to install:$$missing; the tests that need them will be skipped (apt-get install$$missing)"; fi

$(UV):
	@[ -n "$(PYTHON)" ] || { echo "Python >= 3.11 is missing: install python3.11 or newer, then run this again"; exit 1; }
	@echo "bringing uv $(UV_VERSION)"
	@$(PYTHON) -m venv .uv || { echo "$(PYTHON) cannot make an environment: install its venv module (apt-get install python3-venv)"; exit 1; }
	@.uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.venv/bin/python: | $(UV)
	@$(UV) venv --quiet --python "$(PYTHON)" .venv

.venv/demo: requirements/demo.txt pyproject.toml | $(UV) .venv/bin/python
	@[ -e .venv/dev ] || { echo "setting up the locked environment"; \
	  $(UV) pip sync --quiet --require-hashes --compile-bytecode --python $(BIN)/python requirements/demo.txt; \
	  $(UV) pip install --quiet --no-deps --python $(BIN)/python -e .; $(BIN)/python -m compileall -q src; }
	@touch $@

.venv/dev: requirements/dev.txt pyproject.toml | $(UV) .venv/bin/python
	@echo "setting up the locked environment"
	@$(UV) pip sync --quiet --require-hashes --compile-bytecode --python $(BIN)/python requirements/dev.txt
	@$(UV) pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python -e .
	@$(BIN)/python -m compileall -q src
	@touch $@

.oldest/duckdb: pyproject.toml | $(UV)
	@echo "bringing the oldest line of DuckDB"
	@$(UV) pip install --quiet --target .oldest --upgrade "duckdb>=1.5,<1.6" && touch $@

.newest/dev: requirements/dev.txt pyproject.toml | $(UV)
	@mkdir -p .newest; if [ -n "$(NEWEST)" ]; then echo "setting up $$($(NEWEST) --version)"; \
	  $(UV) venv --quiet --clear --python "$(NEWEST)" .newest; \
	  $(UV) pip sync --quiet --require-hashes --compile-bytecode --python .newest/bin/python requirements/dev.txt; \
	  $(UV) pip install --quiet --no-deps --no-build-isolation --python .newest/bin/python -e .; \
	else echo "no Python newer than 3.11 is found here: make newest has nothing to run"; fi
	@touch $@

clean:  ## remove the environments and what tests left
	@rm -rf .venv .uv .oldest .newest .mypy_cache .ruff_cache .pytest_cache .hypothesis watchglass-demo
