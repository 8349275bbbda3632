"""The fuzzer: random calls on hostile arrays, against the definitions, for as long as you like.

    python -m tests.fuzz --seconds 120            random calls on arrays amid known bytes
    python -m tests.fuzz --guard                  the same on arrays between pages that nobody may touch
    python -m tests.fuzz --streamed               every interpolation's result written past the cache
    python -m tests.fuzz --one 1000017            one case again, with its traceback

Calls run in a process of their own: what ends it is a finding like any other. The exit status is
the number of findings, at most 100.
"""  # noqa: E501

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
if str(HERE) not in sys.path:  # where pytest finds the modules of the tests
    sys.path.insert(0, str(HERE))

import hostile  # noqa: E402

# A seed's first case; the cases before are those of the test suite.
SEED = 1_000_000
THREADS = (1, 2, 7)


class Findings(NamedTuple):
    """What a search came to: calls made, cases tried, and what was wrong."""

    calls: int
    cases: int
    failures: list[str]


def work(first: int, seconds: float, cases: int, options: list[str]) -> None:
    """Try cases one after the other, saying so on the standard output: the searching process."""
    memory = hostile.Guards if "--guard" in options else hostile.Canaries
    end = time.monotonic() + seconds
    with hostile.small_work_wakes_threads("--streamed" in options):
        for number in range(first, first + cases):
            if time.monotonic() >= end:
                break
            print("case", number, flush=True)
            try:
                print("calls", hostile.run(number, memory, THREADS), flush=True)
            except Exception as error:
                told = " ".join(str(error).split())[:300]
                print("failed", number, type(error).__name__, told, flush=True)
    print("done", flush=True)


def search(
    first: int, seconds: float, cases: int, options: list[str], tell: Any = lambda text: None
) -> Findings:
    """Try cases from `first` on until time or cases are used up; a dead process is a finding."""
    end, number, calls, tried = time.monotonic() + seconds, first, 0, 0
    failures: list[str] = []
    done = False
    while not done and number < first + cases and time.monotonic() < end:
        command = [sys.executable, str(HERE / "fuzz.py"), *options, "--child",
                   f"{number},{end - time.monotonic()},{first + cases - number}"]  # fmt: skip
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as child:
            open_case = None
            assert child.stdout is not None
            for line in child.stdout:
                what, _, rest = line.strip().partition(" ")
                if what == "case":
                    number, open_case = int(rest) + 1, int(rest)
                    tried += 1
                elif what == "calls":
                    calls, open_case = calls + int(rest), None
                elif what == "failed":
                    failures.append(f"{rest}\n    {again(open_case, options)}")
                    tell(failures[-1])
                    open_case = None
                done = what == "done"
            assert child.stderr is not None
            said = child.stderr.read()
        if not done:
            if open_case is None:
                raise RuntimeError(f"the searching process could not begin: {said[-2000:]}")
            failures.append(f"{open_case} ended the process with status {child.returncode}\n"
                            f"    {again(open_case, options)}")  # fmt: skip
            tell(failures[-1])
    return Findings(calls, tried, failures)


def again(number: int | None, options: list[str]) -> str:
    """Return the command that runs a case again."""
    return " ".join(["python -m tests.fuzz", *options, f"--one {number}"])


def run_one(number: int, options: list[str]) -> None:
    """Run a case in this process, and say what it is."""
    print(hostile.draw(number).text, flush=True)
    memory = hostile.Guards if "--guard" in options else hostile.Canaries
    with hostile.small_work_wakes_threads("--streamed" in options):
        print(hostile.run(number, memory, THREADS), "calls, all right")


def main() -> int:
    """Read the arguments; search; print the count."""
    parser = argparse.ArgumentParser("python -m tests.fuzz", description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--cases", type=int, default=SEED - 1, help="at most so many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--one", type=int, help="run this case alone")
    parser.add_argument("--guard", action="store_true", help="end arrays at pages without access")
    parser.add_argument("--streamed", action="store_true", help="write results past the cache")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    options = [name for name in ("--guard", "--streamed") if getattr(chosen, name[2:])]
    if chosen.child:
        first, seconds, cases = chosen.child.split(",")
        work(int(first), float(seconds), int(cases), options)
        return 0
    if chosen.one is not None:
        run_one(chosen.one, options)
        return 0
    begin = time.monotonic()
    first = (chosen.seed + 1) * SEED
    found = search(
        first, chosen.seconds, chosen.cases, options, lambda text: print(text, flush=True)
    )
    print(f"{found.calls} calls of {found.cases} cases from {first} on, "
          f"{time.monotonic() - begin:.0f} s: {len(found.failures)} wrong")  # fmt: skip
    return min(len(found.failures), 100)


if __name__ == "__main__":
    sys.exit(main())
