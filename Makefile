# Everything below sets up what it needs in .venv; PYTHON says which Python makes it (3.11 or newer).
# ARGS goes to the program a target runs: make pytest ARGS='-k owner'. Tests run in JOBS processes, each file in one.

PYTHON = python3
VENV = .venv
ARGS =
JOBS = 2
BIN = $(VENV)/bin
PYTEST = $(BIN)/python -m pytest --numprocesses=$(JOBS) --dist=loadfile
OTHERS = 3.12 3.13 3.14

.PHONY: help demo test examples pytest test-others test-all accuracy mutations sensitivity bench bench-plugin bench-web trends suites fleet completions docs man screenshots sid coverage clean
.DELETE_ON_ERROR:

help:
	@echo 'make demo         find the leaks of a small service'
	@echo 'make test         lint, types, import contracts, tests, examples and pages of the documents'
	@echo 'make pytest       the tests alone'
	@echo 'make examples     the examples of the documents alone'
	@echo 'make test-all     make test, and the tests on each other CPython found ($(OTHERS))'
	@echo 'make sid          the tests on the CPythons that only Debian sid has'
	@echo 'make accuracy     how often leakdiff is right, on the corpus'
	@echo 'make mutations    how often leakdiff is right, on programs with one thing broken'
	@echo 'make sensitivity  how small a leak is seen, and in how many units'
	@echo 'make bench        what leakdiff costs, beside its peers'
	@echo 'make bench-plugin what the pytest plugin costs, beside its peers'
	@echo 'make bench-web    what the debug endpoint costs a service under load, beside its peers'
	@echo 'make trends       how soon a trend finds a leak, on 200 histories with noise'
	@echo 'make suites       the test suites of other packages, with and without pytest --leakdiff'
	@echo 'make fleet        a 72-hour history of six replicas, and what the trend says of it'
	@echo 'make completions  the completion scripts of the shells, from the parser of the command line'
	@echo 'make docs         the documents as pages, in .cache/docs'
	@echo 'make man          the manual page, docs/man/leakdiff.1'
	@echo 'make screenshots  the pictures of the debug endpoint in docs/images, with Chromium'
	@echo 'make coverage     branch coverage of the stages'
	@echo 'make clean        remove what these made, except .cache/accuracy and .cache/sid'

demo: $(VENV)/.leakdiff
	@$(BIN)/leakdiff demo $(ARGS); status=$$?; \
	if [ $$status -ne 1 ]; then echo "make demo: leakdiff ended with $$status, and should have found leaks" >&2; exit 1; fi; \
	echo; echo 'make demo: leakdiff ended with 1, as it should: it found leaks.'

test: $(VENV)/.lint $(VENV)/.test $(VENV)/.docs
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(MAKE) examples
	$(MAKE) pytest

# In processes of their own: what they show takes seconds on the heap of an interpreter that has imported all tests.
examples: $(VENV)/.test
	$(PYTEST) README.md docs

pytest: $(VENV)/.test
	$(PYTEST) tests $(ARGS)

test-all: test
	$(MAKE) test-others

test-others: $(OTHERS:%=test-on-%)

# What is told of values, and the examples of the documents, take minutes and come out the same on each.
OTHER_ARGS = --ignore=tests/test_fleet.py $(addprefix --ignore-glob=tests/test_,docs_* render_* store* history* trend* slopes* \
    schedule* series* baseline* second* bad_input* mutation_benchmark* accuracy_benchmark* \
    metrics_rules* web_browser* web_openapi* web_page* web_reference* web_services* web_views*)

# The plugin is for pytest 8 as well as for the newest.
PINS-3.12 = pytest==8.*

# A python3.12 on PATH may be a shim without a Python behind it, or lack what venv needs: that counts as missing.
test-on-%:
	@for python in python$* $(HOME)/.pyenv/versions/$*.*/bin/python; do \
	    "$$python" -c 'import ensurepip, sys; sys.exit("%d.%d" % sys.version_info[:2] != "$*")' 2>/dev/null || continue; \
	    "$$python" -c 'import platform; print("CPython", platform.python_version())'; \
	    exec $(MAKE) pytest VENV=.cache/venvs/$* PYTHON="$$python" PINS='$(PINS-$*)' \
	        ARGS='$(OTHER_ARGS) $(ARGS)'; \
	done; echo "CPython $*: not found, left out"

accuracy: $(VENV)/.leakdiff
	$(BIN)/python benchmarks/accuracy.py $(ARGS)

mutations: $(VENV)/.leakdiff
	$(BIN)/python benchmarks/mutations.py $(ARGS)

sensitivity: $(VENV)/.leakdiff
	$(BIN)/python benchmarks/sensitivity.py $(ARGS)

bench: $(VENV)/.bench
	$(BIN)/python benchmarks/bench.py $(ARGS)

bench-web: $(VENV)/.test $(VENV)/.bench
	$(BIN)/python benchmarks/bench_web.py $(ARGS)

bench-plugin: $(VENV)/.test $(VENV)/.bench
	$(BIN)/python benchmarks/bench_plugin.py $(ARGS)

trends: $(VENV)/.leakdiff
	$(BIN)/python benchmarks/trends.py $(ARGS)

suites: $(VENV)/.leakdiff
	$(BIN)/python benchmarks/suites.py $(ARGS)

fleet: $(VENV)/.leakdiff
	$(BIN)/python benchmarks/fleet.py $(ARGS)

completions: $(VENV)/.test
	$(BIN)/python scripts/make-completions $(ARGS)

# The API is read from the modules themselves, so that what they import must be there: the tests' packages have it all.
SPHINX = $(BIN)/python -m sphinx -E -n -W --keep-going -q -d .cache/docs/doctrees

docs: $(VENV)/.docs $(VENV)/.test
	$(SPHINX) -b html docs .cache/docs/html
	@echo 'make docs: open .cache/docs/html/index.html'

man: $(VENV)/.docs $(VENV)/.test
	$(SPHINX) -b man docs docs/man

screenshots: $(VENV)/.test
	$(BIN)/python scripts/screenshots

sid:
	bash scripts/test-on-sid $(ARGS)

coverage: $(VENV)/.test
	mkdir -p .cache/coverage
	$(BIN)/python -m pytest --cov --cov-report=term $(ARGS)

clean:
	rm -rf $(VENV) .cache/venvs .cache/coverage .cache/docs build dist
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo 'make: "$(PYTHON)" is not a Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)' >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); \
	    echo 'make: "$(PYTHON) -m venv" failed; on Debian and Ubuntu: apt-get install python3-venv' >&2; exit 1; }
	@touch $@

# pip 25.1 is the first to know --group.
$(VENV)/.leakdiff: pyproject.toml $(VENV)/.python
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.test $(VENV)/.lint $(VENV)/.bench $(VENV)/.docs: $(VENV)/.%: $(VENV)/.leakdiff
	$(BIN)/python -m pip install --quiet --upgrade --group $* $(PINS:%='%')
	@touch $@
