"""The command line: size questions answered in a terminal, and the demonstration.

What a user types is taken as text and integers, never as code. The one exception is ``upshape solve
FILE:NAME``, whose purpose it is to run the user's own file, and which says so.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from upshape import shapes
from upshape.runtime import __version__

__all__ = ["main"]

WIDTH = 80
MOST_ROWS = 20  # of a table in the terminal; --json has all

KINDS: dict[str, type[Any]] = {
    "conv": shapes.Conv,
    "deconv": shapes.ConvTranspose,
    "pool": shapes.Pool,
}
NAMES = {"conv": "convolution", "deconv": "transposed convolution", "pool": "pooling"}


class CommandError(Exception):
    """Something that the user can mend; its message is printed in one line."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Print the message and leave with status 2."""
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments, those of the process unless given.

    Returns
    -------
    int
        The exit status: 0, or 2 if something was wrong with the question.
    """
    args = _parser().parse_args(argv)
    try:
        args.run(args)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has had enough; nothing may be written on leaving either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (CommandError, ValueError, TypeError, MemoryError, OSError) as error:
        told = " ".join(str(error).split()) or type(error).__name__
        print(f"upshape {args.command}: error: {told}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="upshape",
        description="Sizes of feature maps: what a layer does to them, and which layer does it.",
        epilog="Sizes and parameters are integers; for several axes write 12x14.",
    )
    parser.add_argument("--version", action="version", version=f"upshape {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[Any], None], about: str) -> Parser:
        sub: Parser = commands.add_parser(name, help=about, description=about)
        sub.set_defaults(run=run)
        return sub

    conv = command("conv", _conv, "The output size of a convolution, and what else gives it.")
    conv.add_argument("size", metavar="SIZE", type=_sizes, help="input size: 12, or 12x14")
    _add_parameters(conv)
    _add_json(conv)

    deconv = command("deconv", _deconv, "The output sizes of a transposed convolution.")
    deconv.add_argument("size", metavar="SIZE", type=_sizes, help="input size: 6, or 6x7")
    _add_parameters(deconv)
    deconv.add_argument(
        "-a", "--output-padding", type=_sizes, default=0, metavar="A", help="default 0"
    )
    deconv.add_argument(
        "--output-size", type=_sizes, metavar="O", help="the output size to reach: which A does?"
    )
    _add_json(deconv)

    find = command("find", _find, "The layers that take one size to another, or scale all sizes.")
    find.add_argument("kind", choices=KINDS)
    find.add_argument("--from", dest="input_size", type=_sizes, metavar="I", help="input size")
    find.add_argument("--to", dest="output_size", type=_sizes, metavar="O", help="output size")
    find.add_argument(
        "--scale", type=_scale, metavar="Q", help="scale every size: 2, or 1/2 for a convolution"
    )
    find.add_argument("--same", action="store_true", help="leave every size as it is")
    for flags, default in (
        (("-k", "--kernel-size"), "1-8"),
        (("-s", "--stride"), "1-4"),
        (("-p", "--padding"), "0-3"),
        (("-a", "--output-padding"), "all"),
        (("-d", "--dilation"), "1"),
    ):
        find.add_argument(
            *flags,
            type=_candidates,
            metavar=flags[0][1].upper(),
            help=f"fixed, or candidates: 3, 1-7 or 2,4,6 (default {default})",
        )
    find.add_argument("--ceil-mode", action="store_true", help="poolings that round up")
    find.add_argument(
        "--limit",
        type=_count,
        metavar="N",
        help=f"show the first N (0: all; default {MOST_ROWS}, as JSON all)",
    )
    _add_json(find)

    derive = command(
        "derive", _derive, "Derive a transposed convolution's size from a convolution's."
    )
    derive.add_argument("--latex", action="store_true", help="as LaTeX")
    _add_json(derive)

    solve = command("solve", _solve, "The sizes that a network takes. Runs your file.")
    solve.add_argument(
        "network", metavar="FILE:NAME", help="a function of the size, or a PyTorch model, in a file"
    )
    solve.add_argument("--size", type=_count, metavar="N", help="walk through the network with N")
    _add_json(solve)

    demo = command("demo", _demo, "A photograph through a feature pyramid, as a picture.")
    demo.add_argument("image", nargs="?", metavar="IMAGE", help="default: matplotlib's photograph")
    demo.add_argument("-o", "--output", default="upshape-demo.png", metavar="FILE")
    return parser


def _add_parameters(parser: Parser) -> None:
    parser.add_argument(
        "-k", "--kernel-size", type=_sizes, required=True, metavar="K", help="3, or 3x5"
    )
    for flags, default in (
        (("-s", "--stride"), 1),
        (("-p", "--padding"), 0),
        (("-d", "--dilation"), 1),
    ):
        parser.add_argument(
            *flags,
            type=_sizes,
            default=default,
            metavar=flags[0][1].upper(),
            help=f"default {default}",
        )


def _add_json(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


# What is typed.


def _integer(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]+", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{_short(text)} is no integer")
    if len(text) > 20:
        raise argparse.ArgumentTypeError(f"{_short(text)} is beyond any size")
    return int(text)


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")


def _sizes(text: str) -> int | tuple[int, ...]:
    """Read 12, or 12x14."""
    sizes = tuple(_integer(part) for part in text.split("x"))
    return sizes if len(sizes) > 1 else sizes[0]


def _count(text: str) -> int:
    number = _integer(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"must be at least 0, got {number}")
    return number


def _candidates(text: str) -> int | Sequence[int]:
    """Read 3, 1-7 or 2,4,6."""
    if "," in text:
        return [_integer(part) for part in text.split(",")]
    match = re.fullmatch(r"([0-9]+)-([0-9]+)", text, re.ASCII)
    if match is None:
        return _integer(text)
    first, last = map(_integer, match.groups())
    if last < first:
        raise argparse.ArgumentTypeError(f"{text} is an empty range; write {last}-{first}")
    return range(first, last + 1)


def _scale(text: str) -> Fraction:
    """Read 2, 1/2 or 0.5."""
    if not re.fullmatch(r"[0-9]{1,19}(/[0-9]{1,19}|\.[0-9]{1,19})?", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{_short(text)} is no factor; write 2 or 1/2")
    try:
        return Fraction(text)
    except ZeroDivisionError:
        raise argparse.ArgumentTypeError(f"{text} divides by zero") from None


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


def _facts(*facts: tuple[str, str, object]) -> str:
    """Return lines such as 'input size   i = 12'."""
    width = max(len(name) for name, _, _ in facts)
    return "\n".join(f"  {name.ljust(width)}   {letter} = {value}" for name, letter, value in facts)


def _cut(rows: Sequence[Sequence[object]]) -> tuple[Sequence[Sequence[object]], str]:
    """Return the first rows of a long table, and what is said of the others."""
    if len(rows) <= MOST_ROWS:
        return rows, ""
    left = len(rows) - MOST_ROWS
    return rows[:MOST_ROWS], f"\n  ... and {left} more, up to {rows[-1][-1]} (--json lists them)"


def _title(kind: str, layer: Any) -> str:
    parameters = ", ".join(f"{name} {value}" for name, value in _parameters(layer).items())
    return _paragraph(f"{NAMES[kind].capitalize()}: {parameters}")


def _parameters(layer: Any) -> dict[str, Any]:
    names = ("kernel_size", "stride", "padding", "output_padding", "dilation", "ceil_mode")
    return {name: getattr(layer, name) for name in names if hasattr(layer, name)}


def _each_axis(
    layer: Any, sizes: Any, answer: Callable[..., tuple[dict[str, Any], str]], json_wanted: bool
) -> None:
    """Print the answers for all axes; `sizes` are the input and the other sizes asked about."""
    count = len(layer.axes) if len(layer.axes) > 1 else 1
    count = max([count, *(len(size) for size in sizes if isinstance(size, tuple))])
    axes = layer.axes if len(layer.axes) > 1 else layer.axes * count
    rows = [size if isinstance(size, tuple) else (size,) * count for size in sizes]
    if any(len(row) != count for row in [axes, *rows]):
        raise CommandError("all sizes and parameters must have the same number of axes, or just 1")
    answers = []
    for number, (axis, *own) in enumerate(zip(axes, *rows, strict=True)):
        try:
            answers.append(answer(axis, *own))
        except (ValueError, TypeError) as error:
            raise CommandError(f"axis {number}: {error}" if count > 1 else str(error)) from None
    if json_wanted:
        told = [record for record, _ in answers]
        _print_json(told[0] if count == 1 else {"axes": told})
        return
    for number, (_, text) in enumerate(answers):
        if count > 1:
            print(f"{'' if number == 0 else chr(10)}Axis {number}")
        print(text)


# The commands.


def _conv(args: Any) -> None:
    layer = shapes.Conv(args.kernel_size, args.stride, args.padding, args.dilation)
    _each_axis(layer, [args.size], _conv_axis, args.json)


def _conv_axis(layer: shapes.Conv, size: int) -> tuple[dict[str, Any], str]:
    output, remainder = layer(size), layer.remainder(size)
    origins = layer.input_sizes(output)
    record = {
        "layer": "conv",
        **_parameters(layer),
        "input_size": size,
        "output_size": output,
        "remainder": remainder,
        "input_sizes": [{"input_size": i, "remainder": a} for i, a in origins],
    }
    rows, more = _cut(origins)
    text = [
        _title("conv", layer),
        "",
        _facts(
            ("input size", "i", size),
            ("output size", "o", output),
            ("remainder", "a", f"{remainder}   ({_swallowed(remainder)})"),
        ),
        "",
        f"Input sizes that give {output}:",
        "",
        _table(("i", "a"), rows) + more,
        "",
        _paragraph(
            f"Back from {output} to {size}: the transposed convolution with these parameters and "
            f"output_padding {remainder}, or with output_size={size}."
        ),
    ]
    return record, "\n".join(text)


def _swallowed(remainder: int) -> str:
    if remainder == 0:
        return "the last window ends where the padded input ends"
    return f"{remainder} position{'s' if remainder > 1 else ''} beyond the last window"


def _deconv(args: Any) -> None:
    layer = shapes.ConvTranspose(
        args.kernel_size, args.stride, args.padding, args.output_padding, args.dilation
    )
    sizes = [args.size] if args.output_size is None else [args.size, args.output_size]
    _each_axis(layer, sizes, _deconv_axis, args.json)


def _deconv_axis(
    layer: shapes.ConvTranspose, size: int, wanted: int | None = None
) -> tuple[dict[str, Any], str]:
    if wanted is None:
        padding, output = layer.output_padding, layer(size)
    else:
        padding, output = layer.output_padding_for(size, wanted), wanted
    choices, wider = layer.choices(size), layer.wider_choices(size)
    taps = layer.taps_per_phase()
    record = {
        "layer": "deconv",
        **_parameters(layer),
        "output_padding": padding,
        "input_size": size,
        "output_size": output,
        "choices": [{"output_padding": a, "output_size": o} for a, o in choices],
        "wider_choices": [{"output_padding": a, "output_size": o} for a, o in wider],
        "taps_per_phase": list(taps),
        "is_even": layer.is_even,
    }
    shown = {name: value for name, value in _parameters(layer).items() if name != "output_padding"}
    title = ", ".join(f"{name} {value}" for name, value in shown.items())
    text = [
        _paragraph(f"Transposed convolution: {title}"),
        "",
        _facts(
            ("input size", "i", size),
            ("output size", "o", output),
            ("output_padding", "a", padding),
        ),
        "",
        f"Output sizes from {size}, by output_padding= or output_size=:",
        "",
    ]
    rows, more = _cut(choices)
    text.append(_table(("a", "o"), rows) + more)
    if wider:
        rows, more = _cut(wider)
        text += ["", "By output_padding= only, as the dilation is above the stride:", ""]
        text.append(_table(("a", "o"), rows) + more)
    text += ["", _paragraph(f"Taps that reach each output phase: {_phases(layer)}.")]
    return record, "\n".join(text)


def _phases(layer: shapes.ConvTranspose) -> str:
    taps = layer.taps_per_phase()
    if layer.is_even:
        return f"{taps[0]} each, even"
    told = ", ".join(map(str, taps)) if len(taps) <= 8 else f"{min(taps)} to {max(taps)}"
    return f"{told}, which tends to show a checkerboard"


def _find(args: Any) -> None:
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
        layers = itertools.islice(found, args.limit or None)
        _print_json([{"layer": args.kind, **_parameters(layer)} for layer in layers])
        return
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
        return
    headers = [*_parameters(shown[0])]
    rows = [[*_parameters(layer).values()] for layer in shown]
    if args.kind == "deconv":
        headers.append("taps per phase")
        for row, layer in zip(rows, shown, strict=True):
            taps = layer.taps_per_phase()
            low, high = min(taps), max(taps)
            row.append(f"{low}" if low == high else f"{low} to {high}")
    print(_paragraph(question.capitalize() + ":"))
    print()
    print(_table(headers, rows))
    if limit is not None and len(found[: limit + 1]) > limit:
        print("  ... and more (--limit 0 shows all)")


def _told(size: int | tuple[int, ...]) -> str:
    return "x".join(map(str, size)) if isinstance(size, tuple) else str(size)


def _derive(args: Any) -> None:
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


def _solve(args: Any) -> None:
    network, file = _from_file(args.network)
    try:
        if hasattr(network, "named_children"):
            network = shapes.from_torch(network)
        answer = shapes.solve(network)
    except Exception as error:
        place = _where(error, file)
        if not place:
            raise
        raise CommandError(f"{place}{_told_error(error)}") from error
    if args.json:
        _print_json(_answer_record(answer, args.size))
    elif args.size is None:
        print(answer)
    else:
        print(answer.explain(args.size))


def _answer_record(answer: Any, size: int | None) -> dict[str, Any]:
    record = {
        "modulus": answer.modulus,
        "residues": list(answer.residues),
        "minimum": answer.minimum,
        "inputs": str(answer.inputs),
        "output_size": str(answer.output_size),
        "output_padding": [str(one) for one in answer.output_padding],
    }
    if size is not None:
        taken = size in answer
        record["size"] = {
            "input_size": size,
            "taken": taken,
            "output_size": answer.output(size) if taken else None,
            "next": answer.next(size),
            "previous": answer.previous(size),
            "padding": answer.padding(size),
        }
    return record


def _from_file(place: str) -> tuple[Any, str]:
    """Run the file of FILE:NAME; return what it calls NAME, and FILE."""
    file, colon, name = place.rpartition(":")
    if not colon or not file or not name:
        raise CommandError(f"{_short(place)}: write FILE:NAME, for example my_network.py:unet")
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
    except Exception as error:
        raise CommandError(f"{_where(error, file)}{_told_error(error)}") from error
    if not hasattr(module, name):
        own = [one for one, value in vars(module).items() if callable(value) and one[0] != "_"]
        hint = f"; it has {', '.join(sorted(own))}" if own else ""
        raise CommandError(f"{file} defines no {_short(name)}{hint}")
    return getattr(module, name), file


def _where(error: Exception, file: str) -> str:
    """Return 'FILE:LINE: ' for an error in a user's file."""
    if isinstance(error, SyntaxError):
        return f"{file}:{error.lineno}: "
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == file]
    return f"{file}:{lines[-1]}: " if lines else ""


def _told_error(error: Exception) -> str:
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {message}"


def _demo(args: Any) -> None:
    from upshape import demo

    try:
        demo.main(args.image, args.output)
    except ModuleNotFoundError as error:
        raise CommandError(str(error)) from None
