"""The place where signal coverage is written to files, as a person asked on the command line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from signal_tracer.coverage.page import page
from signal_tracer.coverage.result import SignalCoverage

_KINDS = ("term", "json", "html")


class Report(NamedTuple):
    """``term``, or ``json`` or ``html`` in a file; ``None`` for the usual one."""

    kind: str
    file: str | None = None


def parse(given: str) -> Report:
    """What ``--signal-coverage=`` was given. Raises ``ValueError``, which says what it takes."""
    kind, colon, file = given.partition(":")
    if kind not in _KINDS or (kind == "term" and colon) or (colon and not file):
        raise ValueError(
            f"--signal-coverage={given!r} is none of term, json, html, json:FILE and html:FILE. "
            "Before the path of a test write --signal-coverage=term."
        )
    return Report(kind, file or None)


def write(coverage: SignalCoverage, reports: Iterable[Report], folder: Path) -> list[Path]:
    """Write those that are files; a path is taken from ``folder``."""
    written = []
    for kind, file in reports:
        if kind != "term":
            path = folder / (file or f"signal-coverage.{kind}")
            text = page(coverage) if kind == "html" else f"{coverage.to_json()}\n"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            written.append(path)
    return written
