# Every target sets up what it needs, alone, on a fresh Debian with Python 3.11 or newer.
# Stamps in .venv remember what was done, so that a second run starts at once.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.ONESHELL:
MAKEFLAGS += --no-builtin-rules --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$python; break; }; \
	done)
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
WORKERS ?= 2

.PHONY: help demo test bench lint docs picture constraints clean

help: ## List the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/.run ## Show the whole path: rewrite a mail, serve it, judge people and machines (ONCE=1 ends by itself)
	@$(BIN)/linkproxy demo $(if $(ONCE),--once)

test: $(VENV)/.test $(VENV)/.test-programs ## Run all tests
	@$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

bench: $(VENV)/.bench $(VENV)/.bench-programs ## Run the benchmarks (QUICK=1: under a minute each)
	@for file in bench/[a-z]*.py bench/*/__main__.py; do
		name=$${file#bench/}
		name=$${name%.py}
		name=$${name%/__main__}
		grep -q '^if __name__' $$file || continue
		echo "== bench.$$name"
		$(BIN)/python -m bench.$$name $(if $(QUICK),--quick)
	done

lint: $(VENV)/.dev ## Style, types, layers, and whether generated pages are in sync
	@$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m linkproxy.cli.reference --check

docs: $(VENV)/.run ## Write the pages that are generated from the code
	@$(BIN)/python -m linkproxy.cli.reference

picture: $(VENV)/.run $(VENV)/.test-programs ## Make docs/demo.png and docs/dashboard.png anew, from the demonstration
	@$(BIN)/python .ci/picture

constraints: ## Write constraints.txt anew, from what the package index has today
	@folder=$$(mktemp -d)
	trap 'rm -rf "$$folder"' EXIT
	$(PYTHON) -m venv "$$folder"
	"$$folder/bin/pip" --quiet install -e '.[test,dev,bench,fuzz]'
	{
		echo '# Versions that linkproxy was tested with. Regenerate: make constraints'
		"$$folder/bin/pip" freeze --exclude-editable | grep '=='
	} > constraints.txt

clean: ## Remove what these targets made
	@rm -rf $(VENV) demo dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis

# --- what the targets need -----------------------------------------------------------------------

# Debian packs venv and pip apart from Python; `import venv` alone works without them.
$(VENV)/bin/python:
	@if [ -z "$(PYTHON)" ]; then
		echo "linkproxy needs Python 3.11 or newer. Name one with: make PYTHON=/path/to/python3" >&2
		exit 1
	fi
	if ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then
		package=$$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
		$(call install,$$package)
		$(PYTHON) -c 'import ensurepip, venv'
	fi
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: EXTRAS :=
$(VENV)/.test: EXTRAS := [test]
$(VENV)/.dev: EXTRAS := [test,dev]
$(VENV)/.bench: EXTRAS := [test,bench]
$(VENV)/.run $(VENV)/.test $(VENV)/.dev $(VENV)/.bench: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing linkproxy$(EXTRAS) into $(VENV)"
	$(PIP) install --constraint constraints.txt --editable '.$(EXTRAS)'
	touch $@

$(VENV)/.test-programs: | $(VENV)/bin/python
	@$(call programs,chromium curl strace swaks wget)
	touch $@

$(VENV)/.bench-programs: | $(VENV)/bin/python
	@$(call programs,wrk nginx:nginx-light cc:gcc)
	touch $@

# programs: install what is missing of a list of PROGRAM or PROGRAM:PACKAGE. /usr/sbin is where
# Debian keeps nginx, and not on everyone's path.
define programs
missing=()
for wanted in $(1); do
	PATH="$$PATH:/usr/sbin" command -v "$${wanted%%:*}" >/dev/null || missing+=("$${wanted##*:}")
done
if [ $${#missing[@]} -gt 0 ]; then
	$(call install,$${missing[*]})
fi
endef

# install: Debian packages, when we may; else say what is missing.
define install
if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "Missing: $(1). Install it and try again, on Debian with: sudo apt-get install $(1)" >&2
	exit 1
fi
echo "Installing $(1)"
export DEBIAN_FRONTEND=noninteractive
log=$$(mktemp)
{ apt-get update -qq && apt-get install -qq --yes --no-install-recommends $(1); } >"$$log" 2>&1 || { cat "$$log" >&2; exit 1; }
rm "$$log"
endef
