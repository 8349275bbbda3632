"""What the run was made on and with."""

from __future__ import annotations

import contextlib
import io
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import upshape as up
from upshape import _machine
from upshape.levels import LEVELS

PACKAGES = (
    "numpy", "torch", "onnxruntime", "openvino", "opencv-python-headless", "scipy", "scikit-image",
    "pillow", "kornia-rs", "volresample", "ai-edge-litert",
)


# What holds a peer to AVX2, for an upshape that is held to it. These have no such setting:
UNHELD = ("onnxruntime", "openvino", "litert")
AVX2 = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "OPENCV_CPU_DISABLE": "AVX512F,AVX512-COMMON,AVX512-SKX",
}


def held() -> bool:
    """Return whether upshape is held to AVX2 on a machine that has more."""
    level = "x86-64-v3"
    return os.environ.get("UPSHAPE_CPU") == level and _machine.x86_level() > LEVELS[level].needs


def hold_peers() -> None:
    """Hold peers that can be held to AVX2 where upshape is. Before they are imported."""
    if held():
        for name, value in AVX2.items():
            os.environ.setdefault(name, value)


def keep_teams() -> None:
    """Have upshape use all threads, also where those of its peers spin and make them late."""
    if "UPSHAPE_ADAPT_THREADS" not in os.environ:
        _machine.set_adaptive(False)


def cpu() -> str:
    """Return the processor's name; Linux keeps it in a file, elsewhere Python's word must do."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line for line in info.read_text().splitlines() if ":" in line]
        fields = dict(map(str.strip, line.split(":", 1)) for line in lines)
        numbers = [fields.get(key, "?") for key in ("cpu family", "model")]
        return f"{fields.get('model name', 'unknown')} (family {numbers[0]}, model {numbers[1]})"
    return platform.processor() or platform.machine()


def commit() -> str:
    """Return the commit of the checkout, marked where files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10"]
    try:
        answer = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return answer.stdout.strip()


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def configuration() -> dict[str, str]:
    """Return what up.show_config() prints, as fields."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        up.show_config()
    first, *rows = printed.getvalue().splitlines()
    fields = {"upshape": first.split()[-1]}
    for row in rows:
        name, _, value = row.strip().partition("  ")
        fields[name] = value.strip()
    return fields


def describe() -> dict[str, object]:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": cpu(),
        "cpus": usable,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "upshape": configuration(),
        "versions": versions(),
        "commit": commit(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }
