"""What every test shares: reproducible examples, and a number of threads to run with."""

import os

import hypothesis
import numpy as np
import pytest

import upshape as up
from upshape import _machine

# Makes the golden files; needs PyTorch, and is no test.
collect_ignore = ["golden/make_golden.py"]

# HYPOTHESIS_PROFILE=thorough looks for examples that no run has seen before.
for _name, _examples in (("default", 60), ("thorough", 1000)):
    hypothesis.settings.register_profile(
        _name,
        max_examples=_examples,
        derandomize=_name == "default",
        database=None,
        deadline=None,
        print_blob=False,
        suppress_health_check=[
            hypothesis.HealthCheck.too_slow,
            hypothesis.HealthCheck.function_scoped_fixture,
        ],
    )
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture
def rng():
    """Return a generator of random numbers, the same ones in every run."""
    return np.random.default_rng(20161010)


@pytest.fixture(params=[1, 2, 7])
def threads(request):
    """Run the test with 1, 2 and 7 threads; without OpenMP each of them is 1."""
    before = up.get_num_threads()
    up.set_num_threads(request.param)
    assert up.get_num_threads() == (request.param if _machine.build()["openmp"] else 1)
    yield request.param
    up.set_num_threads(before)
