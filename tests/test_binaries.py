"""The compiled modules as the system's loader sees them: what is hardened, exported, looked for.

ELF is read here, without a tool: the tests run wherever the modules do.
"""

import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import upshape
from upshape import _machine

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SEGMENT = struct.Struct("<IIQQQQQQ")
SECTION = struct.Struct("<IIQQQQIIQQ")
DYNAMIC = struct.Struct("<qQ")
SYMBOL = struct.Struct("<IBBHQQ")

EXECUTABLE = 1
GNU_STACK, GNU_RELRO = 0x6474E551, 0x6474E552
NEEDED, STRTAB, TEXTREL, RPATH, RUNPATH, FLAGS, FLAGS_1 = 1, 5, 22, 15, 29, 30, 0x6FFFFFFB
BIND_NOW, NOW = 8, 1
SYMBOLS_OF_THE_LOADER = 11


@dataclass
class Module:
    """What an ELF file says of itself."""

    segments: dict[int, int] = field(default_factory=dict)  # type: flags
    dynamic: dict[int, list[int]] = field(default_factory=dict)
    exported: set[str] = field(default_factory=set)
    imported: set[str] = field(default_factory=set)
    folders: list[str] = field(default_factory=list)

    @property
    def bound_at_once(self):
        return any(
            value & bit
            for tag, bit in ((FLAGS, BIND_NOW), (FLAGS_1, NOW))
            for value in self.dynamic.get(tag, [])
        )


def text_at(strings, offset):
    return strings[offset : strings.index(b"\0", offset)].decode()


def read_elf(data):
    """Read a 64-bit little-endian ELF file."""
    module = Module()
    header = HEADER.unpack_from(data)
    assert header[0][:6] == b"\x7fELF\x02\x01"
    at, sections_at, _, _, size, count, section_size, sections, _ = header[5:]
    for k in range(count):
        segment = SEGMENT.unpack_from(data, at + k * size)
        module.segments[segment[0]] = segment[1]
    tables = [SECTION.unpack_from(data, sections_at + k * section_size) for k in range(sections)]
    for table in tables:
        kind, start, length = table[1], table[4], table[5]
        if kind not in (6, SYMBOLS_OF_THE_LOADER):
            continue
        link = tables[table[6]]
        strings = data[link[4] : link[4] + link[5]]
        if kind == SYMBOLS_OF_THE_LOADER:
            for k in range(start + SYMBOL.size, start + length, SYMBOL.size):
                name, _, visibility, place, _, _ = SYMBOL.unpack_from(data, k)
                kinds = module.exported if place else module.imported
                if not place or visibility & 3 in (0, 3):
                    kinds.add(text_at(strings, name))
            continue
        for k in range(start, start + length, DYNAMIC.size):
            tag, value = DYNAMIC.unpack_from(data, k)
            module.dynamic.setdefault(tag, []).append(value)
            if tag in (RPATH, RUNPATH):
                module.folders += text_at(strings, value).split(":")
    return module


@pytest.fixture(scope="module")
def modules():
    """Return every compiled module of the package that is tested, by name."""
    if sys.platform != "linux" or sys.byteorder != "little" or sys.maxsize < 2**32:
        pytest.skip("these tests read 64-bit little-endian ELF")
    root = Path(upshape.__file__).parent
    paths = sorted(root.glob("**/*.so"))
    assert len(paths) >= 6
    return {str(path.relative_to(root)): read_elf(path.read_bytes()) for path in paths}


def failing(modules, fault):
    return sorted(name for name, module in modules.items() if fault(module))


def test_addresses_are_bound_at_once_and_then_read_only(modules):
    assert failing(modules, lambda m: not m.bound_at_once) == []
    assert failing(modules, lambda m: GNU_RELRO not in m.segments) == []


def test_no_stack_is_executable_and_no_code_is_written_to(modules):
    assert failing(modules, lambda m: m.segments.get(GNU_STACK, EXECUTABLE) & EXECUTABLE) == []
    assert failing(modules, lambda m: TEXTREL in m.dynamic) == []


def test_only_what_python_calls_is_exported(modules):
    for name, module in modules.items():
        # clang names the lock of OpenMP's reductions alike in all modules, so that it is one.
        exported = {symbol for symbol in module.exported if not symbol.startswith(".gomp_")}
        assert exported == {f"PyInit_{Path(name).name.split('.')[0]}"}


def test_stacks_are_guarded(modules):
    if "-fstack-protector-strong" not in _machine.build()["flags"]:
        pytest.skip("this compiler knows no stack protector")
    assert failing(modules, lambda m: "__stack_chk_fail" not in m.imported) == []


def test_no_folder_of_the_building_machine_is_searched(modules):
    def foreign(module):
        return [
            folder for folder in module.folders
            if not folder.startswith("$ORIGIN") and not list(Path(folder).glob("lib*omp*"))
        ]

    assert failing(modules, foreign) == []


# --- the reader bites ----------------------------------------------------------------------------


@pytest.fixture
def file(modules):
    root = Path(upshape.__file__).parent
    return bytearray((root / next(iter(modules))).read_bytes())


def test_reader_sees_lazy_binding_and_an_executable_stack(file):
    for k in range(HEADER.unpack_from(file)[10]):
        at = HEADER.unpack_from(file)[5] + k * SEGMENT.size
        kind, flags = struct.unpack_from("<II", file, at)
        if kind == GNU_STACK:
            struct.pack_into("<I", file, at + 4, flags | EXECUTABLE)
        if kind == GNU_RELRO:
            struct.pack_into("<I", file, at, 0)
    for tag in (FLAGS, FLAGS_1):  # no flag, and a folder for it
        found = file.find(struct.pack("<qQ", tag, {FLAGS: BIND_NOW, FLAGS_1: NOW}[tag]))
        assert found > 0
        struct.pack_into("<qQ", file, found, RUNPATH if tag == FLAGS else tag, 0)
    read = read_elf(bytes(file))
    assert not read.bound_at_once
    assert GNU_RELRO not in read.segments
    assert read.segments[GNU_STACK] & EXECUTABLE
    assert "" in read.folders


def test_reader_sees_what_is_imported(modules):
    for name, module in modules.items():
        assert "PyModuleDef_Init" in module.imported, name
        assert not module.imported & module.exported
