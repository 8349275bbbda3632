"""What the documentation shows is what happens."""

import doctest
import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from upshape import draw
from upshape.cli import main
from upshape.shapes import Conv, ConvTranspose

ROOT = Path(__file__).parent.parent
PAGES = sorted(p for p in (ROOT / "docs").rglob("*.rst") if "_build" not in p.parts)
NAMES = [str(page.relative_to(ROOT / "docs")) for page in PAGES]
READMES = sorted(ROOT.glob("README*.md"))

PYTORCH = r"^\.\. code-block:: pycon\n\n(?:   .*\n|\n)+"

every_page = pytest.mark.parametrize("page", PAGES, ids=NAMES)
every_readme = pytest.mark.parametrize("readme", READMES, ids=lambda path: path.name)


def code_blocks(text, language):
    """Return the blocks of that language in reStructuredText, without their indent."""
    pattern = rf"^( *)\.\. code-block:: {language}\n\n((?:\1   .*\n|\n)+)"
    found = re.findall(pattern, text + "\n", flags=re.MULTILINE)
    return [re.sub(rf"^{indent}   ", "", block, flags=re.M).rstrip() for indent, block in found]


def blocks_of_readme(path):
    """Return the fenced blocks as pairs of language and text."""
    text = path.read_text(encoding="utf-8")
    return re.findall(r"^```(\w+)\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


@every_page
def test_the_examples_of_a_page(page):
    """Sessions in blocks of their own need PyTorch: tests/peers runs them."""
    text = page.read_text(encoding="utf-8")
    text = re.sub(PYTORCH, lambda block: "\n" * block[0].count("\n"), text, flags=re.MULTILINE)
    test = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    assert runner.run(test).failed == 0


def test_sessions_that_need_pytorch_are_on_the_page_that_its_tests_run():
    pages = [page.name for page in PAGES if re.search(PYTORCH, page.read_text(), flags=re.M)]
    assert pages == ["solve.rst"]


def test_most_pages_have_examples():
    assert sum(">>>" in page.read_text(encoding="utf-8") for page in PAGES) >= 8


@every_page
def test_what_a_console_shows_is_what_the_command_says(page, capsys):
    """Commands of upshape are run; those that take long or install are looked up."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for block in code_blocks(page.read_text(encoding="utf-8"), "console"):
        for command, shown in re.findall(r"^\$ (.*)\n?((?:(?![$#]).*\n?)*)", block, flags=re.M):
            program, *arguments = shlex.split(command)
            if program == "upshape" and arguments != ["demo"]:
                main(arguments)
                assert capsys.readouterr().out.strip() == shown.strip(), command
            elif program == "make":
                assert re.search(rf"^{re.escape(arguments[0])}:", makefile, flags=re.M), command
            elif program.endswith("python"):
                assert arguments[0] == "-m", command
                assert importlib.util.find_spec(arguments[1]), command
            elif program == "pip":
                for extra in re.findall(r"\[(\w+)\]", command):
                    assert re.search(rf"^{extra} = \[", project, flags=re.M), command
            else:
                assert command == "upshape demo", command


def test_python_blocks_without_prompts_are_few_and_run_with_pytorch():
    """tests/peers/test_docs_with_torch.py runs them; other Python is written with prompts."""
    having = [p.name for p in PAGES if code_blocks(p.read_text(encoding="utf-8"), "python")]
    assert set(having) == {"solve.rst", "transposed.rst"}


@every_readme
def test_a_readmes_code_runs_and_gives_what_stands_beside_it_and_below(readme, capsys):
    names = {}
    checked = {"beside": 0, "below": 0}
    blocks = blocks_of_readme(readme)
    for (language, block), (next_language, below) in zip(
        blocks, [*blocks[1:], ("", "")], strict=True
    ):
        if language != "python":
            continue
        exec(compile(block, readme.name, "exec"), names)
        printed = capsys.readouterr().out
        if next_language == "text":
            assert printed.strip() == below.strip()
            checked["below"] += 1
        for line in block.splitlines():
            said = re.fullmatch(r"(?:(\w+) = )?(up\..*\S) +# (\(\d.*\))", line)
            if said:
                value = names[said[1]] if said[1] else eval(said[2], names)
                assert getattr(value, "shape", value) == eval(said[3]), line
                checked["beside"] += 1
    assert checked["beside"] >= 3
    assert checked["below"] >= 1


@every_readme
def test_a_readmes_links_lead_somewhere(readme):
    links = re.findall(r"\]\(([^)#]+)\)", readme.read_text(encoding="utf-8"))
    assert links
    for link in links:
        assert link.startswith("https://") or (ROOT / link).exists(), link


def test_the_readmes_picture_is_drawn_by_upshape():
    drawn = draw.stack(
        draw.windows(Conv(3, 2, 1), 12),
        draw.stamps(ConvTranspose(3, 2, 1), 6),
        draw.stamps(ConvTranspose(3, 2, 1, 1), 6),
    )
    kept = (ROOT / "docs" / "_static" / "sizes.svg").read_text(encoding="utf-8")
    assert kept.strip() == drawn.svg.strip(), "drawn.save('docs/_static/sizes.svg') writes it anew"
