# `make` alone lists what there is to do.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
export UV_LINK_MODE ?= copy
# Every start of Dagster or dbt would compile some thousand modules anew.
unexport PYTHONDONTWRITEBYTECODE

# The first Python on the PATH that this project supports; PYTHON=… chooses another.
PYTHON ?= $(shell for p in python3.12 python3.11 python3; do \
	$$p -c 'import sys; raise SystemExit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null && echo $$p && break; done)

.PHONY: help setup demo up test test-slow infra-test lint format lock packages bench-landing clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  \033[36mmake %-15s\033[0m %s\n", $$1, $$2}'

setup: $(VENV)/.ready ## make the project's own environment in .venv from the lock file

$(VENV)/.ready: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or 3.12 on the PATH. Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 1; }
	@echo "▸ making $(VENV) with $$($(PYTHON) --version) (once; about a minute)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep -oE '^uv==[0-9.]+' requirements.lock)"
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## run the main job end to end on this machine: events to marts and a report
	@$(BIN)/minilab demo

up: setup ## start everything and open the Dagster UI; Ctrl-C stops it
	@$(BIN)/minilab up

test: setup ## run the tests (all but the slow ones), in parallel
	@$(BIN)/pytest -n 2 --dist loadgroup -m "not slow"

test-slow: setup ## run the slow tests too
	@$(BIN)/pytest -n 2 --dist loadgroup -m slow

infra-test: setup .minilab/scanners/.ready ## test infra/: validate, scan, mocked plans, then apply it all to a local cloud
	@$(BIN)/pytest -n 2 --dist loadgroup -m infra tests/infra

.minilab/scanners/.ready: tests/infra/scanners.txt $(VENV)/.ready
	@$(UV) venv --quiet --clear --python $(BIN)/python $(@D)
	@$(UV) pip install --quiet --python $(@D)/bin/python --requirement $<
	@touch $@

lint: setup ## ruff, format check, types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: setup ## put the code in order
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: ## write requirements.lock anew from pyproject.toml, and the images' parts of it
	@test -x $(BIN)/uv || { $(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet uv; }
	@$(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 \
		--custom-compile-command "make lock" \
		--extra local --extra aws --extra dev pyproject.toml requirements.build.txt -o requirements.lock
	@$(MAKE) --no-print-directory setup
	@$(BIN)/python -m infra.packages locks

packages: setup ## build the Lambda functions' zips into dist/lambda (ARCH=x86_64 for Intel)
	@$(BIN)/python -m infra.packages build --architecture $(or $(ARCH),arm64)

bench-landing: setup ## measure landing beside its peers (see bench/README.md)
	@$(BIN)/python bench/landing.py

clean: ## remove the environment and the laptop's state
	rm -rf $(VENV) .minilab
