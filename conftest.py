"""Doctests of modules that import PyTorch are collected where it is installed."""

import re
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parent
IMPORTS_TORCH = re.compile(r"^(?:import|from) torch\b", re.MULTILINE)

collect_ignore = [] if find_spec("torch") else [
    str(path.relative_to(ROOT)) for path in ROOT.glob("upshape/**/*.py")
    if IMPORTS_TORCH.search(path.read_text(encoding="utf-8"))
]
