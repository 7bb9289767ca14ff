# make run   sets up, then starts the app
# make test  sets up, then runs the whole check: format, lint, types, import contracts, tests
# Both need Python 3.11 or newer and nothing else; everything is installed into .venv.

PYTHON ?= python3
BIN ?=
VENV := .venv/bin/

.PHONY: run test check setup clean

run: setup
	@$(VENV)cifar-tui

test: setup
	@$(MAKE) --no-print-directory check BIN=$(VENV)

# The check itself, in whatever environment the tools stand: `make test` and `uv run` both come here.
# Three tests at a time, on two cores as well: many of them wait for other processes.
check:
	$(BIN)ruff format --check .
	$(BIN)ruff check .
	$(BIN)mypy
	$(BIN)lint-imports
	$(BIN)python -m pytest -n 3 --dist worksteal

setup: .venv/installed

.venv/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "cifar-tui needs Python 3.11 or newer; name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@echo "Setting up .venv (PyTorch is a large download the first time)"
	@$(PYTHON) -m venv .venv
	@$(VENV)python -m pip install --quiet --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
