"""Doctests of modules that import PyTorch are collected where it is installed."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("torch") else [
    "upshape/draw/_model.py",
    "upshape/shapes/_autopad_torch.py",
    "upshape/shapes/_mending.py",
    "upshape/shapes/_run.py",
    "upshape/shapes/_walk.py",
]
