"""The explorer as a reader uses it: sliders, buttons, the address."""

import json

import pytest
from explorer_cases import SCRIPT, expected, random_cases
from test_pages import BUILT

ADDRESS = (BUILT / "explorer.html").as_uri()
TEXT = "document.querySelector('.explorer .answer').innerText"


def move(browser, **sliders):
    """Set sliders as a hand does."""
    for name, value in sliders.items():
        browser.run(
            f"(() => {{ const slider = document.querySelector('.explorer [name={name}]');"
            f"slider.value = {value};"
            "slider.dispatchEvent(new Event('input', { bubbles: true })); })()"
        )


def test_the_address_sets_the_sliders_and_the_sliders_the_address(browser):
    browser.screen(1280, 900)
    browser.open(f"{ADDRESS}?i=13&k=5&s=3&p=2&d=1&a=2")
    assert "13 → 5" in browser.run(TEXT)
    assert "a = 2 → 15" in browser.run(TEXT)
    move(browser, i=12, k=3, s=2, p=1)
    assert browser.run("location.search") == "?i=12&k=3&s=2&p=1&d=1&a=1"
    text = browser.run(TEXT)
    assert "12 → 6" in text
    assert "a = 0 → 11" in text
    assert "a = 1 → 12" in text
    assert "1, 2 (uneven: checkerboard)" in text
    assert "nn.ConvTranspose2d(c, c, 3, stride=2, padding=1, output_padding=1)" in text
    assert browser.complaints() == []


def test_a_button_chooses_the_size_to_come_back_to(browser):
    browser.open(f"{ADDRESS}?i=12&k=3&s=2&p=1&d=1&a=1")
    browser.run("document.querySelector('.explorer [data-a=\"0\"]').click()")
    assert browser.run("location.search") == "?i=12&k=3&s=2&p=1&d=1&a=0"
    pressed = "[...document.querySelectorAll('[aria-pressed=true]')].map(b => b.innerText)"
    assert browser.run(pressed) == ["a = 0 → 11"]


def test_dilation_that_leaves_holes_is_called_so(browser):
    browser.open(f"{ADDRESS}?i=12&k=4&s=2&p=0&d=2&a=0")
    assert "4, 0 (uneven: holes)" in browser.run(TEXT)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?i=3&k=9&s=1&p=0&d=4&a=0", "it spans 33 positions, the input and its padding have 3"),
        ("?i=1&k=1&s=1&p=8&d=1&a=0", "1 → 17"),
        ("?i=99999&k=x&s=-1&p=1e9", "12 → 6"),  # what is no number in range is as at the start
    ],
)
def test_any_address_gives_an_answer(browser, query, said):
    browser.open(ADDRESS + query)
    assert said in browser.run(TEXT)
    assert browser.complaints() == []


@pytest.mark.parametrize("width", [390, 1280])
def test_the_widest_settings_fit_the_screen(browser, width):
    browser.screen(width)
    for query in ("?i=32&k=9&s=6&p=8&d=4&a=5", "?i=32&k=9&s=1&p=8&d=1&a=0"):
        browser.open(ADDRESS + query)
        assert browser.run("document.documentElement.scrollWidth") <= width
        assert browser.run(
            "[...document.querySelectorAll('.explorer svg')].every(drawn =>"
            " drawn.getBoundingClientRect().right <= screen.width)"
        )


def test_the_first_screen_has_an_explorer_that_leaves_the_address_alone(browser):
    browser.screen(1280, 900)
    browser.open((BUILT / "index.html").as_uri())
    move(browser, i=13)
    assert "13 → 7" in browser.run(TEXT)
    assert browser.run("location.search") == ""
    link = browser.run("document.querySelector('.explorer .here').getAttribute('href')")
    assert link == "explorer.html?i=13&k=3&s=2&p=1&d=1&a=1"


def test_the_formulas_agree_with_shapes_on_100000_layers(browser):
    cases = random_cases(100_000, seed=1)
    browser.open(ADDRESS)
    found = browser.run(f"({SCRIPT})({json.dumps(cases)})")
    assert len(found) == len(cases)
    wrong = [
        (case, said)
        for case, said in zip(cases, found, strict=True)
        if said != expected(case)
    ]
    assert wrong == []
