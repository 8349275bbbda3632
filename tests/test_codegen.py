"""The machine code of the kernels: what must be vectorised is, at every CPU level.

A compiler or a small edit that breaks a tile makes a kernel many times slower and changes no
result. Here it is seen without timing anything: the compiled modules are disassembled, and their
innermost loops must hold the instructions that they were written for. Every level that was built is
looked at, also one that this CPU cannot run.
"""

import operator
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

import pytest

from upshape import _machine

LEVELS = {"v2": "xmm", "v3": "ymm", "v4": "zmm"}

# --- reading machine code ------------------------------------------------------------------------


@dataclass(frozen=True)
class Instruction:
    address: int
    text: str


Loop = tuple[str, ...]

FUNCTION = re.compile(r"^[0-9a-f]+ <(.+)>:$")
INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\s+(.*\S)\s*$")
JUMP = re.compile(r"^(?:\S+ )*j\w+\s+([0-9a-f]+)\b")


def functions(disassembly: str) -> dict[str, list[Instruction]]:
    """Return the instructions of every function."""
    found: dict[str, list[Instruction]] = {}
    current: list[Instruction] = []
    for line in disassembly.splitlines():
        if name := FUNCTION.match(line):
            current = found.setdefault(name[1], [])
        elif code := INSTRUCTION.match(line):
            current.append(Instruction(int(code[1], 16), code[2]))
    return found


def innermost_loops(code: list[Instruction]) -> Iterator[Loop]:
    """Yield the bodies of the loops that hold no other: from a backward jump's target to it."""
    places = {instruction.address: k for k, instruction in enumerate(code)}
    spans = []
    for k, instruction in enumerate(code):
        jump = JUMP.match(instruction.text)
        target = places.get(int(jump[1], 16)) if jump else None
        if target is not None and target <= k:
            spans.append((target, k))
    for first, last in spans:
        if not any((a, b) != (first, last) and first <= a and b <= last for a, b in spans):
            yield tuple(instruction.text for instruction in code[first : last + 1])


def count(loop: Loop, mnemonic: str, register: str) -> int:
    """Count the instructions of a kind that use registers of this width."""
    kind = re.compile(rf"^v?(?:{mnemonic})\b.*%{register}")
    return sum(kind.match(text) is not None for text in loop)


def spills(loop: Loop) -> int:
    """Count the vectors that a loop writes to the stack."""
    store = re.compile(r"^v?mov\S+\s+%[xyz]mm\d+,\S*\((?:%rsp|%rbp)\b")
    return sum(store.match(text) is not None for text in loop)


# --- what must be there --------------------------------------------------------------------------


BY_CLANG = "clang" in _machine.build()["compiler"].lower()


@dataclass(frozen=True)
class Claim:
    """Somewhere in the module is an innermost loop with at least so many of these.

    `needs` maps a mnemonic (a regular expression, without the leading v) to the least count, all
    at the level's full width; nothing is claimed of a level that is not in `levels`. `where` is
    part of the function's name, as a regular expression; `exactly`: there are no more (but clang
    unrolls loops).
    """

    module: str
    what: str
    needs: dict[str, int]
    without_fma: dict[str, int] | None = None  # x86-64-v2 multiplies and adds
    by_clang: dict[str, int] | None = None  # which chooses other permutations for the same
    levels: tuple[str, ...] = tuple(LEVELS)
    where: str = ""
    exactly: bool = False

    def kept(self, code: dict[str, list[Instruction]], level: str) -> bool:
        register = LEVELS[level]
        needs = self.without_fma if level == "v2" and self.without_fma else self.needs
        needs = self.by_clang if BY_CLANG and self.by_clang else needs
        holds = operator.eq if self.exactly and not BY_CLANG else operator.ge
        return any(
            all(holds(count(loop, kind, register), least) for kind, least in needs.items())
            for name, instructions in code.items() if re.search(self.where, name)
            for loop in innermost_loops(instructions)
        )


PERMUTE = r"perm(?:d|ps)|pshufb"
STREAM = r"movnt(?:dq|ps)"
SPREAD = r"taps_spread(?:_by)?(?:$|\.)"
FMA, FMA64 = r"fmadd\d+ps", r"fmadd\d+pd"

CLAIMS = [
    Claim("nearest", "row_words permutes whole windows", {PERMUTE: 1}),
    Claim("nearest", "row_words_two permutes two windows as one", {r"perm[ti]2d": 1},
          levels=("v4",)),
    Claim("nearest", "row_words_two permutes two windows", {PERMUTE: 2, r"blendvps": 1},
          levels=("v3",)),
    Claim("nearest", "row_half_bytes permutes words, and bytes within sixteen",
          {r"perm(?:d|ps)": 1, "pshufb": 1}, levels=("v3", "v4")),
    Claim("nearest", "rows go past the cache by whole vectors", {STREAM: 1}),
    Claim("linear", "rows go past the cache by whole vectors", {STREAM: 1}),
    Claim(
        "linear", "window_rows makes two rows of float32 of one pair of loads",
        {PERMUTE: 4, FMA: 4, "mulps": 4}, without_fma={"pshufb": 4, "mulps": 8, "addps": 4},
    ),
    Claim(
        "linear", "window_rows makes two rows of float64 of one pair of loads",
        {PERMUTE: 4, FMA64: 4, "mulpd": 4}, without_fma={"pshufb": 4, "mulpd": 8, "addpd": 4},
    ),
    Claim(
        "linear", "spread_line mixes two permutes of float32", {PERMUTE: 2, FMA: 1, "mulps": 1},
        without_fma={"pshufb": 2, "mulps": 2, "addps": 1},
    ),
    Claim(
        "linear", "spread_line mixes two permutes of two vectors of float32",
        {r"perm[ti]2(?:d|ps)": 2, FMA: 1, "mulps": 1}, levels=("v4",),
    ),
    Claim(
        "linear", "spread_line mixes two permutes of two vectors of float32",
        {PERMUTE: 4, "blendvps": 2, FMA: 1, "mulps": 1}, levels=("v3",),
    ),
    Claim(
        "linear", "spread_line looks for ties of uint8 without leaving the loop",
        {PERMUTE: 2, FMA: 1, "ptestnmd|pcmpeqd": 1}, levels=("v3", "v4"),
    ),
    Claim(
        "linear", "sums_rows makes two rows of uint8 in 16 bits",
        {"pmaddubsw": 2, "pmullw": 4, "pmulhuw": 4},
    ),
    Claim(
        "linear", "sums_pixels makes two rows of uint8 in 16 bits",
        {"pmovzxbw": 4, "pmullw": 8, "pmulhuw": 4},
    ),
    Claim(
        "linear", "blend_rows mixes four rows of float32", {FMA: 2, "mulps": 2},
        without_fma={"mulps": 4, "addps": 3},
    ),
    Claim(
        "linear", "blend_rows mixes four rows of float64", {FMA64: 2, "mulpd": 2},
        without_fma={"mulpd": 4, "addpd": 3},
    ),
    Claim(
        "linear", "blend_rows widens uint8 by whole vectors", {"pmovzxbd": 2, FMA: 1},
        levels=("v3", "v4"),
    ),
    Claim("taps", "blend adds four vectors of float32 a tap", {FMA: 4},
          without_fma={"mulps": 4, "addps": 4}),
    Claim("taps", "blend adds four vectors of float64 a tap", {FMA64: 4},
          without_fma={"mulpd": 4, "addpd": 4}),
    Claim("depthwise", "taps_32 adds four vectors", {FMA: 4}, without_fma={"mulps": 4, "addps": 4}),
    Claim("depthwise", "lanes_32 makes eight pixels of transposed channels", {FMA: 8},
          without_fma={"mulps": 8, "addps": 8}),
    Claim("depthwise", "pixels_32 adds eight vectors", {FMA: 8},
          without_fma={"mulps": 8, "addps": 8}),
    Claim(
        "limits", "the peak's loop holds its twelve chains", {FMA: 12},
        without_fma={"mulps": 12, "addps": 12},
    ),
    Claim(
        "convolution", "rows with borders reach the patch through masked vectors",
        {r"movups(?=\s+%zmm\d+,\S*\{%k)": 1}, levels=("v4",),
    ),
    Claim("convolution", "add_up_row adds products by whole vectors", {"addps": 1}),
    Claim(
        "convolution", "a strided input is taken apart by permutations", {r"perm[ti]2ps": 1},
        levels=("v4",),
    ),
    Claim("taps", "rows are transposed by whole vectors of float32",
          {r"unpcklps": 4, r"unpckhps": 4, "shufps": 4}, levels=("v3", "v4"),
          by_clang={r"unpck[lh]p[sd]|shufps|perm[ti]2p[sd]|permp[sd]": 12}),
    Claim("taps", "columns of four channels of float32 share a weight", {FMA: 4},
          without_fma={"mulps": 4, "addps": 4}, where=SPREAD),
    Claim("taps", "columns of three channels of float32 share a weight", {FMA: 3},
          without_fma={"mulps": 3, "addps": 3}, where=SPREAD, exactly=True),
    Claim("taps", "columns of four channels in fixed point share a weight",
          {"pmulhrsw": 4, "paddw": 4}, where="spread_fixed", levels=("v3",)),
    Claim("taps", "columns of three channels in fixed point share a weight",
          {"pmulhrsw": 3, "paddw": 3}, where="spread_fixed", levels=("v3",), exactly=True),
    Claim("taps", "spread_quads makes four pixels of two rows without a loop over their taps",
          {"pmulhrsw": 8, "punpck[lh]qdq": 8, "perm2i128": 4}, where="spread_quads",
          levels=("v3",), by_clang={"pmulhrsw": 8}),
    Claim("taps", "blend_bytes adds products of four vectors of bytes",
          {"pmaddwd": 8, "punpck[lh]bw": 12, "paddd": 8}, levels=("v3", "v4")),
    Claim("taps", "blend_four_rounded adds four vectors", {"pmulhrsw": 4, "paddw": 4},
          where="blend", levels=("v3", "v4")),
    Claim("taps", "blend_tiny adds products of two rows of bytes",
          {"pmaddubsw": 2, "punpck[lh]bw": 2, "paddw": 2}, levels=("v3", "v4")),
    Claim("taps", "halve_bytes adds 2 x 2 pixels of uint8 in 16 bits",
          {"pshufb": 2, "pmaddubsw": 2, "paddw": 1}, levels=("v3",)),
    Claim("taps", "halve_reals parts two vectors of float32 by permutations",
          {r"perm[ti]2(?:d|ps)": 2, FMA: 3, "mulps": 3}, levels=("v4",)),
    Claim("taps", "halve_reals parts two vectors of float32 by permutations",
          {r"shufps": 2, FMA: 3, "mulps": 3}, levels=("v3",)),
    Claim("limits", "the streaming fill writes whole vectors", {STREAM: 1}),
]

TILE = re.compile(r"^tile_(pixels|channels|pairs|twins)_(32|64)_(\d+)x(\d+)")
LEAST_TILES = 20


def broken_tiles(code: dict[str, list[Instruction]], level: str) -> list[str]:
    """Return the convolution's tiles that lack a loop with one FMA an accumulator and no spill."""
    broken = []
    for name, instructions in code.items():
        shape = TILE.match(name)
        if shape is None:
            continue
        suffix = "ps" if shape[2] == "32" else "pd"
        sums = int(shape[3]) * int(shape[4]) * (2 if shape[1] in ("pairs", "twins") else 1)
        kind = rf"mul{suffix}" if level == "v2" else rf"fmadd\d+{suffix}"
        if not any(
            count(loop, kind, LEVELS[level]) >= sums and spills(loop) == 0
            for loop in innermost_loops(instructions)
        ):
            broken.append(name)
    return broken


# The depthwise tiles are unrolled: their multiply-adds stand in a row, not in a loop of their own.
UNROLLED = re.compile(r"^(window|deep_window|stride2|sliding)_(32|64)_([2-7])x(\d)(?:_(\d+))?")
LEAST_UNROLLED = 40


def least_products(tile: str, kernel: int, many: str, level: str) -> int:
    """Return how many multiply-adds of whole vectors a depthwise tile has at least."""
    if tile == "sliding":
        return int(many) * kernel  # of a row of the kernel
    if tile in ("window", "deep_window"):
        return 4 * kernel**2
    # Four vectors of the result's row take a vector of the input's, twice over.
    return (4 if level == "v4" else 1) * kernel * ((kernel + 1) // 2)


def broken_unrolled(code: dict[str, list[Instruction]], level: str) -> list[str]:
    """Return the depthwise tiles that lack a multiply-add, or have one of less than a vector."""
    broken = []
    for name, instructions in code.items():
        shape = UNROLLED.match(name)
        if shape is None:
            continue
        texts = tuple(instruction.text for instruction in instructions)
        kind = r"mul[sp][sd]" if level == "v2" else r"fmadd\d+[sp][sd]"
        whole = count(texts, kind, LEVELS[level])
        least = least_products(shape[1], int(shape[3]), shape[5], level)
        if whole < least or whole < count(texts, kind, "[xyz]mm") or any(
            re.match(r"v?(?:mul|fmadd\d+)s[sd]\b", text) for text in texts
        ):
            broken.append(name)
    return broken


# --- the modules ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def disassembled() -> Callable[[str, str], dict[str, list[Instruction]]]:
    """Return a function from module and level to the module's functions."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        pytest.skip("this guard reads x86-64 code")
    if shutil.which("objdump") is None:
        pytest.skip("objdump (binutils) is not installed")
    flags = _machine.build()["flags"]
    if "-DUPSHAPE_DEBUG" in flags:
        pytest.skip("a debug build checks bounds in its loops")

    @cache
    def read(module: str, level: str) -> dict[str, list[Instruction]]:
        spec = find_spec(f"upshape._{level}.{module}")
        if spec is None or spec.origin is None:
            pytest.skip(f"x86-64-{level} was not built")
        if level == "v4" and "x86-64-v4: -march=x86-64-v4" not in flags:
            pytest.skip("the v4 modules were built with another level's instructions")
        command = ["objdump", "-d", "--no-show-raw-insn", spec.origin]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return functions(text)

    return read


@pytest.mark.parametrize(
    ("claim", "level"),
    [
        pytest.param(claim, level, id=f"{level}, {claim.module}: {claim.what}")
        for claim in CLAIMS for level in claim.levels
    ],
)
def test_loop_is_vectorised_at_full_width(disassembled, claim, level):
    code = disassembled(claim.module, level)
    assert claim.kept(code, level), f"no loop of upshape._{level}.{claim.module}: {claim.what}"


@pytest.mark.parametrize("level", LEVELS)
def test_convolution_tiles_keep_their_sums_in_registers(disassembled, level):
    code = disassembled("convolution", level)
    tiles = [name for name in code if TILE.match(name)]
    assert len(tiles) >= LEAST_TILES, "the module has no tile functions: was it stripped?"
    broken = broken_tiles(code, level)
    if BY_CLANG:
        # Where a loop over registers runs once, clang 14 stores the sums as well, in every round.
        broken = [name for name in broken if not re.search("_1x|x1$|twins", name)]
    assert broken == []


@pytest.mark.parametrize("level", LEVELS)
def test_depthwise_tiles_multiply_whole_vectors(disassembled, level):
    code = disassembled("depthwise", level)
    assert sum(UNROLLED.match(name) is not None for name in code) >= LEAST_UNROLLED
    assert broken_unrolled(code, level) == []


@pytest.mark.parametrize("level", ["v2", "v3"])
@pytest.mark.parametrize("module", ["nearest", "linear", "convolution", "depthwise", "limits"])
def test_no_instruction_is_wider_than_the_level(disassembled, module, level):
    wider = {"v2": ("ymm", "zmm"), "v3": ("zmm",)}[level]
    code = disassembled(module, level)
    texts = [instruction.text for body in code.values() for instruction in body]
    assert [text for text in texts if any(f"%{name}" in text for name in wider)] == []


# --- the guard bites -----------------------------------------------------------------------------


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: f"{claim.module}: {claim.what}")
def test_claims_fail_on_a_module_of_the_level_below(disassembled, claim):
    assert not claim.kept(disassembled(claim.module, "v2"), "v3")
    assert not claim.kept(disassembled(claim.module, "v3"), "v4")


def test_tiles_of_the_level_below_are_broken(disassembled):
    code = disassembled("convolution", "v2")
    assert len(broken_tiles(code, "v3")) == sum(TILE.match(name) is not None for name in code)


def test_depthwise_tiles_of_the_level_below_are_broken(disassembled):
    code = disassembled("depthwise", "v2")
    tiles = sum(UNROLLED.match(name) is not None for name in code)
    assert len(broken_unrolled(code, "v3")) == tiles
    assert len(broken_unrolled(disassembled("depthwise", "v3"), "v4")) == tiles


GOOD = """
0000000000001000 <tile_pixels_32_1x2>:
    1000:\txor    %eax,%eax
    1002:\tvbroadcastss (%rdi,%rax,4),%ymm2
    1008:\tvfmadd231ps (%rsi),%ymm2,%ymm0
    100d:\tvfmadd231ps 0x20(%rsi),%ymm2,%ymm1
    1013:\tinc    %rax
    1016:\tjne    1002 <tile_pixels_32_1x2+0x2>
    1018:\tret
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("vfmadd231ps 0x20(%rsi),%ymm2,%ymm1", "vfmadd231ss 0x20(%rsi),%xmm2,%xmm1"),
        ("vfmadd231ps 0x20(%rsi),%ymm2,%ymm1", "vmovaps %ymm1,0x20(%rsp)"),
        ("jne    1002", "jne    1018"),
        ("inc    %rax", "vmovaps %ymm1,-0x40(%rbp)"),
        ("%ymm", "%xmm"),
    ],
    ids=["scalar", "missing", "outside the loop", "spilled", "narrow"],
)
def test_broken_tile_is_found(old, new):
    assert broken_tiles(functions(GOOD), "v3") == []
    broken = GOOD.replace(old, new)
    assert broken != GOOD
    assert broken_tiles(functions(broken), "v3") == ["tile_pixels_32_1x2"]


def test_only_loops_without_another_inside_are_innermost():
    code = [
        Instruction(0, "nop"), Instruction(1, "addps %xmm0,%xmm1"), Instruction(2, "jne    1 <f>"),
        Instruction(3, "jmp    0 <f>"), Instruction(4, "jmp    9 <f>"),
    ]
    assert list(innermost_loops(code)) == [("addps %xmm0,%xmm1", "jne    1 <f>")]
