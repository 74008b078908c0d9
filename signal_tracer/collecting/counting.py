"""Notes which receivers have run at all, over a whole test run.

That is less than a trace, and cheaper: a dispatch whose receivers are all known to have run is
left alone. Of those that a trace records as well, the trace's own records are read.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

from django.dispatch import dispatcher

from signal_tracer.collecting import nodes
from signal_tracer.collecting.nodes import DispatchRecord
from signal_tracer.collecting.routes import ReceiverInfo
from signal_tracer.records import Location, Value

# Django 5.2, 6.0 and 6.1 have all their loops over receivers there.
_DISPATCHER_FILE = dispatcher.__file__

# Of the synchronous and of the asynchronous receivers.
Both: TypeAlias = "tuple[list[ReceiverInfo], list[ReceiverInfo]]"


class Ran(NamedTuple):
    """A connection through which a receiver ran; ``sender`` is ``None`` if it hears any."""

    signal: str
    sender: str | None
    receiver: str
    defined_at: Location | None
    dispatch_uid: Value


class Counting:
    """What ran since it was started; ``handed_over`` to a loop that cannot be watched."""

    def __init__(self) -> None:
        self.ran: set[Ran] = set()
        self.handed_over: set[Ran] = set()

    def knows(self, infos: Both) -> bool:
        return all(each.counted_by is self for both in infos for each in both)

    def note(self, signal: str, sender: str, info: ReceiverInfo) -> None:
        info.counted_by = self
        self.ran.add(_key(signal, sender, info))

    def note_handed_over(self, signal: str, sender: str, info: ReceiverInfo) -> None:
        self.handed_over.add(_key(signal, sender, info))


def _key(signal: str, sender: str, info: ReceiverInfo) -> Ran:
    return Ran(
        signal,
        None if info.hears_any_sender else sender,
        info.name,
        info.defined_at,
        info.dispatch_uid,
    )


running: Counting | None = None


def start() -> Counting:
    global running
    stop()
    running = Counting()
    nodes.special.add(running)
    return running


def stop() -> None:
    global running
    nodes.special.discard(running)
    running = None


class CountedReceivers(list[Any]):
    """Django's list of receivers, which notes each one that Django's loop takes from it."""

    __slots__ = ("counting", "infos", "sender", "signal")

    counting: Counting
    infos: list[ReceiverInfo]
    signal: str
    sender: str

    def __iter__(self) -> Iterator[Any]:
        if len(self) != len(self.infos):
            return super().__iter__()
        if sys._getframe(1).f_code.co_filename == _DISPATCHER_FILE:
            return _counted(self, super().__iter__())
        for info in self.infos:
            _note(self, info, self.counting.note_handed_over)
        return super().__iter__()


def _counted(counted: CountedReceivers, receivers: Iterator[Any]) -> Iterator[Any]:
    for receiver, info in zip(receivers, counted.infos, strict=True):
        _note(counted, info, counted.counting.note)
        yield receiver


def _note(
    counted: CountedReceivers, info: ReceiverInfo, note: Callable[[str, str, ReceiverInfo], None]
) -> None:
    try:
        note(counted.signal, counted.sender, info)
    except Exception:
        nodes.report_fault(nodes.current.get(), "to count a receiver that ran")


def count(
    counting: Counting, signal: str, sender: str, found: Any, infos: Both
) -> tuple[list[Any], list[Any]]:
    """The receivers in lists that note who runs; ``infos`` are in their order."""
    if counting.knows(infos):
        return found  # type: ignore[no-any-return]  # what Django found, as it is
    lists = []
    for receivers, about in zip(found, infos, strict=True):
        counted = CountedReceivers(receivers)
        counted.counting, counted.infos = counting, about
        counted.signal, counted.sender = signal, sender
        lists.append(counted)
    return lists[0], lists[1]


def note_calls(counting: Counting, record: DispatchRecord) -> None:
    """Of a dispatch that a trace recorded."""
    for call in record.calls:
        if call.started and call.info.counted_by is not counting:
            counting.note(record.route.signal, record.route.sender, call.info)
