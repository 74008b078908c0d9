"""Looks in the source for the call that connected a receiver: Django keeps none."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from signal_tracer.records import Location
from signal_tracer.signal_map import MappedApp

_CONNECT = re.compile(r"\.connect\(\s*([\w.]+)")
_DECORATOR_LINES = 20


@dataclass(frozen=True, slots=True)
class _Source:
    lines: list[str]
    connected: frozenset[str]


class Connectors:
    """Finds out which app connects what; each file is read once, as text."""

    def __init__(self, apps: Iterable[MappedApp]) -> None:
        self._configs = [(app.label, app.config_file) for app in apps if app.config_file]
        self._sources: dict[str, _Source] = {}

    def of(self, location: Location | None, app: str | None) -> str | None:
        """The label of the app whose source is seen to connect a receiver of ``app``.

        By a decorator where it is defined, or by a ``connect()`` call there or in the module of
        an ``AppConfig``; ``None`` if neither is seen.
        """
        if location is None:
            return None
        source = self._source(location.file)
        name = location.function.rpartition(".")[2]
        if name in source.connected or _is_decorated(source.lines, location.line):
            return app
        return next(
            (label for label, file in self._configs if name in self._source(file).connected), None
        )

    def _source(self, file: str) -> _Source:
        if file not in self._sources:
            text = ""
            if file.endswith(".py"):
                try:
                    text = Path(file).read_text(encoding="utf-8", errors="replace")
                except OSError:
                    text = ""
            names = (each.rpartition(".")[2] for each in _CONNECT.findall(text))
            self._sources[file] = _Source(text.splitlines(), frozenset(names))
        return self._sources[file]


def _is_decorated(lines: list[str], first: int) -> bool:
    """Whether ``@receiver(...)`` stands between the first line of a function and its ``def``."""
    for line in lines[first - 1 : first - 1 + _DECORATOR_LINES]:
        text = line.strip()
        if text.startswith(("def ", "async def ", "class ")):
            return False
        if re.match(r"@([\w.]+\.)?receiver\(", text):
            return True
    return False
