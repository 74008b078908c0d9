"""Mocks that a test has put in the place of a receiver: the name is patched, the connection not."""

from __future__ import annotations

import sys
from collections.abc import Collection
from types import FunctionType
from typing import Any

from signal_tracer.describing.connections import entries_of, read_entry
from signal_tracer.describing.names import (
    describe_receiver,
    is_a,
    module_namespace,
    signals_in_modules,
)
from signal_tracer.mapping.looking import functions_of, look_up
from signal_tracer.records import goes_by


def stands_for(live: Any, called: Collection[str] = ()) -> str | None:
    """The name of the connected receiver in whose place ``live`` was put by a patch.

    While the patch lasts, whatever it is; afterwards a mock alone, by the name that it was given:
    of several receivers of that name, one of those that were ``called``. ``None`` for all others,
    and for a mock that is connected itself.
    """
    mock_name = _name_of_mock(live)
    likely: list[str] = []
    for signal in signals_in_modules(again=mock_name is not None):
        for entry in map(read_entry, entries_of(signal)):
            if entry.receiver is None:
                continue
            if id(live) in functions_of(entry.receiver) or entry.receiver is live:
                return None
            name = describe_receiver(entry.receiver).name
            if look_up(name) is live:
                likely.insert(0, name)
            elif mock_name and goes_by(name, mock_name):
                likely.append(name)
    if not likely or look_up(likely[0]) is live:
        return likely[0] if likely else None
    return next((each for each in likely if each in called), likely[0])


def _name_of_mock(live: Any) -> str | None:
    """What ``unittest.mock.patch()`` calls its mocks: by the attribute that they replace."""
    if type(live) is FunctionType:  # as autospec=True makes it, around a mock
        is_autospec = _is_mock(dict.get(live.__dict__, "mock"))
        return live.__name__ if is_autospec else None
    if not _is_mock(live):
        return None
    name = object.__getattribute__(live, "__dict__").get("_mock_name")
    return name if type(name) is str and name.isidentifier() else None


def _is_mock(live: Any) -> bool:
    mock = module_namespace(sys.modules.get("unittest.mock")).get("NonCallableMock")
    return is_a(mock, type) and is_a(live, mock)  # type: ignore[arg-type]  # is_a() asked
