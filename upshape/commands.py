"""The commands of the command line: each a question, its answer as a text or as JSON.

A command returns its exit status, None standing for 0.
"""

from __future__ import annotations

import inspect
import itertools
import json
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

from upshape import shapes

__all__ = [
    "KINDS",
    "MOST_ROWS",
    "CommandError",
    "conv",
    "deconv",
    "demo",
    "derive",
    "find",
    "interpolate",
    "pool",
    "short",
    "solve",
]

WIDTH = 80
MOST_ROWS = 20  # of a table in the terminal; --json has all
MOST_TAPS = 10_000  # of a kernel, that are counted
MOST_POSITIONS = 10_000  # of pixels, that are listed

NOT_TAKEN = 1  # the status of a question that has the answer no, as grep's and diff's

KINDS: dict[str, type[Any]] = {
    "conv": shapes.Conv,
    "deconv": shapes.ConvTranspose,
    "pool": shapes.Pool,
}
NAMES = {"conv": "convolution", "deconv": "transposed convolution", "pool": "pooling"}


class CommandError(Exception):
    """Something that the user can mend; its message is printed in one line."""


def short(text: str) -> str:
    """Return a text in quotes, a long one cut."""
    return repr(text if len(text) <= 40 else text[:37] + "...")


# What is printed.


def _print_json(answer: Any) -> None:
    print(json.dumps(answer, indent=2))


def _paragraph(text: str) -> str:
    return textwrap.fill(text, WIDTH)


def _table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table with right-aligned columns, indented by two."""
    lines = [list(headers), *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  " + "   ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )


def _facts(*facts: tuple[str, str, Sequence[object]]) -> str:
    """Return lines such as 'input size   i = 12', with a column an axis."""
    names = _axis_names(len(facts[0][2]))
    width = max(len(name) for name, _, _ in facts)
    columns = [
        [names[axis], *(str(values[axis]) for _, _, values in facts)] for axis in range(len(names))
    ]
    if len(columns) > 1:
        columns = [[cell.rjust(max(map(len, column))) for cell in column] for column in columns]
    rows = ["   ".join(row) for row in zip(*columns, strict=True)]
    lines = [f"  {''.ljust(width)}       {rows[0]}"] if len(names) > 1 else []
    lines += [
        f"  {name.ljust(width)}   {letter} = {row}"
        for (name, letter, _), row in zip(facts, rows[1:], strict=True)
    ]
    return "\n".join(line.rstrip() for line in lines)


def _cut_table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table, of a long one the first rows and what is said of the others."""
    if len(rows) <= MOST_ROWS:
        return _table(headers, rows)
    left = f"\n  ... and {len(rows) - MOST_ROWS} more, up to {rows[-1][-1]} (--json lists them)"
    return _table(headers, rows[:MOST_ROWS]) + left


def _title(kind: str, layer: Any, without: Sequence[str] = ()) -> str:
    told = (
        f"{name} {_told_parameter(value)}"
        for name, value in _parameters(layer).items()
        if name not in without
    )
    return _paragraph(f"{NAMES[kind].capitalize()}: {', '.join(told)}")


def _told_parameter(value: Any) -> str:
    """Write a parameter as it is typed: 3, 3x5, 0:1."""
    if isinstance(value, shapes.Padding):
        return f"{value.before}:{value.after}"
    if isinstance(value, tuple | list):
        told = [_told_parameter(one) for one in value]
        return told[0] if len(set(told)) == 1 else "x".join(told)
    return {"same_upper": "same"}.get(value, str(value)) if isinstance(value, str) else str(value)


def _parameters(layer: Any) -> dict[str, Any]:
    names = ("kernel_size", "stride", "padding", "output_padding", "dilation", "ceil_mode")
    return {name: getattr(layer, name) for name in names if hasattr(layer, name)}


def _axes(layer: Any, *sizes: Any) -> list[tuple[Any, ...]]:
    """Return the layer and the sizes of every axis."""
    count = len(layer.axes)
    count = max([count, *(len(size) for size in sizes if isinstance(size, tuple))])
    axes = layer.axes if len(layer.axes) > 1 else layer.axes * count
    rows = [size if isinstance(size, tuple) else (size,) * count for size in sizes]
    if any(len(row) != count for row in [axes, *rows]):
        raise CommandError("all sizes and parameters must have the same number of axes, or just 1")
    return list(zip(axes, *rows, strict=True))


def _records(
    axes: list[tuple[Any, ...]], answer: Callable[..., dict[str, Any]]
) -> list[dict[str, Any]]:
    """Ask every axis."""
    records = []
    for number, axis in enumerate(axes):
        try:
            records.append(answer(*axis))
        except (ValueError, TypeError) as error:
            told = f"axis {number}: {error}" if len(axes) > 1 else str(error)
            raise CommandError(told) from None
    return records


def _json_of(records: list[dict[str, Any]]) -> Any:
    return records[0] if len(records) == 1 else {"axes": records}


def _axis_names(count: int) -> list[str]:
    """Return what the axes are called, an empty name where there is only one."""
    return {1: [""], 2: ["H", "W"], 3: ["D", "H", "W"]}.get(
        count, [f"axis {number}" for number in range(count)]
    )


def _beside(blocks: Sequence[str]) -> str:
    """Put texts side by side; below one another, with the axes' names, where that is too wide."""
    if len(blocks) == 1:
        return blocks[0]
    names = _axis_names(len(blocks))
    split = [
        [name.rjust(len(block.split("\n")[0])), *block.split("\n")]
        for name, block in zip(names, blocks, strict=True)
    ]
    widths = [max(map(len, lines)) for lines in split]
    if sum(widths) + 3 * len(widths) > WIDTH:
        return "\n\n".join(f"  {name}:\n{block}" for name, block in zip(names, blocks, strict=True))
    return "\n".join(
        "   ".join(line.ljust(width) for line, width in zip(row, widths, strict=True)).rstrip()
        for row in itertools.zip_longest(*split, fillvalue="")
    )


def _asked(records: list[dict[str, Any]], key: str) -> str:
    """Return an entry of all axes as it is typed: 12, or 12x14."""
    return "x".join(str(record[key]) for record in records)


# The commands.


def conv(args: Any) -> None:
    """Answer for a convolution."""
    layer = shapes.Conv(args.kernel_size, args.stride, args.padding, args.dilation)
    records = _records(_axes(layer, args.size), _conv_record)
    if args.json:
        _print_json(_json_of(records))
        return
    remainders = [record["remainder"] for record in records]
    back = f"output_padding {_asked(records, 'remainder')}"
    if not _is_plain(layer):
        back = f"padding {', '.join(_sides_of(records))}, {back}"
    one = len(records) == 1
    note = f"   ({_swallowed(remainders[0])})" if one else ""
    print(_title("conv", layer))
    print()
    print(
        _facts(
            ("input size", "i", [record["input_size"] for record in records]),
            ("output size", "o", [record["output_size"] for record in records]),
            *_sides_fact(layer, records),
            ("remainder", "a", [f"{number}{note}" for number in remainders]),
        )
    )
    if not one:
        print("  (the remainder: positions beyond the last window)")
    print()
    print(f"Input sizes that give {_asked(records, 'output_size')}:")
    print()
    pairs = [
        [(row["input_size"], row["remainder"]) for row in one["input_sizes"]] for one in records
    ]
    print(_beside([_cut_table(("i", "a"), rows) for rows in pairs]))
    print()
    sizes = _asked(records, "input_size")
    print(
        _paragraph(
            f"Back from {_asked(records, 'output_size')} to {sizes}: the transposed convolution "
            f"with {'these parameters and' if _is_plain(layer) else 'this kernel and stride,'} "
            f"{back}, or with output_size={_typed(records)}."
        )
    )


def _typed(records: list[dict[str, Any]]) -> str:
    """Return the input sizes as Python writes them."""
    sizes = [record["input_size"] for record in records]
    return str(sizes[0]) if len(sizes) == 1 else str(tuple(sizes))


def _is_plain(layer: Any) -> bool:
    """Tell whether the padding is an int on all axes."""
    return all(isinstance(axis.padding, int) for axis in layer.axes)


def _sides_of(records: list[dict[str, Any]]) -> list[str]:
    return [f"{before}:{after}" for before, after in (record["sides"] for record in records)]


def _sides_fact(layer: Any, records: list[dict[str, Any]]) -> list[tuple[str, str, list[str]]]:
    """Return the line that tells what is padded, where the parameters do not."""
    if _is_plain(layer):
        return []
    return [
        (
            "padding",
            "p",
            [f"{before}:{after}" for before, after in (one["sides"] for one in records)],
        )
    ]


def _sides_record(layer: Any, sides: shapes.Padding) -> dict[str, Any]:
    return {} if isinstance(layer.padding, int) else {"sides": list(sides)}


def _conv_record(layer: shapes.Conv, size: int) -> dict[str, Any]:
    output, remainder = layer(size), layer.remainder(size)
    return {
        "layer": "conv",
        **_parameters(layer),
        **_sides_record(layer, layer.padding_for(size)),
        "input_size": size,
        "output_size": output,
        "remainder": remainder,
        "input_sizes": [{"input_size": i, "remainder": a} for i, a in layer.input_sizes(output)],
    }


def _swallowed(remainder: int) -> str:
    if remainder == 0:
        return "the last window ends where the padded input ends"
    return f"{remainder} position{'s' if remainder > 1 else ''} beyond the last window"


def deconv(args: Any) -> None:
    """Answer for a transposed convolution."""
    layer = shapes.ConvTranspose(
        args.kernel_size, args.stride, args.padding, args.output_padding, args.dilation
    )
    sizes = [args.size] if args.output_size is None else [args.size, args.output_size]
    axes = _axes(layer, *sizes)
    records = _records(axes, _deconv_record)
    if args.json:
        _print_json(_json_of(records))
        return
    print(_title("deconv", layer, without=("output_padding",)))
    print()
    print(
        _facts(
            ("input size", "i", [record["input_size"] for record in records]),
            ("output size", "o", [record["output_size"] for record in records]),
            *_sides_fact(layer, records),
            ("output_padding", "a", [record["output_padding"] for record in records]),
        )
    )
    print()
    way = (
        "output_size=" if any(one._same for one, *_ in axes) else "output_padding= or output_size="
    )
    print(f"Output sizes from {_asked(records, 'input_size')}, by {way}:")
    print()
    print(_beside([_choices_table(record["choices"]) for record in records]))
    if any(record["wider_choices"] for record in records):
        print("\nBy output_padding= only, as the dilation is above the stride:\n")
        print(_beside([_choices_table(record["wider_choices"]) for record in records]))
    print()
    print(_paragraph(f"Taps that reach each output phase: {_each(axes, _phases)}."))
    print(_paragraph(f"{_each(axes, _scaling)}."))
    if any(record["output_padding"] for record in records):
        print(_paragraph(f"{_each(axes, _added)}."))


def _each(axes: list[tuple[Any, ...]], tell: Callable[..., str]) -> str:
    """Return what is told of each axis, once if it is the same of all."""
    told = [tell(*axis) for axis in axes]
    if len(set(told)) == 1:
        return told[0]
    return "; ".join(
        f"{name}: {one}" for name, one in zip(_axis_names(len(axes)), told, strict=True)
    )


def _choices_table(choices: list[dict[str, int]]) -> str:
    rows = [(choice["output_padding"], choice["output_size"]) for choice in choices]
    return _cut_table(("a", "o"), rows)


def _deconv_record(
    layer: shapes.ConvTranspose, size: int, wanted: int | None = None
) -> dict[str, Any]:
    output = layer(size) if wanted is None else wanted
    padding = layer.output_padding
    if wanted is not None or layer._same:
        padding = layer.output_padding_for(size, output)
    return {
        "layer": "deconv",
        **_parameters(layer),
        **_sides_record(layer, layer.padding_for(size, wanted)),
        "output_padding": padding,
        "input_size": size,
        "output_size": output,
        "choices": [{"output_padding": a, "output_size": o} for a, o in layer.choices(size)],
        "wider_choices": [
            {"output_padding": a, "output_size": o} for a, o in layer.wider_choices(size)
        ],
        "taps_per_phase": list(layer.taps_per_phase()),
        "is_even": layer.is_even,
    }


def _phases(layer: shapes.ConvTranspose, *_: int) -> str:
    taps = layer.taps_per_phase()
    if layer.is_even:
        return f"{taps[0]} each, even"
    told = ", ".join(map(str, taps)) if len(taps) <= 8 else f"{min(taps)} to {max(taps)}"
    return f"{told}, which tends to show a checkerboard"


def _scaling(layer: shapes.ConvTranspose, *_: int) -> str:
    """Say with which output padding every size is multiplied by the stride."""
    stride = layer.stride
    if layer._same:
        return f"Without output_size= it multiplies every size by {stride}"
    a = layer._both + stride - layer.effective_kernel
    if a == layer.output_padding:
        return f"It multiplies every size by {stride}"
    if 0 <= a < max(stride, layer.dilation):
        return f"With output_padding {a} it multiplies every size by {stride}"
    return f"No output_padding makes it multiply every size by {stride}"


def _added(layer: shapes.ConvTranspose, size: int, wanted: int | None = None) -> str:
    """Say what the positions hold that output_padding adds."""
    output = layer(size) if wanted is None else wanted
    a = layer.output_padding_for(size, wanted) if wanted is not None else layer.output_padding
    if a == 0:
        return "output_padding adds nothing"
    last = range(max(output - a, output - MOST_ROWS), output)
    before = layer.padding_for(size, wanted).before
    k, s, d = layer.kernel_size, layer.stride, layer.dilation
    taps = [
        sum(
            (q + before - t * d) % s == 0 and 0 <= (q + before - t * d) // s < size
            for t in range(min(k, MOST_TAPS))
        )
        for q in last
    ]
    noun = "1 position" if a == 1 else f"{a} positions"
    if not any(taps):
        return f"output_padding adds {noun} at the end that no tap reaches: the bias alone"
    if all(taps):
        return f"output_padding adds {noun} at the end, computed like all others: no zeros"
    return f"output_padding adds {noun} at the end; no tap reaches {taps.count(0)} of the last"


def pool(args: Any) -> None:
    """Answer for a pooling."""
    layer = shapes.Pool(args.kernel_size, args.stride, args.padding, args.dilation, args.ceil_mode)
    records = _records(_axes(layer, args.size), _pool_record)
    if args.json:
        _print_json(_json_of(records))
        return
    print(_title("pool", layer))
    print()
    print(
        _facts(
            ("input size", "i", [record["input_size"] for record in records]),
            ("output size", "o", [record["output_size"] for record in records]),
            *_sides_fact(layer, records),
        )
    )
    print()
    print(_origins(records))


def _pool_record(layer: shapes.Pool, size: int) -> dict[str, Any]:
    output = layer(size)
    return {
        "layer": "pool",
        **_parameters(layer),
        **_sides_record(layer, layer.padding_for(size)),
        "input_size": size,
        "output_size": output,
        "input_sizes": list(layer.input_sizes(output)),
    }


def _origins(records: list[dict[str, Any]]) -> str:
    """Say which input sizes give the output size, an axis a line."""
    told = [
        ", ".join(map(str, sizes[:MOST_ROWS]))
        + (f", ... {sizes[-1]}" if len(sizes) > MOST_ROWS else "")
        for sizes in (record["input_sizes"] for record in records)
    ]
    names = _axis_names(len(records))
    if len(told) == 1:
        return _paragraph(f"Input sizes that give {_asked(records, 'output_size')}: {told[0]}.")
    return "\n".join(
        _paragraph(f"Input sizes that give {record['output_size']} ({name}): {one}.")
        for record, name, one in zip(records, names, told, strict=True)
    )


def interpolate(args: Any) -> None:
    """Answer for an interpolation."""
    if (args.scale is None) == (args.to is None):
        raise CommandError("give --scale or --to" + (", not both" if args.to else ""))
    factor: Any = args.scale
    if isinstance(factor, tuple):
        factor = tuple(map(float, factor))
    elif factor is not None:
        factor = float(factor)
    layer = shapes.Interpolate(args.to, factor, args.rounding)
    axes = _axes(layer, args.size)
    if args.scale is not None:
        exact = args.scale if isinstance(args.scale, tuple) else (args.scale,) * len(axes)
        axes = [(*axis, one) for axis, one in zip(axes, exact, strict=True)]
    records = _records(axes, _interpolate_record)
    if args.positions and not all("positions" in record for record in records):
        raise CommandError(f"--positions lists {MOST_POSITIONS} pixels at most")
    if args.json:
        _print_json(_json_of(records))
        return
    asked = f"size {_told(args.to)}" if args.scale is None else f"scale_factor {_told(args.scale)}"
    print(_paragraph(f"Interpolation: {asked}, rounding {args.rounding}"))
    print()
    print(
        _facts(
            ("input size", "i", [record["input_size"] for record in records]),
            ("output size", "o", [record["output_size"] for record in records]),
        )
    )
    lost = [record for record in records if record.get("exact_output_size", 0) != 0]
    lost = [record for record in lost if record["exact_output_size"] != record["output_size"]]
    for record in lost:
        print()
        print(
            _paragraph(
                f"PyTorch takes the factor as a float, whose product with {record['input_size']} "
                f"is rounded down to {record['output_size']}. The exact product is "
                f"{record['exact_output_size']}: ask for size={record['exact_output_size']}."
            )
        )
    if args.scale is not None:
        print()
        print(_origins(records))
    if args.positions:
        print()
        print("Where the centres of the output's pixels lie on the input's axis:")
        print()
        print(_beside([_positions_table(record) for record in records]))
        print()
        print(_paragraph(POSITIONS_TOLD))


POSITIONS_TOLD = (
    "half-pixel: align_corners=False, and where OpenCV, Pillow and scikit-image put them. "
    "corners: align_corners=True. nearest and exact: the pixel that nearest and nearest-exact copy."
)


def _positions_table(record: dict[str, Any]) -> str:
    rows = [
        (
            row["output"],
            f"{row['half_pixel']:.3f}",
            f"{row['corners']:.3f}",
            row["nearest"],
            row["nearest_exact"],
        )
        for row in record["positions"][:MOST_ROWS]
    ]
    left = record["output_size"] - len(rows)
    more = f"\n  ... and {left} more (--json lists them)" if left > 0 else ""
    return _table(("o", "half-pixel", "corners", "nearest", "exact"), rows) + more


def _interpolate_record(
    layer: shapes.Interpolate, size: int, exact: Fraction | None = None
) -> dict[str, Any]:
    record: dict[str, Any] = {
        "layer": "interpolate",
        "input_size": size,
        "output_size": layer(size),
    }
    if exact is not None:
        meant = shapes.Interpolate(scale_factor=exact, rounding=layer.rounding)
        record |= {
            "scale_factor": str(exact),
            "exact_output_size": meant.formula(size),
            "input_sizes": list(layer.input_sizes(record["output_size"])),
        }
    if record["output_size"] <= MOST_POSITIONS:
        record["positions"] = _positions(size, record["output_size"], layer.scale_factor)
    return record


def _positions(i: int, o: int, factor: float | None) -> list[dict[str, Any]]:
    """Return where each output pixel lies, by each of the conventions."""
    from upshape import reference

    columns = (
        reference.linear_coordinates(i, o, scale_factor=factor).tolist(),
        reference.linear_coordinates(i, o, align_corners=True).tolist(),
        reference.nearest_indices(i, o, scale_factor=factor).tolist(),
        reference.nearest_indices(i, o, scale_factor=factor, exact=True).tolist(),
    )
    return [
        {
            "output": q,
            "half_pixel": half,
            "corners": corner,
            "nearest": near,
            "nearest_exact": exact,
        }
        for q, (half, corner, near, exact) in enumerate(zip(*columns, strict=True))
    ]


def find(args: Any) -> int:
    """List the layers that do what is asked."""
    parameters: dict[str, Any] = {
        name: getattr(args, name)
        for name in ("kernel_size", "stride", "padding", "output_padding", "dilation")
        if getattr(args, name) is not None
    }
    asked = (args.input_size, args.output_size).count(None) == 0, args.scale is not None, args.same
    if sum(asked) != 1 or (args.input_size is None) != (args.output_size is None):
        raise CommandError("give --from and --to, or --scale, or --same")
    if args.ceil_mode:
        parameters["ceil_mode"] = True
    found: Sequence[Any] = shapes.find(
        KINDS[args.kind],
        input_size=args.input_size,
        output_size=args.output_size,
        scale=args.scale,
        same=args.same,
        **parameters,
    )
    if args.json:
        layers = list(itertools.islice(found, args.limit or None))
        _print_json([{"layer": args.kind, **_parameters(layer)} for layer in layers])
        return 0 if layers else NOT_TAKEN
    names = f"{NAMES[args.kind]}s"
    if args.same:
        question = f"{names} that leave every size as it is"
    elif args.scale is not None:
        question = f"{names} that scale every size by {args.scale}"
        if args.scale < 1:
            question = f"{names} that take every multiple {args.scale.denominator} n to n"
    else:
        question = f"{names} that take {_told(args.input_size)} to {_told(args.output_size)}"
    limit = MOST_ROWS if args.limit is None else args.limit or None
    shown = list(itertools.islice(found, limit))
    if not shown:
        print(_paragraph(f"There are no {question} within these bounds."))
        return NOT_TAKEN
    headers = [*_parameters(shown[0])]
    rows = [[*map(_told_parameter, _parameters(layer).values())] for layer in shown]
    if args.kind == "deconv":
        headers.append("taps per phase")
        for row, layer in zip(rows, shown, strict=True):
            taps = layer.taps_per_phase()
            low, high = min(taps), max(taps)
            holes = ": holes" if low == 0 else ""
            row.append(f"{low}" if low == high else f"{low} to {high}{holes}")
    print(_paragraph(question.capitalize() + ":"))
    print()
    print(_table(headers, rows))
    if limit is not None and len(found[: limit + 1]) > limit:
        print("  ... and more (--limit 0 shows all)")
    return 0


def _told(size: Any) -> str:
    return "x".join(map(str, size)) if isinstance(size, tuple) else str(size)


def derive(args: Any) -> None:
    """Print the derivation."""
    derivation = shapes.derive()
    if args.json:
        from upshape.shapes._derivation import equation_latex, equation_text

        _print_json(
            [
                {
                    "equation": equation_text(equation),
                    "latex": equation_latex(equation),
                    "sentence": sentence,
                }
                for equation, sentence in derivation.steps
            ]
        )
    else:
        print(derivation.latex() if args.latex else derivation.text())


def solve(args: Any) -> int:
    """Answer which sizes a network takes, and why it does not take one."""
    network, file = _from_file(args.network)
    several = isinstance(args.size, tuple)
    if several and args.axis is not None:
        raise CommandError("--axis asks for one axis, --size for several; leave one out")
    try:
        answer = shapes.solve(network, axis=args.axis, fix=args.fix)
        taken = bool(answer) if args.size is None else args.size in answer
    except Exception as error:
        place = _where(error, file)
        if not place and isinstance(error, ValueError | TypeError):
            raise
        raise CommandError(f"{place}{_told_error(error)}") from error
    if args.json:
        _print_json(_answer_record(answer, args.size, args.range))
    elif several:
        print(_axes_text(answer, args.size))
    elif args.size is not None:
        print(answer.explain(args.size))
    elif args.range is not None:
        listed = answer.range(args.range[0], args.range[1] + 1)
        taken = bool(listed)
        print(_paragraph(", ".join(map(str, listed)) or "None of these sizes is taken."))
    else:
        print(answer)
        if answer.repair is not None and answer.repair.calls:
            print(f"\nAs PyTorch code:\n\n{textwrap.indent(answer.repair.to_torch(), '  ')}")
    return 0 if taken else NOT_TAKEN


def _axes_text(answer: Any, sizes: tuple[int, ...]) -> str:
    """Return what is to be known about one size an axis, and why they are not taken."""
    taken = sizes in answer
    rows = [("size", sizes)]
    near = answer.next(sizes)
    if not taken and near is not None:
        rows.append(("taken next", near))
        rows.append(("to be added", tuple(b - a for a, b in zip(sizes, near, strict=True))))
    names = _axis_names(len(sizes))
    widths = [
        max(len(name), *(len(str(row[axis])) for _, row in rows)) for axis, name in enumerate(names)
    ]
    lines = [
        f"  {head.ljust(11)}   "
        + "   ".join(str(cell).rjust(width) for cell, width in zip(row, widths, strict=True))
        for head, row in [("", names), *rows]
    ]
    return "\n".join([*lines, "", str(answer.explain(sizes))])


def _answer_record(
    answer: Any, size: int | tuple[int, ...] | None, bounds: tuple[int, int] | None = None
) -> dict[str, Any]:
    record = {
        "modulus": answer.modulus,
        "residues": list(answer.residues),
        "minimum": answer.minimum,
        "inputs": str(answer.inputs),
        "output_size": str(answer.output_size),
        "output_padding": [str(one) for one in answer.output_padding],
    }
    if answer.between_axes is not None:
        record["between_axes"] = answer.between_axes
    if answer.repair is not None:
        record["repair"] = {
            "complete": answer.repair.complete,
            "calls": list(map(str, answer.repair.calls)),
            "code": answer.repair.to_torch().splitlines(),
        }
    if bounds is not None:
        record["sizes"] = answer.range(bounds[0], bounds[1] + 1)
    if size is not None:
        taken = size in answer
        above = answer.next(size)
        record["size"] = {
            "input_size": size,
            "taken": taken,
            "output_size": answer.output(size) if taken else None,
            "next": above,
            "previous": answer.previous(size),
            "padding": None if above is None else answer.padding(size),
        }
    return record


def _from_file(place: str) -> tuple[Any, str]:
    """Run the file of FILE:NAME; return what it calls NAME, and FILE."""
    if place.lower().endswith(".onnx"):
        if not Path(place).is_file():
            raise CommandError(f"there is no file {place}")
        try:
            return shapes.from_onnx(place), place
        except ModuleNotFoundError as error:
            raise CommandError(str(error)) from None
        except Exception as error:  # of another library's where the file is damaged
            raise CommandError(f"{place}: {_told_error(error)}") from error
    file, colon, name = place.rpartition(":")
    if not colon or not file or not name:
        raise CommandError(
            f"{short(place)}: write FILE:NAME, for example my_network.py:unet, or FILE.onnx"
        )
    path = Path(file)
    if not path.is_file():
        raise CommandError(f"there is no file {file}")
    print(f"upshape solve: running {file}", file=sys.stderr)
    module = ModuleType("__upshape_network__")
    module.__file__ = file
    sys.modules[module.__name__] = module  # where dataclasses and pickle look for it
    sys.path.insert(0, str(path.resolve().parent))
    try:
        exec(compile(path.read_bytes(), file, "exec"), vars(module))
    except (Exception, SystemExit) as error:
        raise CommandError(f"{_where(error, file)}{_told_error(error)}") from error
    if not hasattr(module, name):
        own = [one for one, value in vars(module).items() if callable(value) and one[0] != "_"]
        hint = f"; it has {', '.join(sorted(own))}" if own else ""
        raise CommandError(f"{file} defines no {short(name)}{hint}")
    return _made(getattr(module, name), name, file), file


def _made(thing: Any, name: str, file: str) -> Any:
    """Return a network; make one of a class, or by a function that takes no size."""
    kind = "class" if isinstance(thing, type) else "function"
    if kind == "function" and not inspect.isroutine(thing):
        return thing
    try:
        needed = [
            one.name
            for one in inspect.signature(thing).parameters.values()
            if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
        ]
    except (TypeError, ValueError):
        return thing
    if kind == "class" and needed:
        raise CommandError(
            f"{file}: {name} is a class that wants {', '.join(needed)}; write a function that "
            f"makes one, def build(): return {name}(...), and ask for {file}:build"
        )
    if kind == "function" and (needed or inspect.signature(thing).parameters):
        return thing
    print(f"upshape solve: {name} is a {kind}; solving what {name}() makes", file=sys.stderr)
    try:
        return thing()
    except Exception as error:
        raise CommandError(f"{_where(error, file)}{_told_error(error)}") from error


def _where(error: BaseException, file: str) -> str:
    """Return 'FILE:LINE: ' for an error in a user's file."""
    if isinstance(error, SyntaxError):
        return f"{file}:{error.lineno}: "
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == file]
    return f"{file}:{lines[-1]}: " if lines else ""


def _told_error(error: BaseException) -> str:
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {message}"


def demo(args: Any) -> None:
    """Draw the demonstration."""
    from upshape import demo as picture

    folder = Path(args.output).absolute().parent
    if not folder.is_dir():
        raise CommandError(f"there is no folder {folder} to write {Path(args.output).name} into")
    if args.image is not None and not Path(args.image).is_file():
        raise CommandError(f"there is no file {args.image}")
    try:
        picture.main(args.image, args.output)
    except ModuleNotFoundError as error:
        raise CommandError(str(error)) from None
