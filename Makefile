# Needs Python 3.11 or newer, git and make; everything else goes into .venv.
# Another Python: make PYTHON=python3.13 ...   Another port: make demo PORT=8001

PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
WASM := tests/wasm
MANAGE := $(BIN)/python example_site/manage.py

# The checks of Python and of the port come before the long set-up, also under make -j.
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help demo opentelemetry museum test test-postgres test-redis test-wasm coverage lint format types benchmark screenshots docs clean check-python check-port

help:
	@echo "make demo         set up, show one checkout in the console, serve the example site (PORT=8000)"
	@echo "make opentelemetry  serve the example site, its spans drawn here (ARGS='--endpoint http://localhost:4318')"
	@echo "make museum       set up, serve a project of twenty real packages with the toolbar (PORT=8000)"
	@echo "make test         set up, run the whole test suite (ARGS='-k name' for a part, ARGS='-n 0' in one process)"
	@echo "make test-postgres  what a database matters to, on a PostgreSQL server of its own"
	@echo "make test-redis   Celery's and Django's workers, in processes of their own, on a Redis server"
	@echo "make test-wasm    what of the suite can run on CPython 3.14 in WebAssembly (needs Node.js and npm)"
	@echo "make coverage     the test suite with branch coverage"
	@echo "make lint         ruff and the import contracts"
	@echo "make format       let ruff rewrite the code"
	@echo "make types        mypy"
	@echo "make benchmark    what a trace costs, against untraced Django; what the signal map takes"
	@echo "make docs         the documentation site, in docs/_build/html; a broken link fails"
	@echo "make screenshots  make the pictures under docs/ again (needs a Chromium)"
	@echo "make clean        remove .venv and everything that was generated"

demo: check-python check-port $(VENV)/demo.installed
	@$(MANAGE) prepare_demo
	@$(MANAGE) demo_checkout
	@$(MANAGE) serve_demo --port $(PORT)

opentelemetry: check-python check-port $(VENV)/opentelemetry.installed
	@$(BIN)/python example_site/observe.py --port $(PORT) $(ARGS)

museum: check-python check-port $(VENV)/packages.installed
	@$(BIN)/python tests/packages/museum/look.py $(PORT)

test: $(VENV)/test.installed
	@$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

test-postgres: $(VENV)/test.installed
	@tests/postgres/serve.sh $(BIN)/python -m pytest $(shell cat tests/postgres/runs_here.txt) $(ARGS)

test-redis: $(VENV)/test.installed
	@tests/redis/serve.sh $(BIN)/python -m pytest tests/redis $(ARGS)

test-wasm: $(VENV)/wasm.installed $(WASM)/node_modules/.package-lock.json
	@node $(WASM)/run.mjs $(VENV)/wasm $(ARGS)

coverage: $(VENV)/test.installed
	@$(BIN)/python -m coverage run -m pytest $(ARGS)
	@$(BIN)/python -m coverage report

lint: $(VENV)/lint.installed
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

format: $(VENV)/lint.installed
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

types: $(VENV)/types.installed
	@$(BIN)/mypy

benchmark: $(VENV)/test.installed
	@$(BIN)/python benchmarks/overhead.py $(ARGS)
	@$(BIN)/python benchmarks/signal_map.py

screenshots: $(VENV)/test.installed
	@$(BIN)/python docs/make_screenshots.py

# Incremental: a page is built again if it, its example or the package has changed.
docs: $(VENV)/docs.installed
	@$(BIN)/python -m sphinx --fail-on-warning --keep-going --nitpicky --quiet docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

clean:
	rm -rf $(VENV) .nox .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	rm -rf .coverage build dist docs/_build example_site/db.sqlite3 example_site/media
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One stamp a dependency group, newer than pyproject.toml once the group is installed.
$(VENV)/%.installed: pyproject.toml $(VENV)/created
	@echo "Installing what 'make $*' needs into $(VENV): a minute or two, once ..."
	@$(BIN)/python -m pip install --quiet --editable '.[debug-toolbar]' --group $*
	@touch $@

# Another Python's packages, in a folder of their own. What has parts in C would have to be compiled.
$(VENV)/wasm.installed: pyproject.toml $(VENV)/created
	@echo "Installing the packages for CPython 3.14 into $(VENV)/wasm ..."
	@rm -rf $(VENV)/wasm
	@$(BIN)/python -m pip install --quiet --target $(VENV)/wasm --group wasm \
	  --python-version 3.14 --platform any --only-binary :all:
	@touch $@

$(WASM)/node_modules/.package-lock.json: $(WASM)/package-lock.json
	@command -v npm >/dev/null || { \
	  echo "There is no 'npm' here. On Debian and Ubuntu: apt install nodejs npm" >&2; exit 1; }
	@npm ci --prefix $(WASM) --no-audit --no-fund --silent
	@touch $@

# --group came with pip 25.1; the pip that Python 3.11 brings is older.
$(VENV)/created: | check-python
	@echo "Creating $(VENV) with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@touch $@

check-python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "There is no '$(PYTHON)' here. Install Python 3.11 or newer, or name one: make PYTHON=python3.13 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "'$(PYTHON)' is $$($(PYTHON) --version 2>&1 | head -n 1); 3.11 or newer is needed. Name one: make PYTHON=python3.13 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

define BIND_PORT
import socket, sys
try:
    port = int(sys.argv[1])
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port))
except (ValueError, OverflowError):
    sys.exit(f"PORT={sys.argv[1]} is not a port. Give a number from 1024 to 65535: make demo PORT=8001")
except OSError as error:
    sys.exit(f"Port {port} on 127.0.0.1 cannot be used ({error.strerror}). Choose another: make demo PORT={8001 if port == 8000 else 8000}")
endef
export BIND_PORT

check-port:
	@$(PYTHON) -c "$$BIND_PORT" '$(PORT)'
