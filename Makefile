PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help install ood test test-fast test-oldest lint bench clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "Python 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.12 ...")'
	@echo "setting up .venv: about a minute, and 2.8 GB"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev,course]"
	touch $@

install: .venv/.installed  ## set up .venv with the pinned versions

ood: install  ## the main job: train a Glow on FashionMNIST, and see it prefer MNIST
	$(BIN)/dgm-tfp ood

test: lint  ## every test
	$(BIN)/python -m pytest -n 2

test-fast: install  ## the tests that take seconds
	$(BIN)/python -m pytest -n 2 -m "not slow"

lint: install  ## style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.venv-oldest/.installed: pyproject.toml constraints-oldest.txt
	@echo "setting up .venv-oldest: about a minute, and 2.6 GB"
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python -m pip install --quiet --constraint constraints-oldest.txt --editable ".[dev]"
	touch $@

test-oldest: .venv-oldest/.installed  ## the tests of the models with the oldest versions that pyproject.toml allows
	.venv-oldest/bin/python -m pytest -n 2 tests/test_bijectors.py tests/test_models.py

bench: install  ## times against peers, side by side: benchmarks/results.json and results.md
	$(BIN)/python -m benchmarks.run

clean:  ## remove the environments and everything generated
	rm -rf .venv .venv-oldest build dist ood-report *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
