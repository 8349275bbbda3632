"""The command line: size questions answered in a terminal, and the demonstration.

What a user types is taken as text and integers, never as code. The one exception is ``upshape solve
FILE:NAME``, whose purpose it is to run the user's own file, and which says so.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, NoReturn

from upshape import commands, shapes
from upshape.commands import CommandError, short
from upshape.runtime import __version__

__all__ = ["main"]


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
        The exit status: 0; 1 if nothing was found, or a size is not taken; 2 if something was
        wrong with the question.
    """
    parser = _parser()
    args = parser.parse_args(argv)
    if args.command is None:
        parser.print_help()
        return 0
    try:
        status = args.run(args)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has had enough; nothing may be written on leaving either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (CommandError, ValueError, TypeError, MemoryError, OSError, ImportError) as error:
        told = " ".join(str(error).split()) or type(error).__name__
        print(f"upshape {args.command}: error: {told}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    else:
        return int(status or 0)
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="upshape",
        description="Sizes of feature maps: what a layer does to them, and which layer does it.",
        epilog="Sizes and parameters are integers; for several axes write 12x14. The status is 0; "
        "1 if nothing was found or a size is not taken; 2 after an error.",
    )
    parser.add_argument("--version", action="version", version=f"upshape {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")

    def command(name: str, run: Callable[[Any], int | None], about: str) -> Parser:
        sub: Parser = subparsers.add_parser(name, help=about, description=about)
        sub.set_defaults(run=run)
        return sub

    conv = command(
        "conv", commands.conv, "The output size of a convolution, and what else gives it."
    )
    conv.add_argument("size", metavar="SIZE", type=_sizes, help="input size: 12, or 12x14")
    _add_parameters(conv)
    _add_json(conv)

    deconv = command("deconv", commands.deconv, "The output sizes of a transposed convolution.")
    deconv.add_argument("size", metavar="SIZE", type=_sizes, help="input size: 6, or 6x7")
    _add_parameters(deconv)
    deconv.add_argument(
        "-a", "--output-padding", type=_sizes, default=0, metavar="A", help="default 0"
    )
    deconv.add_argument(
        "--output-size", type=_sizes, metavar="O", help="the output size to reach: which A does?"
    )
    _add_json(deconv)

    pool = command("pool", commands.pool, "The output size of a pooling, and what else gives it.")
    pool.add_argument("size", metavar="SIZE", type=_sizes, help="input size: 12, or 12x14")
    _add_parameters(pool, stride="K")
    pool.add_argument("--ceil-mode", action="store_true", help="round up")
    _add_json(pool)

    interpolate = command(
        "interpolate",
        commands.interpolate,
        "The output size of an interpolation, and where pixels lie.",
    )
    interpolate.add_argument("size", metavar="SIZE", type=_sizes, help="input size: 12, or 12x14")
    interpolate.add_argument(
        "--scale", type=_scales, metavar="Q", help="the factor: 2, 2.5, 3/2, or 2x1.5"
    )
    interpolate.add_argument("--to", type=_sizes, metavar="O", help="the output size")
    interpolate.add_argument(
        "--rounding",
        choices=("floor", "round", "ceil"),
        default="floor",
        help="of the product: floor as PyTorch (default), round as OpenCV, ceil",
    )
    interpolate.add_argument(
        "--positions", action="store_true", help="where each output pixel lies on the input's axis"
    )
    _add_json(interpolate)

    find = command(
        "find", commands.find, "The layers that take one size to another, or scale all sizes."
    )
    find.add_argument("kind", choices=commands.KINDS)
    find.add_argument("--from", dest="input_size", type=_sizes, metavar="I", help="input size")
    find.add_argument("--to", dest="output_size", type=_sizes, metavar="O", help="output size")
    find.add_argument(
        "--scale", type=_scale, metavar="Q", help="scale every size: 2, or 1/2 for a convolution"
    )
    find.add_argument("--same", action="store_true", help="leave every size as it is")
    for flags, default in (
        (("-k", "--kernel-size"), "1-8, and up to twice the stride"),
        (("-s", "--stride"), "1-4, and the ratio of the sizes"),
        (("-p", "--padding"), "what follows; also same, or 0:1 for different sides"),
        (("-a", "--output-padding"), "all"),
        (("-d", "--dilation"), "1"),
    ):
        find.add_argument(
            *flags,
            type=_padding_candidates if flags[0] == "-p" else _candidates,
            metavar=flags[0][1].upper(),
            help=f"fixed, or candidates: 3, 1-7 or 2,4,6 (default: {default})",
        )
    find.add_argument("--ceil-mode", action="store_true", help="poolings that round up")
    find.add_argument(
        "--limit",
        type=_count,
        metavar="N",
        help=f"show the first N (0: all; default {commands.MOST_ROWS}, as JSON all)",
    )
    _add_json(find)

    derive = command(
        "derive", commands.derive, "Derive a transposed convolution's size from a convolution's."
    )
    derive.add_argument("--latex", action="store_true", help="as LaTeX")
    _add_json(derive)

    solve = command("solve", commands.solve, "The sizes that a network takes. Runs your file.")
    solve.add_argument(
        "network",
        metavar="FILE:NAME",
        help="in a file: a function of the size, a PyTorch model, or what builds one; or FILE.onnx",
    )
    solve.add_argument(
        "--size", type=_sizes, metavar="N", help="is N, or 1080x1920, taken? with the walk through"
    )
    solve.add_argument("--axis", type=_integer, metavar="A", help="the axis to solve, from 0 on")
    solve.add_argument(
        "--fix", choices=("output_padding", "size"), help="mend the joins that fail, by these"
    )
    solve.add_argument(
        "--range", type=_range, metavar="A-B", help="list the sizes from A to B that are taken"
    )
    _add_json(solve)

    demo = command("demo", commands.demo, "A photograph through a feature pyramid, as a picture.")
    demo.add_argument("image", nargs="?", metavar="IMAGE", help="default: matplotlib's photograph")
    demo.add_argument("-o", "--output", default="upshape-demo.png", metavar="FILE")
    return parser


def _add_parameters(parser: Parser, stride: str = "1") -> None:
    parser.add_argument(
        "-k", "--kernel-size", type=_sizes, required=True, metavar="K", help="3, or 3x5"
    )
    parser.add_argument(
        "-s",
        "--stride",
        type=_sizes,
        default=None if stride == "K" else 1,
        metavar="S",
        help=f"default {stride}",
    )
    parser.add_argument(
        "-p",
        "--padding",
        type=_paddings,
        default=0,
        metavar="P",
        help="default 0; 0:1 before and after; same as TensorFlow's SAME, same_lower",
    )
    parser.add_argument("-d", "--dilation", type=_sizes, default=1, metavar="D", help="default 1")


def _add_json(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


# What is typed.


def _integer(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]+", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{short(text)} is no integer")
    if len(text) > 20:
        raise argparse.ArgumentTypeError(f"{short(text)} is beyond any size")
    return int(text)


def _an_axis(text: str, read: Callable[[str], Any]) -> Any:
    """Read one value, or one for each axis with an x between them."""
    parts = text.split("x")
    if "" in parts:
        raise argparse.ArgumentTypeError(
            f"{short(text)} lacks a number; write 3, or 3x5 for two axes"
        )
    found = tuple(map(read, parts))
    return found if len(found) > 1 else found[0]


def _sizes(text: str) -> Any:
    """Read 12, or 12x14."""
    return _an_axis(text, _integer)


def _paddings(text: str) -> Any:
    """Read 1, 0:1, same, and for several axes 1x0:1."""
    return _an_axis(text, _padding)


def _padding(text: str) -> int | str | shapes.Padding:
    if text in ("same", "SAME"):
        return "same_upper"
    if text.lower() in ("same_upper", "same_lower"):
        return text.lower()
    if text.lower() == "valid":
        return 0
    before, colon, after = text.partition(":")
    if colon and not (before and after):
        raise argparse.ArgumentTypeError(f"{short(text)} lacks a number; write 0:1 for two sides")
    return shapes.Padding(_integer(before), _integer(after)) if colon else _integer(text)


def _padding_candidates(text: str) -> Any:
    """Read 3, 1-7, 2,4,6, same, or 0:1,1:2."""
    if not re.search("[:a-zA-Z]", text):
        return _candidates(text)
    return [_padding(part) for part in text.split(",")]


def _range(text: str) -> tuple[int, int]:
    """Read 500-600."""
    match = re.fullmatch(r"([0-9]{1,18})-([0-9]{1,18})", text, re.ASCII)
    if match is None:
        raise argparse.ArgumentTypeError(f"{short(text)} is no range; write 500-600")
    first, last = int(match[1]), int(match[2])
    if last < first:
        raise argparse.ArgumentTypeError(f"{text} is an empty range; write {last}-{first}")
    return first, last


def _scales(text: str) -> Any:
    """Read 2, 3/2 or 2.5, and for several axes 2x1.5."""
    return _an_axis(text, _scale)


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
        raise argparse.ArgumentTypeError(f"{short(text)} is no factor; write 2 or 1/2")
    try:
        return Fraction(text)
    except ZeroDivisionError:
        raise argparse.ArgumentTypeError(f"{text} divides by zero") from None
