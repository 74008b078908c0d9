"""A trace that somebody watches while it runs: which signals it keeps, and what has just ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from signal_tracer.collecting.nodes import DispatchRecord
from signal_tracer.collecting.reading import read_dispatch
from signal_tracer.collecting.recorder import Recorder
from signal_tracer.conf import Config
from signal_tracer.records import Dispatch, goes_by

# Is given each outermost dispatch that has ended, and None for each that was only counted.
Told: TypeAlias = "Callable[[Follower, Dispatch | None], None]"


class Follower(Recorder):
    """Keeps ``signals`` alone, if there are any, and calls ``told`` as outermost dispatches end.

    ``signals``: names, their last parts, or patterns. The others are treated like those that a
    pattern excludes, and counted as ``others``. ``told`` runs in the midst of the traced code.
    """

    def __init__(self, config: Config, signals: Sequence[str] = (), told: Told | None = None):
        super().__init__(config)
        self._signals = signals
        self._told = told
        self._others: set[str] = set()
        self._heard_others = 0
        if told is not None:
            tell_of_outermost(self, self._tell_when_it_ends)

    @property
    def dispatch_count(self) -> int:
        """How many were heard so far, kept or not."""
        return len(self.dispatches) // 2 + self.omitted

    @property
    def others(self) -> int:
        """How many dispatches of other signals there were, heard or not."""
        return self._heard_others + sum(
            counter.count
            for (signal, _), counter in list(self._unheard_by_name.items())
            if signal in self._others
        )

    @property
    def other_signals(self) -> list[str]:
        """Their dotted names."""
        return sorted(self._others)

    def excludes(self, signal: str) -> bool:
        found = super().excludes(signal)
        if found or not self._signals or any(goes_by(signal, each) for each in self._signals):
            return found
        self._others.add(signal)
        self.excluded_names[signal] = True
        return True

    def excluded_dispatches(self) -> int:
        return super().excluded_dispatches() - self.others

    def leave_out(self, signal: str) -> None:
        omitted, excluded = self.omitted, self.excluded
        super().leave_out(signal)
        if self.excluded > excluded and signal in self._others:
            self._heard_others += 1
        if self.omitted > omitted and self._told is not None:
            self._told(self, None)

    def _tell_when_it_ends(self, record: DispatchRecord, number: int) -> None:
        record.rarely().ended += (lambda record: self.tell(record, number),)

    def tell(self, record: DispatchRecord, number: int) -> None:
        """The outermost dispatch that is linked there has ended."""
        if self.is_running and self._told is not None:
            self._told(self, read_dispatch(self, record, number))


def tell_of_outermost(recorder: Recorder, told: Callable[[DispatchRecord, int], None]) -> None:
    """Have ``told`` called as dispatches outside of any receiver call begin, in the midst of the
    traced code, with each and its number among all links of ``recorder``.
    """
    if not isinstance(recorder.dispatches, _Links):
        recorder.dispatches = _Links()
    recorder.dispatches.told.append(told)


class _Links(list[Any]):
    """What a recorder keeps its dispatches in, where those outside of any call are told of.

    A dispatch asks nobody whether it is followed: it is told when it is put in here, and so one
    that is not followed pays nothing for it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Callable[[DispatchRecord, int], None]] = []

    def __iadd__(self, link: Iterable[Any]) -> _Links:  # type: ignore[misc]  # as lists do
        record, call = link
        if call is None:
            for each in self.told:
                each(record, len(self))
        super().extend((record, call))
        return self

    def extend(self, link: Iterable[Any]) -> None:
        self.__iadd__(link)
