"""Measured orders of work: kept, used, saved, loaded; files of others, and no files, are told."""

import json
import os
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from assertions import assert_close_conv, assert_close_conv_transpose, assert_same_pixels
from layers import normal
from layouts import channels_last

import upshape as up
from upshape import choices, orders


@pytest.fixture(autouse=True)
def nothing_is_kept():
    up.forget_choices()
    yield
    up.forget_choices()


def layer_of(rng, channels=(12, 16), **parameters):
    weight = normal(rng, (*channels, 3, 3))
    return up.ConvTranspose2d(weight, normal(rng, (channels[1],)), 2, 1, **parameters)


def kept_orders():
    return {choice.order for choice in choices._kept.values()}


def frames(layer, x):
    return orders.frames_of(x, layer(x))


def force(layer, x, order, source=None):
    choices.keep(orders.key_of(layer._parameters, frames(layer, x)), choices.Choice(order, source))


def test_measuring_times_every_order_and_keeps_the_fastest(rng):
    layer, x = layer_of(rng), normal(rng, (1, 12, 20, 30))
    times = layer.measure(x, seconds=0.02)
    assert list(times.values()) == sorted(times.values())
    assert {"pixels", "transposed", "col2im"} <= set(times)
    assert all(took > 0 for took in times.values())
    assert kept_orders() == {next(iter(times))}
    chosen, _ = orders.plan(layer._parameters, x, layer(x), 1)
    assert chosen.name == next(iter(times))


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("threads", [1, 2])
def test_every_order_that_is_kept_is_the_one_that_computes(last, threads, rng):
    up_to, before = threads, up.get_num_threads()
    up.set_num_threads(up_to)
    try:
        for kind, close in [
            (up.ConvTranspose2d, assert_close_conv_transpose), (up.Conv2d, assert_close_conv)
        ]:
            weight = normal(rng, (12, 12, 3, 3))
            layer, x = kind(weight, normal(rng, (12,)), padding=1), normal(rng, (2, 12, 17, 23))
            x = channels_last(x) if last else x
            ways = list(orders.ways(layer._parameters, frames(layer, x), threads))
            assert len(ways) > 3
            for order, source, _ in ways:
                force(layer, x, order.name, source)
                close(layer(x), x, weight, layer.bias, padding=1)
                close(layer(x), x, weight, layer.bias, padding=1)
                name, plan = orders.plan(layer._parameters, x, layer(x), threads)
                assert name is order
                assert source in (None, plan.description["source"])
    finally:
        up.set_num_threads(before)


def test_the_kept_order_holds_for_every_number_of_threads(rng):
    layer, x = layer_of(rng), normal(rng, (1, 12, 40, 50))
    for name in ("pixels", "transposed", "col2im"):
        force(layer, x, name)
        out = layer(x)
        names = {orders.plan(layer._parameters, x, out, n)[0].name for n in (1, 2, 7)}
        assert names == {name}


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(("channels", "size", "parameters"), [
    ((12, 16), (17, 23), {"stride": 2, "padding": 1}),
    ((3, 8), (9, 70), {"stride": 4}),
    ((700, 12), (7, 9), {}),
    ((24, 24), (13, 14), {"padding": 1, "groups": 24}),
])
def test_an_image_of_a_batch_gets_the_bits_that_it_gets_alone(
    channels, size, parameters, last, rng
):
    """In one order of work, wherever its tiles read; which order is chosen hangs on the batch."""
    groups = parameters.get("groups", 1)
    for kind, shape in [(up.ConvTranspose2d, (channels[0], channels[1] // groups, 3, 3)),
                        (up.Conv2d, (channels[1], channels[0] // groups, 3, 3))]:
        layer = kind(normal(rng, shape), normal(rng, channels[1:]), **parameters)
        x = normal(rng, (3, channels[0], *size))
        images = [x[n:n + 1].copy() for n in range(3)]
        if last:
            x, images = channels_last(x), [channels_last(image) for image in images]
        both = [orders.ways(layer._parameters, frames(layer, each), 1) for each in (x, images[0])]
        together, alone = [[(order.name, source) for order, source, _ in ways] for ways in both]
        assert len(together) > 1
        for name, source in together:
            force(layer, x, name, source)
            whole = layer(x)
            assert (name, None) in alone
            for other in [other for other in alone if other[0] == name]:
                force(layer, images[0], *other)
                for n, image in enumerate(images):
                    assert layer(image).tobytes() == whole[n].tobytes(), (name, source, other)
        up.forget_choices()


def test_other_shapes_memory_orders_and_layers_are_not_concerned(rng):
    layer, x = layer_of(rng), normal(rng, (1, 12, 20, 30))
    estimated, _ = orders.plan(layer._parameters, x, layer(x), 1)
    other = next(name for name in ("pixels", "transposed") if name != estimated.name)
    force(layer, x, other)
    again = layer_of(rng)
    assert orders.plan(again._parameters, x, again(x), 1)[0].name == other
    wider, last = normal(rng, (1, 12, 20, 31)), channels_last(x)
    before = {}
    for key, array in {"wider": wider, "last": last}.items():
        before[key] = orders.plan(layer._parameters, array, layer(array), 1)[0].name
    up.forget_choices()
    for key, array in {"wider": wider, "last": last}.items():
        assert orders.plan(layer._parameters, array, layer(array), 1)[0].name == before[key]


def test_a_known_call_takes_the_order_that_is_measured_later(rng):
    layer, x = layer_of(rng), normal(rng, (1, 12, 20, 30))
    results = {}
    for name in ("pixels", "transposed", "col2im"):
        force(layer, x, name)
        out = np.empty_like(layer(x))
        results[name] = layer(x).copy(), layer(x, out=out).copy()
        assert_same_pixels(*results[name])
        function = up.conv_transpose2d(x, layer.weight, layer.bias, 2, 1)
        assert_same_pixels(function, results[name][0])
        packed = {parameters_and_order[1].name for parameters_and_order in layer._values.packed}
        assert name in packed


def test_clear_cache_leaves_what_was_measured(rng):
    layer, x = layer_of(rng), normal(rng, (1, 12, 20, 30))
    layer.measure(x, seconds=0.01)
    before = kept_orders()
    up.clear_cache()
    assert kept_orders() == before != set()
    up.forget_choices()
    assert kept_orders() == set()


def test_output_sizes_and_unbatched_inputs_are_measured(rng):
    layer, x = layer_of(rng), normal(rng, (12, 9, 10))
    assert layer.measure(x, output_size=(18, 20), seconds=0.01)
    key = next(iter(choices._kept))
    assert (1, 16, 1, 18, 20) in key
    assert layer(x, output_size=(18, 20)).shape == (16, 18, 20)
    assert layer.measure(np.empty((0, 12, 9, 10), np.float32)) == {}


def test_bad_arguments_of_measure_are_refused_by_name(rng):
    layer = layer_of(rng)
    for seconds in (0, -1, float("nan"), float("inf"), "soon", None):
        with pytest.raises(ValueError, match=r"^ConvTranspose2d: seconds=.* must be a positive"):
            layer.measure(np.ones((1, 12, 5, 5), np.float32), seconds=seconds)
    with pytest.raises(ValueError, match=r"^ConvTranspose2d: .*x has"):
        layer.measure(np.ones((1, 11, 5, 5), np.float32))
    with pytest.raises(ValueError, match="output_size=99"):
        layer.measure(np.ones((1, 12, 5, 5), np.float32), output_size=99)
    assert kept_orders() == set()


def test_what_is_saved_is_loaded(rng, tmp_path):
    layer, x = layer_of(rng), normal(rng, (1, 12, 20, 30))
    for array in (x, channels_last(x)):
        layer.measure(array, seconds=0.01)
    before, path = dict(choices._kept), tmp_path / "choices.json"
    assert up.save_choices(path) == len(before) == 2
    up.forget_choices()
    assert up.load_choices(str(path)) == 2
    assert choices._kept == before
    for array in (x, channels_last(x)):
        key = orders.key_of(layer._parameters, frames(layer, array))
        chosen, _ = orders.plan(layer._parameters, array, layer(array), 1)
        assert chosen.name == before[key].order


def test_loading_adds_to_what_is_there_and_replaces_the_same(rng, tmp_path):
    layer, x = layer_of(rng), normal(rng, (1, 12, 20, 30))
    force(layer, x, "pixels")
    up.save_choices(tmp_path / "one")
    force(layer, x, "transposed")
    force(layer, normal(rng, (1, 12, 21, 30)), "col2im")
    assert up.load_choices(tmp_path / "one") == 1
    assert sorted(choice.order for choice in choices._kept.values()) == ["col2im", "pixels"]


@pytest.mark.parametrize("field", ["level", "cpu", "upshape"])
def test_files_of_other_machines_are_left_alone_with_a_word(field, rng, tmp_path):
    layer, x, path = layer_of(rng), normal(rng, (1, 12, 20, 30)), tmp_path / "choices.json"
    force(layer, x, "pixels")
    up.save_choices(path)
    told = json.loads(path.read_text()) | {field: "another"}
    path.write_text(json.dumps(told))
    up.forget_choices()
    with pytest.warns(RuntimeWarning, match=f"left alone: it was made for {field} 'another', not"):
        assert up.load_choices(path) == 0
    assert kept_orders() == set()


BAD = {
    "empty": "", "text": "no choices", "a number": "3", "a list": "[]", "null": "null",
    "binary": "\x00\xff\x00", "deep": "[" * 100000,
    "another format": {"format": 99}, "no choices": {"choices": None},
    "a row that is none": {"choices": [3]}, "a short row": {"choices": [[[1], "pixels"]]},
    "an order that is a number": {"choices": [[[1], 7, None]]},
    "a key that is none": {"choices": [["key", "pixels", None]]},
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_files_that_are_none_are_refused_and_change_nothing(content, rng, tmp_path):
    layer, x, path = layer_of(rng), normal(rng, (1, 12, 20, 30)), tmp_path / "choices.json"
    force(layer, x, "pixels")
    up.save_choices(path)
    if isinstance(content, dict):
        content = json.dumps(json.loads(path.read_text()) | content)
    path.write_text(content)
    before = dict(choices._kept)
    with pytest.raises(ValueError, match=r"^load_choices: '.*choices.json' is no file of choices"):
        up.load_choices(path)
    assert choices._kept == before
    with pytest.raises(FileNotFoundError):
        up.load_choices(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError):
        up.save_choices(tmp_path / "nowhere" / "choices.json")


@pytest.mark.parametrize(
    ("order", "source"),
    [("quantum", None), ("channels", None), ("depthwise", None), ("pixels", "nowhere"),
     ("phases", None), ("pixels", "direct")],
)
def test_choices_that_cannot_be_are_none(order, source, rng, tmp_path):
    layer, x, path = layer_of(rng), normal(rng, (1, 12, 20, 30)), tmp_path / "choices.json"
    force(layer, x, "pixels")
    up.save_choices(path)
    told = json.loads(path.read_text())
    told["choices"][0][1:] = [order, source]
    path.write_text(json.dumps(told))
    up.forget_choices()
    up.load_choices(path)
    assert_close_conv_transpose(layer(x), x, layer.weight, layer.bias, stride=2, padding=1)


def test_a_file_is_replaced_whole_or_not_at_all(rng, tmp_path, monkeypatch):
    layer, x, path = layer_of(rng), normal(rng, (1, 12, 20, 30)), tmp_path / "choices.json"
    force(layer, x, "pixels")
    up.save_choices(path)
    before = path.read_text()

    def fail(*_):
        raise OSError("no room")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no room"):
        up.save_choices(path)
    assert path.read_text() == before
    assert os.listdir(tmp_path) == ["choices.json"]


PROGRAM = """
import numpy as np, warnings
warnings.simplefilter("always")
import upshape as up
from upshape import choices, orders
assert not choices._asked and not choices._kept  # nothing is read by the import
layer = up.ConvTranspose2d(np.ones((12, 16, 3, 3), np.float32), None, 2, 1)
x = np.ones((1, 12, 20, 30), np.float32)
print(orders.plan(layer._parameters, x, layer(x), 1)[0].name, len(choices._kept))
"""


def run(path):
    environment = os.environ | {"UPSHAPE_CHOICES": str(path)}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True,
        check=True,
    )


def test_the_environment_names_a_file_that_the_first_call_reads(rng, tmp_path):
    layer, x, path = layer_of(rng), normal(rng, (1, 12, 20, 30)), tmp_path / "choices.json"
    for name in ("pixels", "transposed", "col2im"):
        force(layer, x, name)
        up.save_choices(path)
        ran = run(path)
        assert (ran.stdout.split(), ran.stderr) == ([name, "1"], "")


def test_a_bad_file_in_the_environment_is_told_and_left_alone(tmp_path):
    (tmp_path / "bad").write_text("no choices")
    for path in (tmp_path / "bad", tmp_path / "nowhere"):
        ran = run(path)
        assert ran.stdout.split()[1] == "0"
        assert "RuntimeWarning: UPSHAPE_CHOICES: " in ran.stderr
        assert str(path) in ran.stderr


def test_layers_are_measured_and_called_by_many_threads(rng):
    layer, x = layer_of(rng), normal(rng, (1, 12, 20, 30))
    wrong = []

    def measure():
        try:
            for _ in range(5):
                layer.measure(x, seconds=0.002)
        except Exception as error:
            wrong.append(error)

    def call():
        try:
            for _ in range(100):
                y = layer(x)
                assert_close_conv_transpose(y, x, layer.weight, layer.bias, stride=2, padding=1)
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=target) for target in (measure, call, measure, call)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(choices._kept) == 1


def test_nothing_is_said_where_nothing_is_wrong(rng, tmp_path):
    layer, x = layer_of(rng), normal(rng, (1, 12, 20, 30))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer.measure(x, seconds=0.01)
        up.save_choices(tmp_path / "choices.json")
        up.load_choices(tmp_path / "choices.json")


def test_a_layer_with_same_padding_measures_what_each_size_pads():
    rng = np.random.default_rng(0)
    x, weight = rng.integers(-3, 4, (1, 16, 13, 14)).astype("f4"), np.ones((16, 8, 3, 3), "f4")
    layer = up.ConvTranspose2d(weight, stride=2, padding="same_lower")
    for output_size in (None, (25, 28)):
        expected = up.reference.conv_transpose(
            x, weight, None, 2, "same_lower", output_size=output_size
        )
        assert layer.measure(x, output_size, seconds=0.01)
        assert (layer(x, output_size) == expected).all()
