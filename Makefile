# `make demo` and `make test` need Python 3.11+ and nothing else; see `make help`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Arguments for the test runner: make test ARGS="tests/unit -k escrow"
ARGS ?= tests
# Processes that share them, each with a chain of its own; a file of tests stays together.
JOBS ?= 2
APE_TEST := ape test --network ethereum:local:foundry -n $(JOBS) --dist loadfile

# ape looks for anvil on PATH; protocol and offchain are imported from the checkout.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONPATH := $(CURDIR)
# A remark of ape's own configuration at every start, without consequence.
export PYTHONWARNINGS := ignore:Field 'import_remapping' has an incomplete definition

.DEFAULT_GOAL := help
.PHONY: help setup test test-long campaign zoo zoo-packages demo bench bench-gpu gas sizes lint compile format clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1|\2/' \
	  | while IFS='|' read -r name text; do printf '  make %-10s %s\n' "$$name" "$$text"; done

setup: ## Install everything into .venv and node_modules (a second run does nothing)
	@$(PYTHON) scripts/setup.py

test: lint compile ## Lint, types, contracts and all tests but the long ones
	$(APE_TEST) $(ARGS)

test-long: setup compile zoo-packages ## The tests that are marked long, and the campaign
	$(APE_TEST) -m long $(ARGS)
	nice -n 15 python -m scripts.campaign

campaign: setup ## Compare contracts with the protocol at length, on record (docs/verification.md)
	nice -n 15 python -m scripts.campaign --record

zoo: setup zoo-packages ## Capture, train and check the models of docs/models.md
	python -m scripts.zoo --steps 20

zoo-packages: setup
	@pip --disable-pip-version-check install --quiet -r requirements-zoo.txt

demo: compile ## Train, claim, challenge and decide, on a chain of its own
	crux demo

bench: compile ## Measure gas, steps and hashing; figures go to docs/benchmarks.md
	python -m scripts.bench

bench-gpu: setup ## Measure the kernels and steps on a CUDA device
	python -m scripts.bench --device cuda

gas: compile ## Record the gas of every entry of the contracts in tests/gas.json
	python -m scripts.bench.gas --record

sizes: compile ## Show the code size of every contract beside the limit
	python -m scripts.bench.code_size

lint: setup ## ruff and mypy
	ruff check .
	mypy

# ape does not recompile the importers of an edited module, so everything is compiled anew.
compile: setup ## Compile the contracts
	ape compile --force

format: setup ## Put the Python sources into standard form
	ruff format .
	ruff check --fix .

clean: ## Remove what was installed and built
	rm -rf $(VENV) node_modules .build .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
