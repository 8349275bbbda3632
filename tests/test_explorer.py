"""The explorer's formulas, in JavaScript, are those of upshape.shapes."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from explorer_cases import SCRIPT, expected, random_cases

SIZES = Path(__file__).parent.parent / "docs" / "_static" / "explorer" / "sizes.js"


@pytest.mark.skipif(
    shutil.which("node") is None,
    reason="no node: make test-docs makes the same comparison in Chromium",
)
def test_the_explorers_formulas_agree_with_shapes_on_100000_layers():
    cases = random_cases(100_000)
    script = (
        f"const upshapeSizes = require({json.dumps(str(SIZES))});"
        f"const cases = JSON.parse(require('fs').readFileSync(0));"
        f"console.log(JSON.stringify({SCRIPT}(cases)));"
    )
    ran = subprocess.run(
        ["node", "-e", script], input=json.dumps(cases), capture_output=True, text=True, check=True
    )
    found = json.loads(ran.stdout)
    assert len(found) == len(cases)
    wrong = [
        (case, said, want)
        for case, said in zip(cases, found, strict=True)
        if said != (want := expected(case))
    ]
    assert wrong == []
    # The comparison has something to compare: layers that fit, that do not, and uneven ones.
    assert sum(said[0] is None for said in found) > 1000
    assert sum(len(said[2]) > 1 for said in found) > 10_000
    assert sum(len(set(said[3])) > 1 for said in found) > 10_000
