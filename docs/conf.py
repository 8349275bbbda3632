"""How Sphinx builds the documentation."""

import re
import sys
from pathlib import Path

import upshape

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "upshape"
author = "the upshape developers"
copyright = f"2026, {author}"
version = release = upshape.__version__

extensions = [
    "sphinx.ext.autodoc",
    "numpydoc",
    "conformance",
    "figures",
    "mathml",
    "names",
]
exclude_patterns = ["_build"]
html_math_renderer = "mathml"
nitpicky = True

html_theme = "furo"
html_static_path = ["_static"]
html_title = f"upshape {version}"
html_show_sphinx = False
html_css_files = ["pages.css"]

autodoc_typehints = "none"  # numpydoc's parameter lists say it in words
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False


def read_changelog(app, docname, source):
    """Give the changelog's page what CHANGELOG.md says, with its marks as reStructuredText's."""
    if docname != "changelog":
        return
    text = (Path(__file__).parent.parent / "CHANGELOG.md").read_text(encoding="utf-8")
    text = re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", text)
    for mark, line in (("###", "~"), ("##", "-"), ("#", "=")):
        text = re.sub(
            rf"^{mark} (.+)$",
            lambda found, line=line: f"{found[1]}\n{line * len(found[1])}",
            text,
            flags=re.MULTILINE,
        )
    source[0] = text


def escape_stars(app, what, name, obj, options, lines):
    """Let docstrings write a shape (N, C, *spatial) without marks: no emphasis begins there."""
    for n, line in enumerate(lines):
        parts = line.split("``")
        parts[::2] = [re.sub(r"(?<=[ (])\*(?=\w+[,)])", r"\\*", part) for part in parts[::2]]
        lines[n] = "``".join(parts)


def setup(app):
    """Tell Sphinx of the above."""
    app.connect("source-read", read_changelog)
    app.connect("autodoc-process-docstring", escape_stars, priority=900)  # after numpydoc
