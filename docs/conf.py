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
    "chinese",
    "conformance",
    "resizing",
    "figures",
    "mathml",
    "names",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]

# Chinese: docs/locale has a catalogue a page; those of other pages stay in English.
locale_dirs = ["locale", "locale/theme"]  # the pages; what the theme writes on each
gettext_compact = False
gettext_location = False  # or every line that moves would change the catalogues
html_math_renderer = "mathml"
nitpicky = True

html_theme = "furo"
html_static_path = ["_static"]
html_title = f"upshape {version}"
html_show_sphinx = False
html_show_search_summary = False  # from a file there is no fetching of pages
html_css_files = ["pages.css"]
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "language.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}

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


def link_other_language(app, pagename, templatename, context, doctree):
    """Give the sidebar the address of this page in the other language.

    English is built into a folder, and Chinese into the folder zh in it.
    """
    chinese = str(app.config.language).startswith("zh")
    here = "../" * pagename.count("/")
    context["other_language"] = f"{here}{'../' if chinese else 'zh/'}{pagename}.html"
    context["other_language_name"] = "English" if chinese else "中文"


def tell_speed_in_chinese(app, relative_path, parent, content):
    """Take the Chinese line on speed: it is written by the benchmark, not by a translator."""
    if relative_path.name == "speed-line.inc" and str(app.config.language).startswith("zh"):
        chinese = Path(app.srcdir) / "speed-line.zh.inc"
        content[0] = chinese.read_text(encoding="utf-8")


def setup(app):
    """Tell Sphinx of the above."""
    app.connect("include-read", tell_speed_in_chinese)
    app.connect("html-page-context", link_other_language)
    app.connect("source-read", read_changelog)
    app.connect("autodoc-process-docstring", escape_stars, priority=900)  # after numpydoc
