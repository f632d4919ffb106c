# Every target builds on the virtual environment that `make install` makes.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Compiled modules are kept, whatever the machine says: else each worker compiles every test, and its assertions, at every run.
unexport PYTHONDONTWRITEBYTECODE
# A process a core and one more, since a third of the time tests wait for deadlines; each has its own data directory and servers,
# so that more than four would start servers more than use them.
WORKERS := -n $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1) --maxprocesses 4 --dist worksteal

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: .venv/.installed ## .venv with everything that serve needs

run: .venv/.installed ## the broker, on http://127.0.0.1:8000
	$(BIN)/python manage.py serve

demo: .venv/.installed ## a broker of its own with a shop's traffic, and what goes wrong with it; an hour, nothing stays
	$(BIN)/python manage.py demo

test: lint ## the whole check: lint, types, import contracts, missing migrations, tests
	$(BIN)/python -m pytest $(WORKERS) --reruns 1 -r fER

test-django: .venv/.tested ## the tests on the oldest Django that is allowed and on the newest, with a Python that it wants
	$(BIN)/python -m tests.djangos $(WORKERS)

lint: .venv/.tested ## format, lint, types, import contracts, missing migrations
	ruff format --check . && ruff check . && mypy && lint-imports
	BROKERWEB_DATA=$$(mktemp -d) $(BIN)/python manage.py makemigrations --check --dry-run

bench: .venv/.tested ## the tables of docs/performance.md, and a JSON line for each run
	$(BIN)/python -m benchmarks

crash: .venv/.tested ## 60 rounds each of kill and power cut, and the other faults in full numbers
	BROKERWEB_CRASH_ROUNDS=60 CI=true $(BIN)/python -m pytest tests/powerfail tests/crash tests/routing/test_effectively_once.py -s --timeout 3600

cluster: .venv/.tested ## three nodes, PostgreSQL and Valkey under 240 faults, forty minutes
	BROKERWEB_CRASH_ROUNDS=60 CI=true $(BIN)/python -m pytest tests/cluster_faults -s

failover: .venv/.tested ## the leader of three PostgreSQL under Patroni dies under traffic, 20 times; needs etcd
	$(BIN)/python -m pip install --quiet --editable '.[failover]'
	BROKERWEB_CRASH_ROUNDS=60 CI=true $(BIN)/python -m pytest tests/failover -m full -s

mutants: .venv/.tested ## seeded bugs, each of which some test must notice
	$(BIN)/python -m tests.mutants

soak: .venv/.tested ## ten minutes of appends and tails with subscribers coming and going (BROKERWEB_SOAK_SECONDS)
	$(BIN)/python -m pytest tests/soak -m full -s --timeout 0

.venv/.installed: pyproject.toml
	$(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/.tested: .venv/.installed
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@

.PHONY: help install run test test-django lint bench crash cluster failover mutants soak
