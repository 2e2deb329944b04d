# What a person does with Rapport. `make run` and `make test` set up all they need.

PYTHON ?= python3
VENV_PYTHON := .venv/bin/python
# Tests run beside throwaway servers of their own, on their own files.
TESTING := VAR_DIR=$(CURDIR)/var/test DATABASE_URL= REDIS_URL= $(VENV_PYTHON) -m config.embedded
# Measurements run beside servers that write to disk as in earnest.
MEASURING := VAR_DIR=$(CURDIR)/var/bench DATABASE_URL= REDIS_URL= $(VENV_PYTHON) -m config.embedded --durable
# How many test processes run at once.
CORES ?= 2
CODE := accounts analytics config core crm engagement personas manage.py benchmarks tests

.DEFAULT_GOAL := help
.PHONY: help python install install-dev run backup restore upgrade test test-peers lint format types \
	migrations bench screenshots ci

help: ## Show what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

python:
	@command -v $(PYTHON) >/dev/null || { echo "Error: there is no $(PYTHON): install Python 3.11 or newer, or name one with make PYTHON=/path/to/python3.11." >&2; exit 1; }

install: python ## Make the virtual environment and fetch libraries
	@$(PYTHON) config/bootstrap.py run

install-dev: python ## The same, with what tests and checks need
	@$(PYTHON) config/bootstrap.py dev

run: install ## Run everything until Ctrl-C: PORT=8000, DEMO=0 for an empty workspace
	@exec $(VENV_PYTHON) manage.py up

backup: install ## Save database, files and secrets to var/backups/
	@$(VENV_PYTHON) manage.py backup

restore: install ## Put a backup back: FILE=var/backups/….tar
	@test -n "$(FILE)" || { echo "Error: say which backup: make restore FILE=var/backups/….tar" >&2; exit 1; }
	@$(VENV_PYTHON) manage.py restore "$(FILE)"

upgrade: install ## Save everything, then bring database and files to this version
	@$(VENV_PYTHON) manage.py upgrade

test: install-dev ## Every test that needs nothing from outside
	@$(TESTING) $(VENV_PYTHON) -m pytest -m "not peer" -n $(CORES) --dist loadfile $(ARGS)

test-peers: install-dev ## What needs sample data (RAPPORT_SAMPLES) or other people's servers
	@$(TESTING) $(VENV_PYTHON) -m pytest -m peer $(ARGS)

lint: install-dev ## Style, templates and import rules
	@.venv/bin/ruff check $(CODE)
	@.venv/bin/ruff format --check $(CODE)
	@.venv/bin/djade --check --target-version 5.2 $$(git ls-files 'templates/*.html')
	@.venv/bin/lint-imports

format: install-dev ## Bring code and templates into form
	@.venv/bin/ruff check --fix $(CODE)
	@.venv/bin/ruff format $(CODE)
	@.venv/bin/djade --target-version 5.2 $$(git ls-files 'templates/*.html') || true

types: install-dev ## Check types
	@VAR_DIR=$(CURDIR)/var/test .venv/bin/mypy

migrations: install-dev ## Fail when a migration is missing
	@$(TESTING) $(VENV_PYTHON) manage.py makemigrations --check --dry-run

bench: install-dev ## Measure: NAME=ingest for one, SIZE=small for a quick look
	@$(MEASURING) $(VENV_PYTHON) benchmarks/run.py $(NAME)

screenshots: install-dev ## Pictures of the demo workspace for the README
	@$(TESTING) $(VENV_PYTHON) -m benchmarks._screenshots

ci: ## Everything that CI runs
	@bash .ci/run
