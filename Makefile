PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help install ood study test test-fast test-notebooks test-oldest lint check bench jupyter course site slides clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "Python 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.12 ...")'
	@echo "setting up .venv: about a minute, and 3.2 GB"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev,course]"
	touch $@

install: .venv/.installed  ## set up .venv with the pinned versions

ood: install  ## the main job: train a Glow on FashionMNIST, and see it prefer MNIST
	$(BIN)/dgm-tfp ood

study: install  ## the whole paper, 45 minutes: every model, pair and score
	$(BIN)/dgm-tfp ood-study

test: lint check  ## every test
	$(BIN)/python -m pytest -n 2 --dist loadgroup
	$(MAKE) test-notebooks

test-fast: install  ## the tests that take seconds
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-notebooks: install  ## run the lectures and solutions, and compare what is exact with what is committed
	DGM_TFP_PROFILE=smoke TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m pytest -n 2 --dist loadscope --nbval-lax \
		--nbval-cell-timeout 120 lectures/ru solutions/ru  # check has compared them with the other language's

lint: install  ## style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: install  ## what is generated equals its source, the languages agree, nothing leaks, every link leads somewhere
	$(BIN)/python -m course check

jupyter: install  ## open the lectures and labs in JupyterLab
	$(BIN)/jupyter lab

course: install  ## build lectures, labs and solutions from course/units
	$(BIN)/python -m course build

site: install  ## the course's web site, in _site
	$(BIN)/python -m course site

slides: install  ## slides of a unit: make slides UNIT=01 LANGUAGE=ru
	$(BIN)/python -m course slides $(or $(UNIT),01) --language $(or $(LANGUAGE),en)

.venv-oldest/.installed: pyproject.toml constraints-oldest.txt
	@echo "setting up .venv-oldest: about a minute, and 2.6 GB"
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python -m pip install --quiet --constraint constraints-oldest.txt --editable ".[dev]"
	touch $@

test-oldest: .venv-oldest/.installed  ## the tests of the models with the oldest versions that pyproject.toml allows
	.venv-oldest/bin/python -m pytest -n 2 tests/test_bijectors.py tests/test_models.py

.venv-peers/.installed: benchmarks/peers-constraints.txt
	@echo "setting up .venv-peers: PyTorch, 1.2 GB without CUDA"
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --constraint $< torch zuko nflows normflows
	touch $@

bench: install .venv-peers/.installed  ## times against peers, memory, learning: benchmarks/*.md
	$(BIN)/python -m benchmarks.run
	$(BIN)/python -m benchmarks.memory
	$(BIN)/python -m benchmarks.learning
	$(BIN)/python -m benchmarks.pixelcnn
	$(BIN)/python -m benchmarks.vae
	$(BIN)/python -m benchmarks.modes
	$(BIN)/python -m benchmarks.text

clean:  ## remove the environments and everything generated
	rm -rf .venv .venv-oldest .venv-peers build dist ood-report ood-study _site _slides grades *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
