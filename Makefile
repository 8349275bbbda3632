# Every target sets up what it needs in .venv, from a fresh clone on.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
SOURCES := setup.py compiling.py preflight.py pyproject.toml upshape/_machine.pxd \
	$(wildcard pyx/*.pyx pyx/*.pxd pyx/*.h)
KERNEL_TESTS_ONLY := --ignore-glob='tests/test_shapes*' --ignore-glob='tests/test_solve*' \
	--ignore=tests/test_cli.py --ignore=tests/peers
EMULATED := UPSHAPE_CPU=x86-64-v4
ARGS ?=

.PHONY: help demo test test-debug test-serial test-clang test-emulated test-peers bench \
	bench-compare docs lint build clean

help:  ## print this list
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

# The tools of the build, in .venv: what pip would set up anew for every build, out of sight.
$(VENV)/tools: pyproject.toml
	@$(PYTHON) preflight.py
	@echo "upshape: setting up $(VENV) with the tools that compile the kernels"
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet $$($(PYTHON) -c "import tomllib; \
	  print(*[w.replace(' ', '') for w in tomllib.load(open('pyproject.toml', 'rb'))['build-system']['requires']])")
	@touch $@

# Stamps: older than the sources when the kernels must be compiled again. The best CPU level is all
# that anything but the tests needs. pip finds the modules compiled.
$(VENV)/built: $(VENV)/tools $(SOURCES)
	@UPSHAPE_LEVELS=best $(PY) setup.py -q build_ext --inplace
	UPSHAPE_LEVELS=best $(PY) -m pip install --quiet --no-build-isolation --editable .
	@touch $@

$(VENV)/built-for-tests: $(VENV)/built
	@$(PY) setup.py -q build_ext --inplace
	@touch $@

# upshape is installed already: pip adds what the extra names.
$(VENV)/with-%: $(VENV)/built
	$(PY) -m pip install --quiet "upshape[$*]"
	@touch $@

demo: $(VENV)/with-plot  ## a photograph through a feature pyramid: upshape-demo.png
	$(PY) -m upshape demo $(ARGS)

test: $(VENV)/with-test $(VENV)/built-for-tests  ## the tests, the kernels' at two CPU levels
	$(PY) -m pytest -q --ignore=tests/peers $(ARGS)
	@set -e; for level in $$($(PY) -c "from upshape.runtime import usable_levels; \
	  print(*usable_levels()[1:])"); do echo "UPSHAPE_CPU=$$level"; \
	  UPSHAPE_CPU=$$level $(PY) -m pytest -q tests $(KERNEL_TESTS_ONLY) $(ARGS); done

# The kernels' tests over modules that are built another way, in a folder of their own:
# $(call other_build,folder,environment of the build,environment of the tests)
define other_build
	$(2) $(PY) setup.py -q build --build-lib $(VENV)/$(1)
	$(3) PYTHONPATH=$(VENV)/$(1) $(PY) -m pytest -q -p no:cacheprovider \
	  -o pythonpath="$(VENV)/$(1) tests" tests $(KERNEL_TESTS_ONLY) $(ARGS)
endef

test-debug: $(VENV)/with-test  ## the kernels' tests with bounds checks and asserts compiled in
	$(call other_build,debug,UPSHAPE_DEBUG=1 UPSHAPE_LEVELS=best)

test-serial: $(VENV)/with-test  ## the kernels' tests in a build without OpenMP
	$(call other_build,serial,UPSHAPE_OPENMP=0 UPSHAPE_LEVELS=best)

test-clang: $(VENV)/with-test  ## the kernels' tests in a build by clang
	$(call other_build,clang,CC=clang UPSHAPE_LEVELS=best)

test-emulated: $(VENV)/with-test  ## the kernels' tests of x86-64-v4's logic in v3's instructions
	$(call other_build,emulated,UPSHAPE_EMULATE_V4=1 UPSHAPE_LEVELS=x86-64-v4,$(EMULATED))

test-peers: $(VENV)/with-peers  ## randomised comparison with PyTorch
	$(PY) -m pytest -q tests/peers $(ARGS)

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

build: $(VENV)/tools  ## the source distribution and the wheel, in dist/
	$(PY) -m pip install --quiet build
	UPSHAPE_LEVELS=all $(PY) -m build

clean:  ## remove everything that was made
	rm -rf $(VENV) build dist docs/_build upshape.egg-info
	find upshape -name '*.so' -delete
