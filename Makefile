# Two targets matter to a new user: `make demo` and `make test`. Each sets up .venv first if need be.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: help setup demo test test-slow lint types format clean

help:
	@echo "make demo       train a victim on generated images, attack it, show the result (minutes)"
	@echo "make test       the tests (minutes)"
	@echo "make test-slow  the tests that train and attack for minutes, on real images too where they are"
	@echo "make lint       ruff: lint and format check;  make types: mypy;  make format: apply ruff's formatting"
	@echo "make setup      only set up .venv;  make clean: remove it and all caches, not the runs"

setup: $(INSTALLED)

$(INSTALLED): requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

demo: $(INSTALLED)
	$(BIN)/python -m benchmark run run.name=demo

test: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -n auto

test-slow: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "slow and parallel" --timeout 3600 -n auto --dist worksteal
	$(BIN)/python -m pytest -m "slow and not parallel" --timeout 1500

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
