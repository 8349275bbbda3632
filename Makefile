# Every target sets up what it needs in .venv, from a fresh clone on.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
SOURCES := setup.py pyproject.toml $(wildcard pyx/*.pyx pyx/*.pxd pyx/*.h upshape/*.pxd)
KERNEL_TESTS_ONLY := --ignore-glob='tests/test_shapes*' --ignore-glob='tests/test_solve*' \
	--ignore=tests/test_cli.py --ignore=tests/peers
ARGS ?=

.PHONY: help demo test test-debug test-peers fuzz mutants bench bench-compare docs lint build clean

help:  ## print this list
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

$(PY):
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --upgrade pip

# Stamps: older than the sources when the kernels must be compiled again.
$(VENV)/built: $(PY) $(SOURCES)
	$(PY) -m pip install --quiet --editable .
	@touch $@

# upshape is installed already: pip adds what the extra names.
$(VENV)/with-%: $(VENV)/built
	$(PY) -m pip install --quiet "upshape[$*]"
	@touch $@

demo: $(VENV)/with-plot  ## a photograph through a feature pyramid: upshape-demo.png
	$(PY) -m upshape demo $(ARGS)

test: $(VENV)/with-test  ## the tests, the kernels' at every CPU level of this machine
	$(PY) -m pytest -q --ignore=tests/peers $(ARGS)
	@set -e; for level in $$($(PY) -c "from upshape.runtime import usable_levels; \
	  print(*usable_levels()[1:])"); do echo "UPSHAPE_CPU=$$level"; \
	  UPSHAPE_CPU=$$level $(PY) -m pytest -q tests $(KERNEL_TESTS_ONLY) $(ARGS); done

test-debug: $(VENV)/with-test  ## the kernels' tests with bounds checks and asserts compiled in
	UPSHAPE_DEBUG=1 UPSHAPE_LEVELS=$$($(PY) -c "from upshape import runtime; print(runtime.LEVEL)") \
	  $(PY) -m pip install --quiet --no-deps --upgrade --target $(VENV)/debug .
	PYTHONPATH=$(VENV)/debug $(VENV)/bin/pytest -q -o pythonpath="$(VENV)/debug tests" \
	  tests $(KERNEL_TESTS_ONLY) $(ARGS)

test-peers: $(VENV)/with-peers  ## randomised comparison with PyTorch
	$(PY) -m pytest -q tests/peers $(ARGS)

fuzz: $(VENV)/with-test  ## random calls on hostile arrays; ARGS="--seconds 3600 --seed 7"
	$(PY) -m tests.fuzz $(ARGS)

mutants: $(VENV)/with-test  ## one-line bugs, and which test sees each: an hour; ARGS="--only tile"
	$(PY) -m pip install --quiet cython setuptools
	$(PY) -m tests.mutants $(ARGS)

bench: $(VENV)/with-bench  ## time every case against its peers; ARGS="--quick --filter nearest"
	$(PY) -m benchmarks $(ARGS)

bench-compare: $(VENV)/with-bench  ## compare two runs: make bench-compare before.json after.json
	$(PY) -m benchmarks.compare $(filter %.json,$(MAKECMDGOALS)) $(ARGS)

%.json:
	@test -e $@ || { echo "$@: no such file; make bench ARGS='--json $@' writes it" >&2; exit 1; }

docs: $(VENV)/with-docs  ## build the documentation: docs/_build/html/index.html
	$(PY) -m sphinx -W -n --keep-going -q -b html docs docs/_build/html

lint: $(VENV)/with-lint $(VENV)/with-test  ## ruff, cython-lint and mypy
	$(PY) -m ruff check .
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" cython-lint pyx
	$(PY) -m mypy

build: $(PY)  ## the source distribution and the wheel, in dist/
	$(PY) -m pip install --quiet build
	$(PY) -m build

clean:  ## remove everything that was made
	rm -rf $(VENV) build dist docs/_build upshape.egg-info
	find upshape -name '*.so' -delete
