# Two set-up commands: `make demo` and `make test`. Each makes its own .venv on a machine that has only Python >= 3.11.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Many tests wait for processes of their own more than they compute: more workers than cores.
WORKERS ?= 4
export PYTHONWARNINGS :=
# What Python and pytest make of a module once is kept, also where the machine says otherwise: each worker and every
# process that the tests start would make it anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo wheel test lint types imports suite schemas lock reference site docs clean

demo: $(VENV)/.run
	@$(BIN)/gridiface demo $(ARGS)

# The package that other machines install (docs/operator/deploy.md), in dist.
wheel: $(VENV)/.run
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .
	@ls dist/*.whl

test: $(VENV)/.dev lint types imports suite

lint: $(VENV)/.dev
	$(BIN)/ruff format --check src southbound tests
	$(BIN)/ruff check src southbound tests

types: $(VENV)/.dev
	$(BIN)/mypy --num-workers auto

imports: $(VENV)/.dev
	$(BIN)/lint-imports --no-cache

# A few tests of whole processes that failed beside others are looked at once more, alone (docs/developer/testing.md).
suite: $(VENV)/.dev schemas
	@rm -f .pytest_cache/v/cache/lastfailed
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(ARGS) || $(BIN)/python tests/second_look.py $$?

# The official XSDs are copyrighted and not shipped; the tests take them from packages whose owners distribute them.
schemas: $(VENV)/.dev
	@$(BIN)/python tests/fetch_schemas.py .cache/schemas

# What a user needs to run gridiface, pinned with hashes; Node only where the machine has no npm, for the build.
$(VENV)/.run: requirements/run.lock pyproject.toml package-lock.json
	@trap : INT; $(PYTHON) requirements/set_up.py $(VENV) run.lock || test $$? -eq 130

# The same and what the tests need.
$(VENV)/.dev: requirements/dev.lock pyproject.toml package-lock.json
	@trap : INT; $(PYTHON) requirements/set_up.py $(VENV) dev.lock || test $$? -eq 130

# A clone that was moved or copied took along a .venv that points at its old place.
ifneq "$(CURDIR)" "$(shell cat $(VENV)/.place 2>/dev/null || pwd -P)"
.PHONY: $(VENV)/.run $(VENV)/.dev
endif

# Renew the pins after a change of pyproject.toml or package.json (needs uv and npm).
lock:
	npm install --package-lock-only --omit-lockfile-registry-resolved --ignore-scripts --no-audit --no-fund
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    requirements/node.in -o requirements/node.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    requirements/build.in pyproject.toml -o requirements/run.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    --group dev requirements/build.in pyproject.toml -o requirements/dev.lock

clean:
	rm -rf $(VENV) .cache build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Renew the pages and schemas that are made from code.
reference: $(VENV)/.dev
	$(BIN)/python -m gridiface.cli.reference .

# The documentation as a site, in build/site.
site: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# The same with pictures of every page, which the browser tests take (needs Chromium); two minutes.
docs: $(VENV)/.dev
	rm -rf build/shots
	GRIDIFACE_SHOTS=build/shots $(BIN)/python -m pytest -q tests/browser
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
