"""One Chromium for all tests."""

import os

import pytest
from browser import Browser, find_browser


@pytest.fixture(scope="session")
def browser():
    path = find_browser()
    if path is None:
        told = "no Chromium: the pages are not opened (on Debian: apt-get install chromium)"
        if os.environ.get("UPSHAPE_REQUIRE_BROWSER") == "1":
            pytest.fail(told)
        pytest.skip(told)
    opened = Browser(path)
    yield opened
    opened.close()
