"""Read the golden files: what PyTorch 2.13.0 answered."""

import json
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "golden"


def golden_cases(*names):
    """Return (arguments, arrays) of every case of golden files; lists have become tuples."""
    return [case for name in names for case in _cases_of(name)]


def _cases_of(name):
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as file:
        read = {key: file[key] for key in file.files}
    cases = []
    for arguments, keys in json.loads(read["cases"].item()):
        plain = {k: tuple(v) if isinstance(v, list) else v for k, v in arguments.items()}
        cases.append((plain, {name: read[key] for name, key in keys.items()}))
    return cases


def case_id(case):
    """Return what tells a case from the others, to be read in a test's name."""
    arguments, arrays = case
    words = [f"{k}={v}".replace(" ", "") for k, v in arguments.items() if v is not None]
    if "x" in arrays:
        words.insert(0, f"{arrays['x'].dtype}{list(arrays['x'].shape)}".replace(" ", ""))
    return "-".join(words)
