"""Comparisons with PyTorch, which `make test-peers` installs: without it nothing is collected."""

import importlib.util
import os

import pytest

if importlib.util.find_spec("torch") is None:
    collect_ignore_glob = ["*.py"]
elif importlib.util.find_spec("onnxruntime") is None:
    collect_ignore = ["test_onnx.py"]


@pytest.fixture(autouse=True, scope="session")
def _one_thread_for_pytorch():
    """PyTorch's threads and ours would fight for the CPUs."""
    import torch

    torch.set_num_threads(1)


def seeds(count):
    """Return seeds: the same ones in every run, or others if UPSHAPE_SEED says so."""
    first = int(os.environ.get("UPSHAPE_SEED", "0"))
    return range(first, first + count)


def pytest_generate_tests(metafunc):
    """Run a test that takes `seed` many times."""
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", seeds(getattr(metafunc.module, "SEEDS", 100)))
