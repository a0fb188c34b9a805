# Commands for people who work on Wetread. `make help` prints itself.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STATE := .state
WEB_SOURCES := $(shell find web -path web/node_modules -prune -o -type f -print 2>/dev/null)
T ?= tests
N ?= auto
R ?= 3
S ?= 60
STEP_ASIDE ?=

.DEFAULT_GOAL := help
.PHONY: help run serve test pytest bench check check-python check-web fix web openapi conformance fuzz lock migration clean

help: ## Show this help
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STATE)/venv: requirements/runtime.txt requirements/build.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.txt -r requirements/build.txt
	@mkdir -p $(STATE) && touch $@

# The same as the package's own build does, but by itself: packages can be fetched meanwhile.
$(STATE)/client: $(STATE)/venv hatch_build.py $(WEB_SOURCES)
	@echo "Building the web client (about half a minute, once)"
	@$(BIN)/python hatch_build.py > $(STATE)/client.log 2>&1 || { cat $(STATE)/client.log; exit 1; }
	@touch $@

$(STATE)/installed: $(STATE)/client pyproject.toml
	WETREAD_SKIP_WEB_BUILD=1 $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(STATE)/tools: $(STATE)/venv requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

$(STATE)/dev: $(STATE)/venv pyproject.toml hatch_build.py requirements/dev.txt $(WEB_SOURCES)
	@$(MAKE) --no-print-directory -j2 $(STATE)/client $(STATE)/tools
	@$(MAKE) --no-print-directory $(STATE)/installed
	@touch $@

run: $(STATE)/installed ## Start the demo hospital on http://127.0.0.1:8080
	$(BIN)/wetread demo

serve: $(STATE)/installed ## Start an empty system
	$(BIN)/wetread serve

test: $(STATE)/dev ## Run all checks and all tests (T=path for some)
	@if [ "$(T)" = tests ]; then \
		$(MAKE) --no-print-directory -j3 --output-sync=target STEP_ASIDE="nice -n 15" check pytest; \
	else \
		$(MAKE) --no-print-directory pytest; \
	fi

# Marked with a + so that its progress is seen at once, not when all is over.
pytest: $(STATE)/web
	+$(BIN)/pytest $(T) -n $(N) --dist loadfile -q

bench: $(STATE)/dev ## Measure beside Orthanc on this machine (R=rounds)
	$(BIN)/python -m bench --rounds $(R)

$(STATE)/web: $(STATE)/dev web/package-lock.json
	$(BIN)/python tools/npm.py ci
	@touch $@

check: check-python check-web ## Lint, types, import rules, web checks

check-python: $(STATE)/dev
	$(BIN)/ruff check src tests tools bench
	$(BIN)/ruff format --check src tests tools bench
	$(STEP_ASIDE) $(BIN)/mypy
	$(STEP_ASIDE) $(BIN)/mypy bench
	$(STEP_ASIDE) $(BIN)/lint-imports --no-cache

check-web: $(STATE)/web
	$(STEP_ASIDE) $(BIN)/python tools/npm.py run check

fix: $(STATE)/dev ## Format and mend what can be mended by itself
	$(BIN)/ruff check --fix src tests tools bench
	$(BIN)/ruff format src tests tools bench

openapi: $(STATE)/dev ## Write web/openapi.json and the client's types from the server's code
	$(BIN)/wetread openapi > web/openapi.json
	$(BIN)/python tools/npm.py run generate

conformance: $(STATE)/dev ## Write docs/conformance.md from the code's own tables
	$(BIN)/wetread conformance > docs/conformance.md

migration: $(STATE)/dev ## Draft a migration from the models: make migration M="add a column"
	$(BIN)/python tools/make_migration.py "$(M)"

fuzz: $(STATE)/dev ## Feed parsers what they do not expect (S=seconds for each)
	nice -n 19 $(BIN)/python -m tools.fuzz --seconds $(S)

lock: ## Pin all dependencies with hashes
	cd requirements && for f in runtime build dev; do \
	  src=$$([ $$f = runtime ] && echo ../pyproject.toml || echo $$f.in); \
	  ../$(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-header --no-emit-index-url \
	    --no-emit-trusted-host --no-emit-find-links --no-emit-options --constraint limits.in --output-file $$f.txt $$src || exit 1; done

clean: ## Remove what was built here
	rm -rf $(VENV) $(STATE) web/node_modules web/dist src/wetread/static src/wetread/orders/diagnoses.json
