# Every target sets up what it needs in .venv; a second run is quick.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXTRAS := cpu,ros,frames,fetch,test,lint
TORCH := 2.13.0

export ROS_AUTOMATIC_DISCOVERY_RANGE ?= LOCALHOST

.PHONY: test lint generate clean

$(BIN)/.run: setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[cpu,ros,frames,fetch]'
	touch $@

$(BIN)/.test: $(BIN)/.run
	$(BIN)/python -m pip install --quiet torch==$(TORCH)
	$(BIN)/python -m pip install --quiet --editable '.[$(EXTRAS),training,export]'
	touch $@

test: lint
	$(BIN)/python -m pytest

lint: $(BIN)/.test
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/generate.py --check

generate: $(BIN)/.run
	$(BIN)/python tools/generate.py

clean:
	rm -rf $(VENV) build install log dist demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
	rm -rf *.egg-info
