"""The Chinese catalogues are whole: every sentence of the translated pages, none a guess."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from babel.messages.pofile import read_po

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CATALOGUES = DOCS / "locale" / "zh_CN" / "LC_MESSAGES"
#: The pages that are Chinese to the last sentence; others may have a part of their sentences.
PAGES = [
    "index", "explorer", "questions", "cookbook", "how-it-works",
    *sorted(f"story/{path.stem}" for path in (DOCS / "story").glob("*.rst")),
]  # fmt: skip
# What the benchmark writes in both languages.
FROM_ELSEWHERE = (DOCS / "speed-line.inc").read_text(encoding="utf-8").splitlines()

#: The field's words: where the English has one of the left, the Chinese has one of the right.
TERMS = {
    r"transposed convolution": ("转置卷积",),
    r"[Dd]econvolution": ("反卷积",),
    r"[Bb]ilinear interpolation": ("双线性插值",),
    r"[Nn]earest neighbour": ("最近邻插值",),
    r"\bstride\b": ("步长",),
    r"\b[Pp]adding\b(?!`| =)": ("填充",),
    r"\b[Dd]ilation\b(?!`)": ("膨胀",),
    r"\bremainder\b(?!>)": ("余数",),
    r"[Cc]heckerboard": ("棋盘",),
    r"feature map": ("特征图",),
    r"\bkernel\b": ("卷积核", "计算核"),
}


@pytest.fixture(scope="session")
def templates(tmp_path_factory):
    """What there is to translate: taken from the pages as they are now."""
    folder = tmp_path_factory.mktemp("gettext")
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "gettext", str(DOCS), str(folder)]
    subprocess.run(command, check=True, cwd=ROOT)
    return folder


def catalogue(path):
    with path.open("rb") as file:
        return read_po(file)


def untranslated(template, translation):
    """Return the sentences that have no translation, an empty one, or a guessed ("fuzzy") one."""
    missing = []
    for message in template:
        if not message.id or message.id in FROM_ELSEWHERE:
            continue
        found = translation.get(message.id)
        if found is None or not found.string or found.fuzzy:
            missing.append(message.id)
    return missing


@pytest.mark.parametrize("page", PAGES)
def test_no_sentence_of_a_page_is_left_in_english(templates, page):
    template = catalogue(templates / f"{page}.pot")
    assert len(template) >= 2
    assert untranslated(template, catalogue(CATALOGUES / f"{page}.po")) == []


@pytest.mark.parametrize("path", sorted(CATALOGUES.rglob("*.po")), ids=lambda path: path.stem)
def test_a_catalogue_has_no_sentence_that_is_gone_and_speaks_chinese(templates, path):
    page = path.relative_to(CATALOGUES).with_suffix("")
    ids = {message.id for message in catalogue(templates / f"{page}.pot")}
    for message in catalogue(path):
        if not message.id or not message.string:
            continue
        assert message.id in ids or str(page) not in PAGES
        words = re.sub(r":\w+:`[^`]*`|``[^`]*``|\$.*|\bupshape\b|\bPyTorch\b", "", message.id)
        is_formula = message.id.endswith("\n\n")
        if re.search(r"[A-Za-z]{4,}", words) and not is_formula:
            assert re.search(r"[\u4e00-\u9fff]", message.string), message.id
        for english, chinese in TERMS.items():
            if re.search(english, words) and not is_formula:
                assert any(term in message.string for term in chinese), (message.id, chinese)


def test_an_untranslated_and_a_guessed_sentence_are_found(tmp_path):
    def read(text):
        file = tmp_path / "catalogue.po"
        head = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n'
        file.write_text(head + text, encoding="utf-8")
        return catalogue(file)

    template = read("\n".join(f'msgid "{word}"\nmsgstr ""\n' for word in ("one", "two", "three")))
    translated = read('msgid "one"\nmsgstr "一"\n\n#, fuzzy\nmsgid "two"\nmsgstr "二"\n')
    assert untranslated(template, translated) == ["two", "three"]


@pytest.mark.parametrize(
    ("address", "query", "page"),
    [
        ("search.html", "remainder", "story/remainder.html"),
        ("zh/search.html", "余数", "story/remainder.html"),
        ("zh/search.html", "转置卷积", "story/transposed.html"),
        ("zh/search.html", "output_padding", "story/remainder.html"),
    ],
)
def test_the_search_finds_a_page_in_either_language(browser, address, query, page):
    built = DOCS / "_build" / "html" / address
    browser.screen(1280, 900)
    browser.open(f"{built.as_uri()}?q={quote(query)}")
    found = browser.run(
        "new Promise(done => { let waited = 0; const look = () => {"
        " const links = [...document.querySelectorAll('#search-results li a')].map(a => a.href);"
        " if (links.length || (waited += 100) > 8000) done(links); else setTimeout(look, 100);"
        " }; setTimeout(look, 300); })"
    )
    assert any(page in link for link in found)
    assert browser.complaints() == []
