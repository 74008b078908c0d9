"""Signal coverage is written to files, as a person asked on the command line."""

from __future__ import annotations

import os
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

    @property
    def path(self) -> str:
        return self.file or f"signal-coverage.{self.kind}"


class NotWrittenError(Exception):
    """A report could not be written: the message says where, why and what to do."""


def parse(given: str) -> Report:
    """What ``--signal-coverage=`` was given. Raises ``ValueError``, which says what it takes."""
    kind, colon, file = given.partition(":")
    if kind not in _KINDS or (kind == "term" and colon) or (colon and not file):
        raise ValueError(
            f"--signal-coverage={given!r} is none of term, json, html, json:FILE and html:FILE. "
            "Before the path of a test write --signal-coverage=term."
        )
    return Report(kind, file or None)


def chosen(given: Iterable[str]) -> list[Report]:
    """All that were given, each once. Raises ``ValueError`` also for two that share a file."""
    reports = list(dict.fromkeys(map(parse, given)))
    kinds: dict[str, str] = {}
    for each in reports:
        other = kinds.setdefault(os.path.normpath(each.path), each.kind)
        if each.kind not in ("term", other):
            raise ValueError(
                f"--signal-coverage writes {other} and {each.kind} to one file, {each.path!r}. "
                f"Give each its own: --signal-coverage={each.kind}:FILE."
            )
    return reports


def write(coverage: SignalCoverage, report: Report, folder: Path) -> Path:
    """Where it was written, relative to ``folder``. Raises ``NotWrittenError``."""
    path = folder / report.path
    text = page(coverage) if report.kind == "html" else f"{coverage.to_json()}\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have.
        raise NotWrittenError(
            f"{path} cannot be written ({_reason(error, path)}). "
            f"Give another file: --signal-coverage={report.kind}:FILE"
        ) from error
    return path


def _reason(error: OSError | ValueError, path: Path) -> str:
    reason = (isinstance(error, OSError) and error.strerror) or str(error)
    about = getattr(error, "filename", None)  # It may be a folder above.
    return reason if about in (None, str(path)) else f"{reason}: {about}"
