# make train              set up .venv on the first call, then train the default experiment
# make train ARGS='model=dcgan loss=fgan_kl data=mnist'
# make PYTHON=python3.12  another interpreter for the set-up (3.11 or newer)

ARGS ?=
PYTEST_ARGS ?=
WORKERS ?= auto
# Of the usual names, the first that runs and is new enough.
PYTHON ?= $(shell for name in python3.11 python3 python3.12 python3.13 python3.14; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$name" && break; done)

VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup train test test-slow lint typecheck format bench tensorboard clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 14

setup: $(READY) ## create .venv and install the pinned dependencies, where that has not been done

# Re-made whenever either file changes; an install that was cut short leaves no stamp and starts over.
$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "gan-train needs Python 3.11 or newer, and none was found;" \
	  "install one or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "gan-train needs Python 3.11 or newer, but $(PYTHON) is" \
	  "$$("$(PYTHON)" -V 2>/dev/null || echo not there); name another: make PYTHON=python3.12" >&2; exit 1; }
	@echo "setting up $(VENV) with $$("$(PYTHON)" -V) (about 5 GB with the CUDA libraries; a few minutes)"
	@"$(PYTHON)" -m venv $(VENV) || { echo "$(PYTHON) could not make a virtual environment;" \
	  "on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(PY) -m pip install --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

train: $(READY) ## train the default experiment; ARGS='model=… loss=… data=…' for another
	$(VENV)/bin/gan-train $(or $(ARGS),experiment=digits)

test: $(READY) ## every test but the slow ones
	OMP_NUM_THREADS=1 $(PY) -m pytest -n $(WORKERS) -m 'not slow' $(PYTEST_ARGS)

test-slow: $(READY) ## the slow tests: crash and resume, whole trainings
	OMP_NUM_THREADS=1 $(PY) -m pytest -n $(WORKERS) -m slow $(PYTEST_ARGS)

lint: $(READY) ## ruff, its formatter, and the direction of imports
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(VENV)/bin/lint-imports --no-cache

typecheck: $(READY) ## mypy --strict
	$(PY) -m mypy

format: $(READY) ## let ruff fix and format the tree
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bench: $(READY) ## every speed ratio of docs/performance.md in one table
	$(PY) -m benchmarks $(ARGS)

tensorboard: $(READY) ## look at the runs in outputs/
	$(PY) -m tensorboard.main --logdir outputs $(ARGS)

clean: ## remove caches and builds; runs in outputs/, data and .venv stay
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -path ./$(VENV) -prune -o -path ./outputs -prune -o -name __pycache__ -type d -exec rm -rf {} +
