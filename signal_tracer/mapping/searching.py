"""Every ``Signal`` of the process is found, without importing or running anything.

Modules first: they are quick to look through, and ``gc.freeze()`` (which servers call before they
fork) hides what it froze from the collector. The collector's list then adds what no module holds.
"""

from __future__ import annotations

import gc
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.apps import apps
from django.dispatch import Signal

from signal_tracer.describing.names import (
    IdentityCache,
    signal_name,
    signal_types,
    signals_in_modules,
)
from signal_tracer.mapping.lazy import Waiting, waiting_connections
from signal_tracer.mapping.ownership import file_of_module
from signal_tracer.records import Location


def find_signals(*, thorough: bool) -> tuple[list[Signal], list[Waiting]]:
    """Every signal, and the connections that wait for their sender's model.

    ``thorough``: also those that no module holds, which takes a walk over every object.
    """
    found = {id(signal): signal for signal in signals_in_modules(again=thorough)}
    if thorough:
        # By id, because hashing a class would run the __hash__ of its metaclass; and never
        # isinstance(), which reads __class__ and so sets up lazy objects.
        kinds = {id(kind) for kind in signal_types()}
        for each in gc.get_objects():
            if id(type(each)) in kinds:
                found.setdefault(id(each), each)
        del each
    waiting = waiting_connections(apps)
    for connection in waiting:
        found.setdefault(id(connection.signal), connection.signal)
    return list(found.values()), waiting


def _locate(signal: Any) -> Location | None:
    name = signal_name(signal)
    module, _, attribute = name.rpartition(".")
    file = file_of_module(module)
    if file is None:  # An attribute of a class.
        module = module.rpartition(".")[0]
        file = file_of_module(module)
    line = None if file is None else line_of_assignment(file, attribute)
    return None if file is None or line is None else Location(file, line, "<module>")


locate_signal: IdentityCache[Location | None] = IdentityCache(_locate)


def line_of_assignment(file: str, name: str) -> int | None:
    """The first line of the source that assigns the name."""
    return _assignments(file).get(name) if file.endswith(".py") else None


_ASSIGNMENT = re.compile(r"^[ \t]*(\w+)[ \t]*(?::[^=\n]+)?=(?!=)", re.MULTILINE)


@lru_cache(maxsize=500)
def _assignments(file: str) -> dict[str, int]:
    try:
        source = Path(file).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    lines: dict[str, int] = {}
    line, reached = 1, 0
    for found in _ASSIGNMENT.finditer(source):
        line += source.count("\n", reached, found.start())
        reached = found.start()
        lines.setdefault(found[1], line)
    return lines
