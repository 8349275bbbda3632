"""The table of conventions in the documentation is what the libraries do."""

import importlib.util

import pytest
from conventions import HEADER, LIBRARIES, rows_of, stored


@pytest.mark.parametrize("package", LIBRARIES)
def test_the_table_says_which_pixels_a_library_takes(package):
    module, _ = LIBRARIES[package]
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{package} is not installed: its rows of docs/rosetta.csv are not checked")
    rows = [row for row in stored()[1:] if row[0].split()[0] == package]
    assert rows == rows_of(package), "python tests/peers/conventions.py writes the table anew"


def test_the_table_has_every_library():
    header, *rows = stored()
    assert header == HEADER
    assert {row[0].split()[0] for row in rows} == set(LIBRARIES)
