# Isocenter: every command a person needs. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PY := .venv/bin/python
DATA ?= var/data
HOST ?= 127.0.0.1
PORT ?= 8600
WORKERS ?= 2
ARGS ?=

.PHONY: help setup setup-server web demo demo-reset serve cluster cluster-stop test soak check screenshots bench lock upgrade-lock clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  Variables: DATA, HOST, PORT (serve, demo), WORKERS (test), ARGS (handed on: make test ARGS=tests/reports)"

setup: ## Make .venv from the locks and build the web front end; a no-op when nothing changed
	@deploy/setup/install.sh dev

setup-server:
	@deploy/setup/system.sh demo
	@deploy/setup/install.sh server

web: ## Build the web front end only
	@deploy/setup/install.sh web-only

demo: setup-server ## Start a server with a sample hospital in var/demo, and say where and how to sign in
	@$(PY) deploy/demo/run.py --host $(HOST) --port $(PORT) $(ARGS)

demo-reset: ## Forget the demo: removes var/demo
	@rm -rf var/demo && echo "var/demo is gone; make demo starts anew"

serve: setup-server ## Serve everything in one process on SQLite and a local folder (DATA, HOST, PORT)
	@.venv/bin/isocenter serve --data $(DATA) --host $(HOST) --port $(PORT) $(ARGS)

cluster: ## Start the distributed mode on this Debian machine: MariaDB, Swift, each service, nginx, Prometheus (all on loopback)
	@deploy/setup/system.sh cluster
	@deploy/setup/install.sh server
	@$(PY) deploy/cluster/run.py start --folder var/cluster $(ARGS)

cluster-stop: ## Stop it; its data stays in var/cluster
	@$(PY) deploy/cluster/run.py stop --folder var/cluster

test: ## Run all tests but the soak tests (on Debian as root it installs MariaDB, Chromium, Swift first)
	@deploy/setup/system.sh test
	@deploy/setup/install.sh dev
	@if [ -f web/package.json ] && grep -q '"test":' web/package.json; then deploy/setup/node.sh npm test --prefix web --silent; fi
	@.venv/bin/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

soak: setup ## Run the long tests: kills, fuzzing
	@deploy/setup/system.sh test
	@.venv/bin/pytest -n $(WORKERS) --dist loadfile -m soak --timeout 3600 $(ARGS)

check: setup ## Lint and type-check: ruff, mypy strict, import-linter, eslint, vue-tsc
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@if [ -f web/package.json ]; then deploy/setup/node.sh npm run check --prefix web --silent; fi

screenshots: setup ## Take the pictures of docs/user-guide anew, from the running product in Chromium
	@deploy/setup/system.sh test
	@$(PY) deploy/guide/screenshots.py $(ARGS)

bench: setup ## List the benchmarks; run one: make bench ARGS=reports
	@if [ -n "$(ARGS)" ]; then $(PY) -m benchmarks.$(ARGS); else cat benchmarks/README.md; fi

lock: ## Write the lock files anew from pyproject.toml and web/package.json
	@deploy/setup/lock.sh

upgrade-lock: ## The same, taking newer versions where allowed
	@deploy/setup/lock.sh --upgrade

clean: ## Remove caches and builds; keeps .venv, node_modules and all data in var/
	@find . \( -name .venv -o -name node_modules -o -name .git -o -path ./var \) -prune -o -type d -name __pycache__ -exec rm -rf {} +
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build gateway/pages/dist web/dist
