# Every verb sets up what it needs. BASE names another base image of the sandbox, JOBS how many
# processes share the tests (each may fill two processors with sandboxes of its own).
PYTHON ?= python3
BASE ?=
JOBS ?= 2
BIN := .venv/bin
DOCKER := $(shell timeout 10 docker version >/dev/null 2>&1 && echo yes)
PODMAN := $(shell timeout 20 podman image ls --quiet open-ml-intern-sandbox 2>/dev/null)
ABSENT := $(strip $(if $(DOCKER),,docker) $(if $(PODMAN),,podman) $(if $(shell command -v bwrap),,bubblewrap))

.PHONY: demo test check fmt lint docs wheel sandbox clean help

help:  ## name the verbs
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

demo: .venv/run sandbox  ## run the demonstration: no key, no network, no GPU
	$(BIN)/ml-intern demo

test: .venv/dev .venv/sandbox $(if $(DOCKER),sandbox)  ## everything that can run here; the rest is named
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile $(if $(ABSENT),-m "not ($(shell echo $(ABSENT) | sed 's/ / or /g'))")
	@$(if $(ABSENT),echo "Tests with these marks did not run for want of a program: $(ABSENT)",true)

check: lint test docs  ## what CI runs

lint: .venv/dev  ## format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo --no-cache

fmt: .venv/dev  ## format, and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: .venv/dev  ## every Python block of README and docs is run or compiled
	$(BIN)/python -m pytest -q tests/test_documentation.py

wheel: .venv/run .venv/sandbox  ## build the wheel, install it alone, and run the demonstration from it
	rm -rf dist && mkdir dist
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	$(PYTHON) -m venv dist/venv
	dist/venv/bin/python -m pip install --quiet dist/*.whl
	cd dist && ML_INTERN_SANDBOX=namespaces venv/bin/ml-intern demo --plain

sandbox: .venv/run  ## the image where a container engine answers, else the environment for user namespaces
	$(BIN)/ml-intern sandbox build $(if $(BASE),--base $(BASE))

.venv/sandbox: .venv/run src/ml_intern/sandboxes/requirements.txt $(wildcard src/ml_intern/documentation/inside/*.py)
	$(BIN)/ml-intern sandbox build --venv
	@touch $@

.venv/run: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

.venv/dev: .venv/run
	$(BIN)/python -m pip install --quiet --group dev
	@touch $@

clean:  ## remove what was set up
	rm -rf .venv dist build
