"""The benchmark itself: what it counts, whom it believes, and that it times what it says."""

import json
import random
import weakref
from itertools import pairwise

import numpy as np
import pytest

import upshape as up
from upshape import runtime

pytest.importorskip("benchmarks", reason="the benchmarks are not part of an installed upshape")

from benchmarks import limits, machine, peers
from benchmarks.cases import Convolution, Goal, Interpolate, Pyramid, table
from benchmarks.contenders import disagreement
from benchmarks.results import Result, checks, geometric_mean, load, resume, save
from benchmarks.run import by_definition, left, prepare, run_case
from benchmarks.sweep_cases import KINDS, MOST_FLOPS, MOST_RESULT_BYTES
from benchmarks.timing import Timing, measure


@pytest.fixture
def keep_threads():
    before = up.get_num_threads()
    yield
    up.set_num_threads(before)


def result(times, **more):
    fields = {
        "case": "a case", "group": "a group", "threads": 1, "judged": "upshape", "headline": False,
        "result_bytes": 8000, "flops": 0, "peak_flops": 0, "fills": [limits.PLAIN],
    }
    timings = {name: Timing(t, t, 9) for name, t in times.items()}
    return Result(**fields | more, times=timings)


# --- the table -----------------------------------------------------------------------------------


def test_operations_are_those_of_the_definition():
    case = Convolution(name="", group="", shape=(2, 6, 5, 5), channels=4, kernel=3, groups=2)
    # 2 pictures, 25 input pixels, 9 taps, each input channel to the 2 output channels of its group
    assert case.flops((2, 4, 7, 7)) == 2 * 2 * 25 * 9 * 6 * 2
    down = Convolution(
        name="", group="", transposed=False, shape=(1, 6, 5, 5), channels=4, kernel=3
    )
    assert down.flops((1, 4, 3, 3)) == 2 * 9 * 9 * 6 * 4


def test_names_are_unique_and_goals_name_cases():
    cases = table()
    names = [case.name for case in cases]
    assert len(set(names)) == len(names) > 60
    wanted = [case.goal.rate_of[0] for case in cases if case.goal and case.goal.rate_of]
    assert wanted
    assert set(wanted) <= set(names)


@pytest.mark.parametrize("kind", KINDS)
def test_random_cases_are_bounded_and_reproducible(kind):
    first, second = ([KINDS[kind](rng, n) for n in range(50)] for rng in map(random.Random, (3, 3)))
    assert first == second
    for case in first:
        if isinstance(case, Convolution):
            assert not case.transposed or case.flops(()) <= MOST_FLOPS
            if (case.transposed and case.flops(()) > 1e7) or case.kernel**2 * case.channels > 1e4:
                continue
            x, weight, bias = case.data()
            name = f"conv{'_transpose' * case.transposed}{case.rank}d"
            numbers = {
                key: getattr(case, key) for key in ("stride", "padding", "dilation", "groups")
            }
            if case.transposed:
                numbers["output_padding"] = case.output_padding
            assert getattr(up, name)(x, weight, bias, **numbers).nbytes <= MOST_RESULT_BYTES


# --- results -------------------------------------------------------------------------------------


def test_ratio_is_the_best_peers_time_over_ours():
    r = result({
        "upshape": 2.0, "upshape out": 1.0, "torch": 5.0, "torch channels_last": 3.0,
        "opencv HWC": 4.0, limits.PLAIN: 0.5, limits.STREAM: 0.1,
    })
    assert r.best_peer() == ("torch channels_last", 3.0)
    assert r.ratio() == 1.5
    assert r.ratio("opencv") == 2.0
    assert r.ratio("torch") == 1.5
    assert r.ratio("NCHW") == 2.0
    assert r.ratio("pillow") is None


def test_distance_is_to_the_longer_of_writing_and_computing():
    times = {"upshape": 4.0, limits.PLAIN: 2.0, limits.STREAM: 1.0}
    assert result(times).distance == 0.5
    assert result(times, fills=[limits.STREAM]).distance == 0.25
    computing = times | {limits.PEAK: 1.0}
    assert result(computing, flops=300, peak_flops=100).distance == 0.75


def test_goals_are_met_from_the_goal_on_and_missed_below():
    goal = Goal(limit=0.5, ratio=1.5, over={"torch": 2.0}, microseconds=5e6)
    times = {"upshape": 4.0, "torch": 8.0, "opencv HWC": 6.0, limits.PLAIN: 2.0}
    found = checks(result(times, goal=goal), {})
    assert [check.value for check in found] == [0.5, 1.5, 2.0, 4e6]
    assert all(check.met for check in found)
    slower = times | {"upshape": 4.1}
    met = {check.what: check.met for check in checks(result(slower, goal=goal), {})}
    assert met == {
        "of the limit": False, "over the best peer": False, "over torch": False,
        "microseconds": True,
    }


def test_reading_goal_counts_times_that_the_input_takes_to_be_read():
    goal = Goal(reading=1.5)
    times = {"upshape": 3.0, limits.READ: 2.0}
    (check,) = checks(result(times, goal=goal), {})
    assert check.value == 1.5
    assert check.met
    (check,) = checks(result(times | {"upshape": 3.1}, goal=goal), {})
    assert not check.met
    assert checks(result({"upshape": 3.0}, goal=goal), {}) == []
    assert result(times).best_peer() is None


def test_rate_goal_compares_bytes_a_second_of_two_cases():
    other = result({"upshape": 1.0}, case="float32", result_bytes=4000)
    mine = result({"upshape": 0.5}, result_bytes=1000, goal=Goal(rate_of=("float32", 0.5)))
    (check,) = checks(mine, {("float32", 1): other})
    assert check.value == 0.5
    assert check.met
    assert checks(mine, {("float32", 2): other}) == []


def test_kept_run_comes_back_whole(tmp_path):
    goal = Goal(0.9, over={"NCHW": 1.15}, rate_of=("other", 0.5))
    kept = [result({"upshape": 1.0, limits.PLAIN: 0.1}, goal=goal), result({"upshape": 2.0})]
    save(tmp_path / "run.json", {"cpu": "one"}, {"seconds": 1}, kept)
    assert load(tmp_path / "run.json") == ({"cpu": "one"}, {"seconds": 1}, kept)
    (tmp_path / "other.json").write_text(json.dumps({"format": 0}))
    with pytest.raises(SystemExit, match="not a run"):
        load(tmp_path / "other.json")


def test_a_run_that_is_cut_off_goes_on_where_it_was(tmp_path):
    kept, here, run = tmp_path / "run.json", {"cpu": "one", "date": "1"}, {"seconds": 6.0}
    first, second = (case for case in table() if case.name.endswith("call"))
    times = {"upshape": 2.0, limits.PLAIN: 1.0}
    save(kept, here, run, [result(times, case=first.name)])
    assert not list(tmp_path.glob("*.part"))
    found, results = resume(kept, here | {"date": "2"}, run)
    assert found == here
    assert [r.case for r in results] == [first.name]
    assert left([first, second], [1, 2], results) == [(first, 2), (second, 1), (second, 2)]
    with pytest.raises(SystemExit, match=r"another run's: seconds was 6.0, is 1.0; leave"):
        resume(kept, here, {"seconds": 1.0})
    with pytest.raises(SystemExit, match="another machine's: cpu was 'one', is 'two'"):
        resume(kept, {"cpu": "two"}, run)


@pytest.mark.parametrize(
    ("forced", "has", "is_held"),
    [("x86-64-v3", 4, True), ("x86-64-v3", 3, False), ("x86-64-v4", 4, False), (None, 4, False)],
)
def test_peers_are_held_to_avx2_where_upshape_is_and_the_machine_has_more(
    forced, has, is_held, monkeypatch
):
    monkeypatch.delenv("UPSHAPE_CPU", raising=False)
    if forced:
        monkeypatch.setenv("UPSHAPE_CPU", forced)
    monkeypatch.setattr(machine._machine, "x86_level", lambda: has)
    assert machine.held() == is_held


def test_geometric_mean():
    assert geometric_mean([0.5, 2.0]) == pytest.approx(1.0)
    assert geometric_mean([8.0]) == pytest.approx(8.0)


# --- agreement -----------------------------------------------------------------------------------

WAYS = {
    "nearest": Interpolate(name="", group="", mode="nearest"),
    "linear": Interpolate(name="", group="", mode="bilinear"),
    "convolution": Convolution(name="", group=""),
}


@pytest.mark.parametrize("case", WAYS.values(), ids=WAYS)
def test_wrong_results_are_refused(case, rng):
    ours = rng.standard_normal((1, 3, 8, 8), dtype=np.float32)
    assert disagreement(case, ours, ours.copy()) is None
    unwritten = ours.copy()
    unwritten[0, 2, 7] = 0
    for wrong in (np.roll(ours, 1, 3), ours.swapaxes(2, 3), unwritten, np.zeros_like(ours)):
        assert disagreement(case, ours, wrong) is not None
    assert "shape" in disagreement(case, ours, ours[..., :7])


def test_pixels_at_the_border_may_be_left_out_and_no_others():
    case = Interpolate(name="", group="", mode="bicubic", dtype="uint8")
    ours = np.full((1, 1, 9, 9), 200, np.uint8)
    theirs = ours.copy()
    theirs[..., 1] = 100
    assert disagreement(case, ours, theirs, border=1) is not None
    assert disagreement(case, ours, theirs, border=2) is None
    assert disagreement(case, ours, ours + np.uint8(2), levels=2) is None
    assert "dtype" in disagreement(case, ours, ours.astype(np.float32))


@pytest.mark.parametrize(("mode", "antialias"), [("bicubic", False), ("lanczos", True)])
def test_bytes_of_many_taps_never_overshoot(mode, antialias):
    case = Interpolate(
        name="", group="", shape=(1, 3, 40, 50), size=(90, 70), mode=mode, dtype="uint8",
        antialias=antialias,
    )
    result = up.interpolate(case.data(), case.size, mode=mode, antialias=antialias)
    assert 0 < result.min() < 80
    assert 175 < result.max() < 255


def test_every_case_of_many_taps_has_its_way():
    found = {(case.group, case.mode, case.antialias) for case in table() if case.group in
             ("growing", "shrinking", "resized volumes")}
    assert {mode for _, mode, _ in found} == {
        "bilinear", "bicubic", "lanczos", "area", "trilinear", "tricubic",
    }
    assert all(antialias for _, mode, antialias in found if mode == "lanczos")


def test_a_peer_that_is_not_installed_is_named_and_the_others_stay(monkeypatch):
    monkeypatch.setitem(peers.PEERS, "pillow", "no_such_package.of_any_kind")
    peers.library.cache_clear()
    try:
        assert peers.missing("pillow") == "no_such_package"
        case = Interpolate(
            name="", group="", shape=(1, 1, 8, 8), scale=2, mode="bilinear", picture=True
        )
        taking_part, left_out, _, _ = prepare(case, 1, ["pillow"])
    finally:
        peers.library.cache_clear()
    assert set(taking_part) == {"upshape", "upshape out"}
    assert left_out == {"pillow": "not installed (no_such_package)"}


def test_definition_settles_who_is_wrong():
    case = Interpolate(
        name="", group="", shape=(1, 2, 4, 3), scale=0.5, mode="bilinear", dtype="uint8",
        layout="NHWC",
    )
    ours = up.interpolate(np.moveaxis(case.data(), -1, 1), scale_factor=0.5, mode="bilinear")
    assert by_definition(case, ours)
    assert not by_definition(case, ours + np.uint8(3))


def test_linear_uint8_may_be_off_by_one_and_no_more():
    case = Interpolate(name="", group="", mode="bilinear", dtype="uint8")
    ours = np.full((1, 1, 2, 2), 200, np.uint8)
    assert disagreement(case, ours, ours + np.uint8(1)) is None
    assert disagreement(case, ours, ours + np.uint8(2)) is not None


# --- timing --------------------------------------------------------------------------------------


class Picture:
    """A result that can be watched."""


def test_results_are_dropped_before_the_next_call():
    alive, most = weakref.WeakSet(), []

    def call():
        most.append(len(alive))
        picture = Picture()
        alive.add(picture)
        return picture

    measure({"ours": call}, 0.01, 1, random.Random(0), set())
    assert max(most) == 0


def test_contenders_take_turns_and_a_slow_peer_is_dropped():
    calls = []
    contenders = {
        name: (lambda name=name, n=n: calls.append(name) or sum(range(n)))
        for name, n in (("ours", 2_000), ("peer", 2_000), ("slow peer", 60_000))
    }
    times, _ = measure(contenders, 0.4, 1, random.Random(0), {"peer", "slow peer"})
    assert times["ours"].rounds == times["peer"].rounds > times["slow peer"].rounds >= 5
    assert all(t.minimum <= t.median for t in times.values())
    assert times["slow peer"].minimum > 4 * times["ours"].minimum
    switches = sum(a != b for a, b in pairwise(calls))
    assert switches > times["ours"].rounds


# --- limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("fill", ["fill_stream", "fill_plain"])
def test_fills_write_everything(fill, threads):
    buffer = limits.aligned(100_000)
    buffer[:] = 7
    getattr(runtime.kernel("limits"), fill)(buffer, threads)
    assert buffer.nbytes >= 100_000
    assert (buffer == 1).all()


@pytest.mark.parametrize("loop", ["fill_stream", "read"])
def test_torn_line_is_refused(loop):
    buffer = limits.aligned(256)
    for torn in (buffer[4:], buffer[:-4], buffer[:0]):
        with pytest.raises(ValueError, match="whole lines"):
            getattr(runtime.kernel("limits"), loop)(torn, 1)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("lines", [1, 2, 7, 8, 9, 33, 1000])
def test_reading_reads_everything(lines, threads):
    buffer = limits.aligned(lines * limits.LINE)
    buffer[:] = np.arange(buffer.size) % 251
    assert runtime.kernel("limits").read(buffer, threads) == buffer.sum(dtype=np.float64)


def test_peak_counts_its_operations():
    loops = runtime.kernel("limits")
    one = loops.fma_peak(100, 1)
    assert one > 0
    assert one % (2 * 100) == 0
    assert loops.fma_peak(100, 2) == 2 * one
    assert loops.fma_peak(100, 1, True) == one // 2


# --- a case from end to end ----------------------------------------------------------------------

SMALL = [
    Interpolate(name="a", group="", shape=(1, 3, 5, 6), scale=2, mode="bilinear"),
    Interpolate(
        name="b", group="", shape=(2, 3, 5, 6), size=(7, 9), dtype="uint8", layout="NHWC"
    ),
    Interpolate(name="c", group="", shape=(1, 4, 5, 6), scale=2, layout="channels_last"),
    Interpolate(
        name="d", group="", shape=(1, 2, 8, 8), scale=2, misaligned=True, judged="upshape out"
    ),
    Pyramid(name="e", group="", shapes=((1, 2, 8, 8), (1, 3, 4, 4))),
    Interpolate(
        name="h", group="", shape=(1, 3, 20, 30), size=(7, 9), mode="bicubic", antialias=True,
        dtype="uint8", layout="NHWC", picture=True, goal=Goal(reading=1.5),
    ),
    Interpolate(
        name="i", group="", shape=(1, 3, 20, 30), size=(7, 9), mode="bilinear", like="pillow",
        dtype="uint8", antialias=True,
    ),
    Interpolate(name="j", group="", shape=(1, 1, 5, 6, 7), size=(7, 9, 8), mode="tricubic"),
    Convolution(name="f", group="", shape=(1, 2, 4, 4), channels=3, kernel=3, stride=2, padding=1),
    Convolution(name="g", group="", shape=(1, 2, 9), channels=3, kernel=3, transposed=False),
]


@pytest.mark.usefixtures("keep_threads")
@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
@pytest.mark.parametrize("threads", [1, 2])
def test_case_runs_without_peers(case, threads):
    r = run_case(case, threads, 0.01, random.Random(0), peers=[])
    assert r.ours > 0
    assert r.ratio() is None
    assert r.distance > 0
    assert r.wrong is None
    assert {"upshape", case.judged} <= set(r.times)
    assert (limits.PEAK in r.times) == isinstance(case, Convolution)
    assert (limits.READ in r.times) == (case.goal is not None)
