"""Activities: what code does besides sending signals, as the watchers note it."""

from __future__ import annotations

from typing import Any


class Activity(dict[type[Any], Any]):
    """What a receiver call did besides sending signals; a trace has one for all outside of them.

    Each watcher notes what it sees in a class of its own: ``activity[Bypasses]`` is there from
    the first time it is asked for. What stands there is read by its ``read(reading)``, which
    returns the fields that it fills of a ``ReceiverCall``, or of the trace's ``Contents``.
    """

    __slots__ = ()

    def __missing__(self, kind: type[Any]) -> Any:
        return self.setdefault(kind, kind())  # Another thread may have been here as well.
