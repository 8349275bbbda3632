"""The built pages, opened as a reader opens them: from a file, on a phone and on a desk.

``make test-docs`` builds them and runs this. Without a Chromium the pages are read but not opened,
and a line says so; with UPSHAPE_REQUIRE_BROWSER=1 that is a failure.
"""

import dataclasses
import html
import importlib
import inspect
import re
import sys
import zlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILT = ROOT / "docs" / "_build" / "html"
PAGES = sorted(BUILT.rglob("*.html"))
NAMES = [str(page.relative_to(BUILT)) for page in PAGES]
# What a generator wrote, or is one long list: no prose to be checked for its looks.
LISTS = {"genindex.html", "py-modindex.html", "search.html"}

sys.path.insert(0, str(ROOT / "docs" / "extensions"))
from names import MODULES, parameters  # noqa: E402

every_page = pytest.mark.parametrize("page", PAGES, ids=NAMES)


def test_the_pages_are_built():
    assert {"index.html", "api/upshape.html"} <= set(NAMES), f"make docs writes them to {BUILT}"


# --- what a page must not have ------------------------------------------------------------------

TEX = re.compile(r"\\[\[(]|\\(?:frac|left|right|lfloor|rfloor|cdot|tfrac|text|bmod|mathrm)\b")

# Blocks that stick out of the screen, unless a box around them scrolls.
STICKING_OUT = """
[...document.querySelectorAll('article *')].filter(element => {
  const box = element.getBoundingClientRect();
  if (box.width === 0 || box.right <= screen.width + 1) return false;
  if (getComputedStyle(element).position === 'fixed') return false;
  for (let around = element.parentElement; around; around = around.parentElement)
    if (['auto', 'scroll', 'hidden', 'clip'].includes(getComputedStyle(around).overflowX)
        && around !== document.body && around !== document.documentElement) return false;
  return true;
}).map(element => element.tagName + '.' + element.className + ' '
                  + element.textContent.trim().slice(0, 40))
"""
CUT_CODE = """
[...document.querySelectorAll('article pre')].filter(pre => pre.scrollWidth > pre.clientWidth + 1)
  .map(pre => pre.textContent.split('\\n').reduce((a, b) => a.length >= b.length ? a : b))
"""


def external(requests):
    """Return the addresses that are neither files nor written into the page itself."""
    return [address for address in requests if not address.startswith(("file:", "data:", "blob:"))]


def raw_tex(browser):
    """Return TeX that a reader sees, but for TeX that is shown as code."""
    text = browser.run(
        "(() => { const seen = document.querySelector('article, main, body').cloneNode(true);"
        "seen.querySelectorAll('pre, code, script, style, annotation').forEach(e => e.remove());"
        "return seen.textContent; })()"
    )
    return TEX.findall(text)


@every_page
def test_a_page_on_a_phone_shows_its_formulas_fits_and_asks_the_network_for_nothing(browser, page):
    browser.screen(390)
    browser.open(page.as_uri())
    assert external(browser.requests()) == []
    assert browser.complaints() == []
    assert raw_tex(browser) == []
    assert browser.run("document.documentElement.scrollWidth") <= 390
    if page.name not in LISTS:
        assert browser.run(STICKING_OUT) == []


@every_page
def test_a_page_on_a_desk_shows_code_whole(browser, page):
    browser.screen(1280, 900)
    browser.open(page.as_uri())
    assert browser.run("document.documentElement.scrollWidth") <= 1280
    assert browser.run(CUT_CODE) == []


FAULTY = {
    "a script from elsewhere": "<script src='https://example.invalid/x.js'></script>",
    "an error in a script": "<script>nothing.there()</script>",
    "raw TeX": r"<p>\[ \frac{1}{2} \]</p>",
    "a wide block": "<div style='width: 700px'>wide</div>",
    "cut code": "<pre style='overflow: auto; width: 200px'>" + "x" * 200 + "</pre>",
}


@pytest.mark.parametrize("fault", FAULTY)
def test_each_check_finds_its_fault(browser, tmp_path, fault):
    page = tmp_path / "page.html"
    head = "<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    page.write_text(f"{head}<article>{FAULTY[fault]}</article>", encoding="utf-8")
    browser.screen(390)
    browser.open(page.as_uri())
    found = {
        "a script from elsewhere": external(browser.requests()),
        "an error in a script": [c for c in browser.complaints() if "ERR_" not in c],
        "raw TeX": raw_tex(browser),
        "a wide block": browser.run(STICKING_OUT),
        "cut code": browser.run(CUT_CODE),
    }
    assert [name for name, faults in found.items() if faults] == [fault]


# --- what the HTML must and must not say --------------------------------------------------------


def inventory(path=BUILT / "objects.inv"):
    """Return the names that have an entry of their own."""
    data = path.read_bytes()
    listed = zlib.decompress(data.split(b"zlib.\n", 1)[1]).decode()
    return {line.split(" ")[0] for line in listed.splitlines() if " py:" in line}


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_has_its_entry(module):
    found = importlib.import_module(module)
    wanted = {f"{module}.{name}" for name in found.__all__}
    for name in found.__all__:
        value = getattr(found, name)
        if dataclasses.is_dataclass(value):
            wanted |= {f"{module}.{name}.{field.name}" for field in dataclasses.fields(value)}
        if inspect.isclass(value):
            own = (n for n, v in vars(value).items() if isinstance(v, property) or callable(v))
            wanted |= {f"{module}.{name}.{n}" for n in own if not n.startswith("_")}
    assert wanted - inventory() == set()


def test_every_public_module_is_listed():
    """A module with `__all__` that its neighbours do not hide is one that users import from."""
    inner = {"arrays", "convolution", "interpolation", "pyramid", "runtime", "layers"}
    inner |= {"calls", "choices", "dialects", "lanes", "levels", "orders", "parameters", "resizing"}
    inner |= {"spreading", "tables", "tasks", "weighing"}
    inner |= {"cli", "commands", "demo"}  # and commands
    files = [f for f in (ROOT / "upshape").rglob("*.py") if "__all__" in f.read_text("utf-8")]
    parts = [f.relative_to(ROOT).with_suffix("").parts for f in files]
    shown = {".".join(p).removesuffix(".__init__") for p in parts if p[-1] not in inner}
    assert {name for name in shown if "._" not in name} == set(MODULES)


@every_page
def test_no_sentence_became_a_list_of_letters_and_no_field_is_an_alias(page):
    text = page.read_text(encoding="utf-8")
    assert not re.search(r'<ol class="(lower|upper)(alpha|roman)', text)
    assert "Alias for field number" not in text


@pytest.fixture(scope="session")
def names_to_link():
    """The public names that no function takes as a parameter: those may stand in italics."""
    listed, taken = set(), set()
    for module in map(importlib.import_module, MODULES):
        listed |= {name for name in module.__all__ if len(name) > 1}
        for name in module.__all__:
            taken |= parameters(getattr(module, name))
    return listed - taken


@every_page
def test_public_names_in_docstrings_are_links(names_to_link, page):
    italics = re.findall(r"<cite>([\w.]+)</cite>", page.read_text(encoding="utf-8"))
    assert {name for name in italics if name.split(".")[-1] in names_to_link} == set()


@every_page
def test_no_link_leads_nowhere(page):
    text = page.read_text(encoding="utf-8")
    for address in set(re.findall(r'(?:href|src)="([^"]+)"', text)):
        if re.match(r"(https?|mailto|data|javascript):", address):
            continue
        path, _, anchor = html.unescape(address).partition("#")
        path = path.partition("?")[0]
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), address
        if anchor and target.suffix == ".html":
            assert f'id="{anchor}"' in target.read_text(encoding="utf-8"), address
