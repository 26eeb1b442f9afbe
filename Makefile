# `make demo` and `make test` do all set-up in an empty clone: they need python3 (3.11 or later), make, and cargo or
# a network from which pip can fetch a Rust toolchain. Everything they install goes into $(VENV).
#
# One wheel is built (release profile) whenever a source has changed, and every target installs that wheel with the
# extras it needs, so nothing is ever run against a stale build.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
PYTEST_ARGS ?=
BENCH_ARGS ?=
# What a wheel is built from. An extension copied in by hand is none of it.
FIND_SOURCES := find rust python Cargo.toml Cargo.lock pyproject.toml README.md LICENSE -type f \
                ! -path '*/__pycache__/*' ! -name '*.so' 2>/dev/null

.DELETE_ON_ERROR:
.PHONY: help demo test bench lint docs wheel clean FORCE

help:
	@echo 'make demo    run the main jobs through both panels, on data that comes along; picture in demo/'
	@echo 'make test    run all tests against the installed release build'
	@echo 'make bench   time the kernels beside their peers (BENCH_ARGS=--record keeps the figures)'
	@echo 'make lint    formatting, linters, types, stubs'
	@echo 'make docs    build the documentation into docs/_build/html'
	@echo 'make wheel   build the wheel into $(VENV)/wheel'
	@echo 'make clean   remove everything that was built or installed'

demo: $(STAMPS)/plot,cli
	@mkdir -p demo
	$(BIN)/diptych demo -o demo/demo.png

test: $(STAMPS)/test
	@if command -v cargo >/dev/null; then cargo test --workspace --quiet; \
	else echo 'no cargo on the path: the tests of the Rust crates are left out'; fi
	$(BIN)/pytest $(PYTEST_ARGS)

bench: $(STAMPS)/bench
	$(BIN)/python -m benches $(BENCH_ARGS)

lint: $(STAMPS)/lint,test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest diptych._rust
	cargo fmt --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings

docs: $(STAMPS)/docs
	$(BIN)/sphinx-build -W --keep-going --quiet -b html docs docs/_build/html
	@echo 'docs/_build/html/index.html'

wheel: $(STAMPS)/wheel

clean:
	rm -rf $(VENV) target dist demo docs/_build docs/gallery docs/api/generated

# ---- set-up ----

$(STAMPS)/venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo '$(PYTHON) is older than 3.11; name a newer one: make PYTHON=python3.12 …' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@mkdir -p $(STAMPS)
	@touch $@

# The list of sources changes when a file comes or goes, which no time stamp of the others tells.
$(STAMPS)/sources: FORCE | $(STAMPS)/venv
	@$(FIND_SOURCES) | LC_ALL=C sort > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(STAMPS)/wheel: $(shell $(FIND_SOURCES)) $(STAMPS)/sources
	@echo 'building the wheel; the first time this takes minutes'
	rm -rf $(VENV)/wheel
	$(PIP) wheel --no-deps --wheel-dir $(VENV)/wheel .
	@touch $@

# `make .venv/stamps/plot,cli` installs the wheel with the extras plot and cli.
$(STAMPS)/%: $(STAMPS)/wheel
	@# pip takes a wheel of the version it has for installed, so the new build has to be forced on it.
	$(PIP) install --force-reinstall --no-deps $(VENV)/wheel/*.whl
	$(PIP) install "$$(ls $(VENV)/wheel/*.whl)[$*]"
	@touch $@
