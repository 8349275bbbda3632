"""CPU level, threads and recycled memory, as a process sees them."""

import multiprocessing
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import threadpoolctl

import upshape as up
from upshape import _machine, runtime

MIB = 1 << 20
OPENMP = bool(_machine.build()["openmp"])


def run_python(code, **environment):
    """Run a program with these variables; None: without one."""
    variables = {**os.environ, **environment}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={name: value for name, value in variables.items() if value is not None},
        capture_output=True, text=True, timeout=120, check=False,
    )


@pytest.fixture
def threads():
    before = up.get_num_threads()
    yield up.set_num_threads
    up.set_num_threads(before)


@pytest.fixture
def store():
    limit = _machine.store_info()["limit_bytes"]
    up.clear_cache()
    yield _machine.store_info
    _machine.set_limit(limit)
    up.clear_cache()


# --- CPU level -----------------------------------------------------------------------------------


@pytest.mark.parametrize("level", runtime.usable_levels())
def test_each_usable_level_can_be_forced(level):
    result = run_python("import upshape as up; up.show_config()", UPSHAPE_CPU=level)
    assert result.returncode == 0, result.stderr
    assert f"{level} (UPSHAPE_CPU)" in result.stdout


def test_best_level_is_chosen_when_none_is_forced():
    result = run_python("from upshape import runtime; print(runtime.LEVEL)", UPSHAPE_CPU="")
    assert result.stdout.strip() == runtime.usable_levels()[0]


def test_unknown_level_is_refused_with_the_known_ones():
    result = run_python("import upshape", UPSHAPE_CPU="avx2")
    assert result.returncode != 0
    assert "UPSHAPE_CPU='avx2' is no CPU level" in result.stderr
    assert "x86-64-v3" in result.stderr


def test_level_that_the_machine_lacks_is_refused(monkeypatch):
    monkeypatch.setattr(_machine, "x86_level", lambda: 2)
    monkeypatch.setattr(runtime, "_built", lambda level: level != "generic")
    monkeypatch.setenv("UPSHAPE_CPU", "x86-64-v4")
    with pytest.raises(ImportError, match=r"this CPU lacks .* it can run x86-64-v2"):
        runtime._choose_level()


def test_level_that_was_not_built_is_refused(monkeypatch):
    monkeypatch.setattr(runtime, "_built", lambda level: level == "x86-64-v2")
    monkeypatch.setenv("UPSHAPE_CPU", "generic")
    with pytest.raises(ImportError, match="no kernels were built for it; built: x86-64-v2"):
        runtime._choose_level()


def test_show_config_names_what_a_bug_report_needs(capsys):
    up.show_config()
    text = capsys.readouterr().out
    assert up.__version__ in text
    for word in ("compiler", "flags", "levels built", "level in use", "OpenMP", "threads",
                 "last-level cache", "memory store"):
        assert word in text


def test_version_is_the_installed_one():
    from importlib.metadata import version

    assert up.__version__ == version("upshape")


def test_a_clone_beside_a_script_does_not_hide_the_installed_package(tmp_path):
    """Python takes a folder of the name for a package, unless it finds one anywhere."""
    script = tmp_path / "script.py"
    script.write_text("import importlib.util as u; print(u.find_spec('upshape'))")
    plain = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONSAFEPATH")}

    def found() -> str:
        return subprocess.run([sys.executable, script], env=plain, capture_output=True, text=True,
                              timeout=120, check=True).stdout

    if "__init__.py" not in found():
        pytest.skip("upshape is not installed")
    (tmp_path / "upshape").mkdir()
    assert "__init__.py" in found()


# --- threads -------------------------------------------------------------------------------------


def test_set_num_threads_is_what_get_returns(threads):
    for n in (1, 2, 7, np.int64(3)):
        threads(n)
        assert up.get_num_threads() == (n if OPENMP else 1)


@pytest.mark.parametrize(("n", "error"), [
    (0, ValueError), (-1, ValueError), (10**9, ValueError),
    (1.0, TypeError), (True, TypeError), ("2", TypeError), (None, TypeError),
])
def test_bad_thread_counts_are_refused(n, error):
    before = up.get_num_threads()
    with pytest.raises(error, match="set_num_threads: n="):
        up.set_num_threads(n)
    assert up.get_num_threads() == before


@pytest.mark.parametrize(("environment", "expected"), [
    ({"UPSHAPE_NUM_THREADS": "3", "OMP_NUM_THREADS": "5"}, 3),
    ({"OMP_NUM_THREADS": "5"}, 5),
    ({"OMP_NUM_THREADS": "4,2"}, 4),
])
def test_environment_sets_the_threads(environment, expected):
    result = run_python("import upshape as up; print(up.get_num_threads())", **environment)
    assert result.stdout.split() == [str(expected if OPENMP else 1)], result.stderr


@pytest.mark.parametrize("text", ["0", "two", "-1", "1.5"])
def test_bad_environment_is_refused_by_name(text):
    result = run_python("import upshape", UPSHAPE_NUM_THREADS=text)
    assert result.returncode != 0
    assert f"UPSHAPE_NUM_THREADS='{text}' must be a whole number" in result.stderr


def test_default_is_the_cpus_this_process_may_run_on():
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "import upshape as up; print(up.get_num_threads())"
    )
    environment = {"UPSHAPE_NUM_THREADS": None, "OMP_NUM_THREADS": None}
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system has no CPU affinity")
    assert run_python(code, **environment).stdout.split() == ["1"]


def test_threadpoolctl_limits_the_threads(threads):
    if not OPENMP:
        pytest.skip("threadpoolctl limits OpenMP, which this build is without")
    threads(5)
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with threadpoolctl.threadpool_limits(limits=1, user_api="openmp"):
        # Where OpenMP's own limit is 1 already, threadpoolctl changes nothing that could be seen.
        assert up.get_num_threads() == (1 if cpus > 1 else 5)
    assert up.get_num_threads() == 5


def work():
    x = np.arange(8 * 64 * 64, dtype=np.float32).reshape(1, 8, 64, 64)
    return up.interpolate(x, scale_factor=4, mode="bilinear")


def child(queue):
    up.set_num_threads(4)
    queue.put((up.get_num_threads(), float(work().sum())))


@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="this system has no fork"
)
def test_forked_child_works_after_threads_were_used(threads):
    threads(2)
    expected = float(work().sum())
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    try:
        assert queue.get(timeout=60) == (1, expected)
        process.join(60)
        assert process.exitcode == 0
    finally:
        process.kill()
    assert float(work().sum()) == expected


def test_many_python_threads_get_the_same_result():
    expected = work()
    results = []

    def collect():
        results.extend(work() for _ in range(8))

    workers = [threading.Thread(target=collect) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == 48
    for result in results:
        np.testing.assert_array_equal(result, expected)


# --- memory --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["u1", "f4", "c16"])
@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (3, 1000, 1000), (1, 2, 3, 4, 5)])
def test_empty_is_an_ordinary_array(shape, dtype):
    array = _machine.empty(shape, np.dtype(dtype))
    assert type(array) is np.ndarray
    assert array.shape == shape
    assert array.dtype == dtype
    assert array.flags.c_contiguous
    assert array.flags.writeable
    assert array.flags.aligned
    array[...] = 1
    assert (array == 1).all()


def test_block_is_kept_and_used_again_by_its_size_class(store):
    array = _machine.empty((8 * MIB,), np.dtype("u1"))
    address = array.ctypes.data
    assert address % (2 * MIB) == 0
    del array
    assert store()["kept_bytes"] == 8 * MIB
    again = _machine.empty((2 * MIB - 1,), np.dtype("f4"))
    assert again.ctypes.data == address
    assert store()["kept_bytes"] == 0


def test_a_view_keeps_its_block(store):
    view = _machine.empty((4 * MIB,), np.dtype("u1"))[10:20]
    view[:] = 7
    assert store()["kept_bytes"] == 0
    other = _machine.empty((4 * MIB,), np.dtype("u1"))
    other[:] = 0
    assert (view == 7).all()


def test_two_live_results_never_share_memory(store):
    arrays = [_machine.empty((3 * MIB,), np.dtype("u1")) for _ in range(8)]
    for value, array in enumerate(arrays):
        array[:] = value
    del arrays[::2]
    arrays += [_machine.empty((3 * MIB,), np.dtype("u1")) for _ in range(4)]
    for value in range(4):
        arrays[4 + value][:] = 100 + value
    assert [int(a[0]) for a in arrays] == [1, 3, 5, 7, 100, 101, 102, 103]
    assert all((a == a[0]).all() for a in arrays)


def test_store_is_bounded_and_drops_the_oldest(store):
    _machine.set_limit(16 * MIB)
    arrays = [_machine.empty(((2 + 2 * k) * MIB,), np.dtype("u1")) for k in range(5)]
    while arrays:
        arrays.pop(0)
        assert store()["kept_bytes"] <= 16 * MIB
    assert store()["kept_bytes"] == 10 * MIB  # the largest alone: 8 + 10 would be too many
    _machine.set_limit(0)
    assert store()["kept_bytes"] == 0


def test_many_small_blocks_are_bounded_by_number(store):
    arrays = [_machine.empty((2 * MIB,), np.dtype("u1")) for _ in range(100)]
    del arrays
    assert store()["blocks"] <= 64


def test_clear_cache_gives_memory_back_and_leaves_live_arrays(store):
    live = _machine.empty((4 * MIB,), np.dtype("u1"))
    live[:] = 3
    del_me = _machine.empty((4 * MIB,), np.dtype("u1"))
    del del_me
    up.clear_cache()
    assert store()["kept_bytes"] == 0
    assert (live == 3).all()


@pytest.mark.parametrize("shape", [(1 << 62, 8), (1 << 70,), (1 << 31, 1 << 31, 4), (1 << 44,)])
def test_sizes_that_no_memory_holds_are_memory_errors(shape):
    with pytest.raises(MemoryError, match="shape"):
        _machine.empty(shape, np.dtype("f8"))


def test_cache_limit_comes_from_the_environment():
    code = "from upshape import _machine; print(_machine.store_info()['limit_bytes'])"
    assert run_python(code, UPSHAPE_CACHE_MB="5").stdout.split() == [str(5 * MIB)]
    assert "UPSHAPE_CACHE_MB='x'" in run_python(code, UPSHAPE_CACHE_MB="x").stderr


def test_a_block_of_a_larger_class_is_no_block_for_a_smaller_result(store):
    """It would come back as a smaller one, and the rest of it be lost."""
    large = _machine.empty((16 * MIB,), np.dtype("u1"))
    address = large.ctypes.data
    del large
    before = store()["mapped"]
    small = _machine.empty((2 * MIB,), np.dtype("u1"))
    assert not address <= small.ctypes.data < address + 16 * MIB
    assert store()["mapped"] == before + 1
    assert store()["kept_bytes"] == 16 * MIB
    del small
    assert store()["kept_bytes"] == 18 * MIB
    assert store()["blocks"] == 2


def test_a_block_beyond_the_limit_is_not_kept(store):
    _machine.set_limit(6 * MIB)
    small = _machine.empty((2 * MIB,), np.dtype("u1"))
    del small
    large = _machine.empty((8 * MIB,), np.dtype("u1"))
    del large
    assert store()["kept_bytes"] <= 6 * MIB
    whole = _machine.empty((6 * MIB,), np.dtype("u1"))
    del whole
    assert store()["kept_bytes"] == 6 * MIB


# Bytes of this process that are in memory now.
RESIDENT = """
import resource
import numpy as np
import upshape as up
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
"""
linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the memory of a process is read as on Linux"
)


@linux
def test_clear_cache_gives_pages_back_to_the_system():
    code = RESIDENT + """
before = resident()
ys = [up.interpolate(np.ones((1, 4, 512, 512), np.float32), scale_factor=4) for _ in range(3)]
full = resident() - before
del ys
kept = resident() - before
up.clear_cache()
print(full >> 20, kept >> 20, resident() - before >> 20)
"""
    result = run_python(code, UPSHAPE_CACHE_MB="256")
    full, kept, left = map(int, result.stdout.split())
    assert full >= 192, result.stderr
    assert kept >= 192
    assert left <= 32


@linux
@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("channel_axis", [1, -1])
def test_calls_that_write_past_the_cache_leave_no_memory_behind(mode, channel_axis):
    """400 calls, with and without `out`, of reversed, channels-last and misaligned arrays."""
    code = RESIDENT + f"""
from upshape import interpolation
interpolation._STREAMED_FROM = 0
up.set_num_threads(1)
x = np.ones((1, 8, 40, 60), np.float32)
odd = np.ndarray(x.shape, "f4", np.zeros(x.nbytes + 1, "u1"), 1)
odd[...] = x
inputs = [x, x[..., ::-1], np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1), odd]
def round():
    for a in inputs:
        a = a if {channel_axis} == 1 else np.moveaxis(a, 1, -1)
        up.interpolate(a, size=(97, 131), mode={mode!r}, channel_axis={channel_axis})
        out = np.empty((1, 8, 80, 121) if {channel_axis} == 1 else (1, 80, 121, 8), "f4")
        up.interpolate(a, size=(80, 121), mode={mode!r}, channel_axis={channel_axis}, out=out)
for _ in range(5):
    round()
before = resident()
for _ in range(50):
    round()
print(resident() - before)
"""
    result = run_python(code)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) <= 2 * MIB
