"""Arrays that end (or begin) at a page without access: the first byte beyond ends the process.

What a row has between its pixels, and a result's own memory, are not walled in; AddressSanitizer
sees to those.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from fuzz import search
from hostile import KINDS

CASES = 25  # of each kind
linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="mprotect is called as it is on Linux"
)


@linux
@pytest.mark.parametrize("options", [["--guard"], ["--guard", "--streamed"]], ids=" ".join)
def test_no_byte_beyond_an_array_is_read_or_written(options):
    found = search(400_000, 600, CASES * len(KINDS), options)
    assert found.failures == []
    assert found.cases == CASES * len(KINDS)
    assert found.calls >= 5 * found.cases


@linux
@pytest.mark.parametrize("side", ["before", "behind"])
@pytest.mark.parametrize("write", [False, True])
def test_the_walls_are_there(side, write):
    """Else the test above would pass whatever the kernels do."""
    code = f"""
import ctypes, mmap, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import numpy as np
from hostile import Form, Guards, lay
for seed in range(20):
    array = lay(Guards(seed), "x", np.zeros((1, 3, 5), "f4"), Form((60, 20, 4)))
    before, behind = array.ctypes.data, array.ctypes.data + array.nbytes
    if ({side!r} == "behind") == (behind % mmap.PAGESIZE == 0):
        break
beyond = ctypes.c_ubyte.from_address(behind if {side!r} == "behind" else before - 1)
print("laid", flush=True)
if {write}:
    beyond.value = 1
print("survived", beyond.value)
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.stdout.split() == ["laid"], result.stderr
    assert result.returncode < 0
