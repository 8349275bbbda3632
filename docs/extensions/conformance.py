"""``.. conformance::`` shows docs/rosetta.csv, ``.. likes::`` docs/conformance.csv, by library."""

import csv
from itertools import groupby
from pathlib import Path

from sphinx.util.docutils import SphinxDirective

__all__ = ["setup"]

NAMES = {
    "torch": "PyTorch",
    "opencv-python-headless": "OpenCV",
    "pillow": "Pillow",
    "scikit-image": "scikit-image",
    "scipy": "SciPy",
    "onnxruntime": "ONNX Runtime",
    "tensorflow-cpu": "TensorFlow",
}


def rows_of_table(file):
    """Return the rows below the header."""
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.reader(opened))[1:]


def table(library, rows):
    """Return a library's table as reStructuredText."""
    name, version = library.split()
    lines = [
        f".. list-table:: {NAMES[name]} {version}",
        "   :header-rows: 1",
        "   :widths: 42 19 9 10 20",
        "   :class: conformance",
        "",
    ]
    cells = [["call", "upshape's mode", "larger", "smaller", "differs"]]
    for _, call, mode, larger, smaller, where in rows:
        cells.append([f"``{call}``", mode, larger, smaller, where])
    for row in cells:
        lines += [f"   {'*' if n == 0 else ' '} - {text}" for n, text in enumerate(row)]
    return [*lines, ""]


class Conformance(SphinxDirective):
    """The directive."""

    def run(self):
        """Put the tables in the place of the directive."""
        file = Path(self.env.srcdir) / "rosetta.csv"
        self.env.note_dependency(str(file))
        lines = []
        for library, rows in groupby(rows_of_table(file), key=lambda row: row[0]):
            lines += table(library, list(rows))
        self.state_machine.insert_input(lines, str(file))
        return []


def likeness(library, rows):
    """Return the table of ``resize(like=...)`` beside a library as reStructuredText."""
    name, version = library.split()
    lines = [
        f".. list-table:: {NAMES[name]} {version}, {rows[0][4]} sizes each",
        "   :header-rows: 1",
        "   :widths: 24 16 16 24 20",
        "   :class: conformance",
        "",
    ]
    cells = [["mode", "antialias", "dtype", "equal pixels", "most off"]]
    cells += [[mode, anti, dtype, equal, most] for _, mode, anti, dtype, _, equal, most in rows]
    for row in cells:
        lines += [f"   {'*' if n == 0 else ' '} - {text}" for n, text in enumerate(row)]
    return [*lines, ""]


class Likes(SphinxDirective):
    """The directive of the other table."""

    def run(self):
        """Put the tables in the place of the directive."""
        file = Path(self.env.srcdir) / "conformance.csv"
        self.env.note_dependency(str(file))
        lines = []
        for library, rows in groupby(rows_of_table(file), key=lambda row: row[0]):
            lines += likeness(library, list(rows))
        self.state_machine.insert_input(lines, str(file))
        return []


def setup(app):
    """Tell Sphinx of the directive."""
    app.add_directive("conformance", Conformance)
    app.add_directive("likes", Likes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
