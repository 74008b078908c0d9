"""How numbers, times and places are spelled, the same in every output."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence

from signal_tracer.printable import printable as printable
from signal_tracer.records import Bypass, Location, TracebackLine


def plural(number: int, one: str, many: str = "") -> str:
    """``1 query``, ``2 queries``: ``many`` is needed where an "s" does not do."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def listed(names: Iterable[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``; each name once, in the order given."""
    *most, last = dict.fromkeys(names)
    return f"{', '.join(most)} and {last}" if most else last


def format_duration(seconds: float) -> str:
    """Three digits and a unit: ``85 µs``, ``12.3 ms``, ``1.24 s``."""
    rounded = float(f"{seconds:.3g}")  # first, so that 999.9 µs becomes 1.00 ms
    if rounded < 0.001:
        return f"{rounded * 1_000_000:.0f} µs"
    amount, unit = (rounded * 1000, "ms") if rounded < 1 else (rounded, "s")
    decimals = 2 if amount < 10 else 1 if amount < 100 else 0
    return f"{amount:.{decimals}f} {unit}"


def short_path(file: str) -> str:
    """``file`` as a person would name it: within its installed package or the current directory."""
    installed = re.split(r"[/\\](?:site|dist)-packages[/\\]", file)
    if len(installed) > 1:
        return installed[-1]
    try:
        here = os.path.join(os.getcwd(), "")
    except OSError:  # the current directory was removed
        return file
    return file.removeprefix(here)


_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}|\d{9,}")


def without_addresses(text: str) -> str:
    """``text`` as it is in every run: without addresses in memory, and ids."""
    return _ADDRESS.sub("…", text)


def source_root(folder: str) -> str:
    """The folder that a code host shows paths from: the nearest with ``.git``, or ``folder``."""
    above = here = os.path.realpath(folder)
    while not os.path.exists(os.path.join(above, ".git")):
        above, below = os.path.dirname(above), above
        if above == below:
            return here
    return above


def path_within(file: str, root: str) -> str | None:
    """``file`` as seen from the folder ``root``, with slashes; ``None`` if it is not in it."""
    inside = os.path.join(os.path.realpath(root), "")
    try:
        real = os.path.realpath(file)
    except ValueError:  # A name that no file can have: code may be compiled under any.
        return None
    return real.removeprefix(inside).replace(os.sep, "/") if real.startswith(inside) else None


def location_of(location: Location | None) -> str:
    """``shop/receivers.py:12``; an unknown one says so."""
    return f"{short_path(location.file)}:{location.line}" if location else "a line not recorded"


def innermost_of_project(traceback: Sequence[TracebackLine]) -> TracebackLine:
    """The innermost line under the current directory; failing that, one of no installed package."""
    not_installed = [line for line in traceback if "-packages" not in line.location.file]
    of_project = [
        line for line in not_installed if not os.path.isabs(short_path(line.location.file))
    ]
    return (of_project or not_installed or traceback)[-1]


def rows_of(bypasses: Iterable[Bypass]) -> str:
    """``50 rows``: how many all of them changed together; empty if that is not known of any."""
    number, is_whole = sum_of_rows(bypasses)
    if number is None:
        return ""
    return ("" if is_whole else "at least ") + plural(number, "row")


def sum_of_rows(bypasses: Iterable[Bypass]) -> tuple[int | None, bool]:
    """How many rows all of them changed together, and whether that is known of each."""
    numbers = [each.rows for each in bypasses]
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None, len(known) == len(numbers)
