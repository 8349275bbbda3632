"""Doctests of modules whose extra is not installed are not collected."""

from importlib.util import find_spec

NEEDED = {
    "onnx": ["upshape/shapes/_onnx_file.py"],
    "torch": [
        "upshape/draw/_model.py",
        "upshape/shapes/_autopad_torch.py",
        "upshape/shapes/_mending.py",
        "upshape/shapes/_run.py",
        "upshape/shapes/_walk.py",
    ],
}

collect_ignore = [path for extra, paths in NEEDED.items() if not find_spec(extra) for path in paths]
