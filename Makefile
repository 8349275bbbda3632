# Every target sets up what it needs in .venv, from a fresh clone on.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
SOURCES := setup.py compiling.py preflight.py pyproject.toml upshape/_machine.pxd \
	$(wildcard pyx/*.pyx pyx/*.pxd pyx/*.h)
KERNEL_TESTS_ONLY := --ignore-glob='tests/test_shapes*' --ignore-glob='tests/test_solve*' \
	--ignore=tests/test_cli.py --ignore=tests/peers --ignore=tests/pages
ARGS ?=

.PHONY: help demo test test-debug test-peers test-docs translations bench bench-compare docs lint build clean

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
	$(PY) -m pytest -q --ignore=tests/peers --ignore=tests/pages $(ARGS)
	@set -e; for level in $$($(PY) -c "from upshape.runtime import usable_levels; \
	  print(*usable_levels()[1:])"); do echo "UPSHAPE_CPU=$$level"; \
	  UPSHAPE_CPU=$$level $(PY) -m pytest -q tests $(KERNEL_TESTS_ONLY) $(ARGS); done

test-debug: $(VENV)/with-test  ## the kernels' tests with bounds checks and asserts compiled in
	UPSHAPE_DEBUG=1 UPSHAPE_LEVELS=best $(PY) setup.py -q build --build-lib $(VENV)/debug
	PYTHONPATH=$(VENV)/debug $(VENV)/bin/pytest -q -o pythonpath="$(VENV)/debug tests" \
	  tests $(KERNEL_TESTS_ONLY) $(ARGS)

test-peers: $(VENV)/with-peers  ## comparison with PyTorch, and with other libraries' pixels
	$(PY) -m pytest -q tests/peers $(ARGS)

bench: $(VENV)/with-bench  ## time every case against its peers; ARGS="--quick --filter nearest"
	$(PY) -m benchmarks $(ARGS)

bench-compare: $(VENV)/with-bench  ## compare two runs: make bench-compare before.json after.json
	$(PY) -m benchmarks.compare $(filter %.json,$(MAKECMDGOALS)) $(ARGS)

%.json:
	@test -e $@ || { echo "$@: no such file; make bench ARGS='--json $@' writes it" >&2; exit 1; }

docs: $(VENV)/with-docs  ## build the documentation: docs/_build/html/index.html, Chinese in zh/
	$(PY) -m sphinx -W -n --keep-going -q -b html docs docs/_build/html
	$(PY) -m sphinx -W -n --keep-going -q -b html -D language=zh_CN docs docs/_build/html/zh

test-docs: docs $(VENV)/with-test  ## open every page of the documentation in Chromium
	$(PY) -m pytest -q tests/pages $(ARGS)

translations: $(VENV)/with-docs  ## bring the Chinese catalogues up to date: what is new is left empty
	$(PY) -m sphinx -q -b gettext docs build/gettext
	cd build/gettext && find . -name '*.pot' | while read -r page; do \
	  test -e "$(CURDIR)/docs/locale/zh_CN/LC_MESSAGES/$${page%.pot}.po" || rm "$$page"; done
	$(VENV)/bin/sphinx-intl update -p build/gettext -d docs/locale -l zh_CN -w 96 --no-obsolete

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
