# TMS: `make run` starts it, `make test` proves it. `make help` lists the rest.

PYTHON ?= python3
PORT ?= 8000
ARGS ?=

VENV := .venv
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check
BIN := $(VENV)/bin
# Stamps: what is installed follows the requirements files.
MADE := $(VENV)/.made
RUN := $(VENV)/.installed
DEV := $(VENV)/.installed-dev

.DEFAULT_GOAL := help
.PHONY: help run test check format bench clean

help:  ## what can be made
	@sed -n 's/^\([a-z]*\):.*##/\1\t/p' $(MAKEFILE_LIST) | expand -t 10

run: $(RUN)  ## start TMS on this machine (PORT=8000)
	@exec $(BIN)/python manage.py start --port $(PORT)

test: $(DEV)  ## the whole suite, on SQLite and on PostgreSQL with Redis (ARGS= for pytest)
	@exec $(BIN)/python -m tests $(ARGS)

check: $(DEV)  ## linters, types, Django's checks, migrations, generated documentation
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python manage.py check --fail-level WARNING
	@echo "manage.py check --deploy, as in production"
	@TMS_TLS=1 TMS_ALLOWED_HOSTS=tms.example.com \
	TMS_SECRET_KEY=$$($(BIN)/python -c "import secrets; print(secrets.token_urlsafe(50))") \
	$(BIN)/python manage.py check --deploy --fail-level WARNING
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py format_docs --check

format: $(DEV)  ## put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(DEV)  ## the benchmarks, a table of ratios
	@exec $(BIN)/python -m benchmarks $(ARGS)

clean:  ## remove what was installed and built; the data stays
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis htmlcov

$(MADE):
	@$(PYTHON) -c 'import sys; sys.exit("TMS needs Python 3.11 or newer: make PYTHON=…" \
	if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(RUN): requirements.txt constraints.txt $(MADE)
	$(PIP) -r requirements.txt
	@touch $@

$(DEV): requirements-dev.txt $(RUN)
	$(PIP) -r requirements-dev.txt
	@touch $@
