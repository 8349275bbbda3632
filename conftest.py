"""Doctests of modules whose extra is not installed are not collected."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("onnx") else ["upshape/shapes/_onnx.py"]
