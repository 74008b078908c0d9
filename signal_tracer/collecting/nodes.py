"""The place for the nodes: what running code belongs to, and what it sends is recorded under.

* ``Root``: a trace was started here, and no receiver call runs inside it;
* ``DispatchRecord``: a dispatch began, and its receivers have not;
* ``CallRecord``: a receiver call runs;
* ``Unkept``: a dispatch runs that is not recorded: excluded, or beyond the limit.

Records are as small as they can be; ``reading`` makes the plain data of a ``Trace`` from them.
"""

from __future__ import annotations

import asyncio
from types import CodeType
from typing import TypeAlias

from signal_tracer.collecting import clock
from signal_tracer.collecting.capture import CapturedError
from signal_tracer.collecting.deeds import Activity
from signal_tracer.collecting.hiding import is_hidden_file
from signal_tracer.collecting.infos import NO_INFOS, MissInfo, ReceiverInfo
from signal_tracer.collecting.naming import is_a
from signal_tracer.collecting.recorder import Recorder, Recorders
from signal_tracer.collecting.spans import Here
from signal_tracer.trace import Method, Outcome


class Failure:
    """How a receiver call ended other than by returning."""

    __slots__ = ("error", "outcome")

    def __init__(self, outcome: Outcome, error: CapturedError | None) -> None:
        self.outcome = outcome
        self.error = error


def capture_error(error: BaseException, recorders: Recorders) -> CapturedError:
    return CapturedError(error, recorders[-1].capture, is_hidden_file)


class CallRecord:
    """One receiver call. ``started`` is 0 before it runs, ``stopped`` until it has ended.

    ``outcome`` is what was captured of what it returned, or a ``Failure``.
    """

    __slots__ = (
        "activity",
        "dispatches",
        "info",
        "outcome",
        "recorders",
        "started",
        "stopped",
    )

    def __init__(self, info: ReceiverInfo, recorders: Recorders, started: int) -> None:
        self.info = info
        self.recorders = recorders
        self.started = started
        self.stopped = 0
        self.outcome: object = None
        self.dispatches: list[DispatchRecord] | None = None
        self.activity: Activity | None = None

    def add(self, record: DispatchRecord) -> None:
        if self.dispatches is None:
            self.dispatches = [record]
        else:
            self.dispatches.append(record)

    def fail(self, error: BaseException, outcome: Outcome | None = None) -> None:
        """The call ended with ``error``, now unless its end was seen before."""
        if not self.stopped:
            self.stopped = clock.now()
        if outcome is None:
            is_cancelled = is_a(error, asyncio.CancelledError) or is_a(error, GeneratorExit)
            outcome = "cancelled" if is_cancelled else "raised"
        self.outcome = Failure(outcome, capture_error(error, self.recorders))


class DispatchRecord:
    """One dispatch. It is linked into its traces once a receiver is called for it."""

    __slots__ = (
        "calls",
        "error",
        "here",
        "in_django",
        "infos",
        "instruction",
        "keepers",
        "method",
        "muted",
        "names",
        "near_misses",
        "not_run",
        "parent",
        "recorders",
        "sender",
        "sent_by",
        "signal",
        "signal_id",
        "started",
        "stopped",
        "unwatched",
        "values",
    )

    def __init__(
        self,
        parent: Node,
        recorders: Recorders,
        signal: str,
        signal_id: int,
        sender: str,
        method: Method,
        kwargs: tuple[tuple[str, ...], tuple[object, ...]],
        sent_by: CodeType | None,
        instruction: int,
    ) -> None:
        self.parent: Node | None = parent
        self.recorders = recorders
        # Those that keep it: None until it is linked.
        self.keepers: tuple[Recorder, ...] | None = None
        self.signal = signal
        self.signal_id = signal_id
        self.sender = sender
        self.method = method
        self.names, self.values = kwargs
        self.sent_by = sent_by
        self.instruction = instruction
        self.started = clock.now()
        self.stopped = 0
        self.calls: list[CallRecord] = []
        self.not_run: list[ReceiverInfo] | None = None
        self.near_misses: list[MissInfo] | None = None
        self.muted: list[ReceiverInfo] | None = None
        self.error: CapturedError | None = None
        self.unwatched: list[str] | None = None
        self.here: Here | None = None
        # Of the receivers that are to run, while the dispatch is open.
        self.infos = NO_INFOS
        # Whether Django's own loop runs the receivers now, not one of a subclass.
        self.in_django = False

    def add(self, record: DispatchRecord) -> None:
        # Sent by the signal's own class, between receivers: beside this dispatch, not below.
        if self.parent is not None:
            self.parent.add(record)
        else:
            for recorder in self.recorders:
                recorder.roots.append(record)

    def link(self) -> None:
        """Keep the dispatch in each trace that has room, and count it in those that have not."""
        if self.keepers is None and self.parent is not None:
            keepers: tuple[Recorder, ...] = self.recorders
            for recorder in keepers:
                is_excluded = recorder.excluded_names.get(self.signal)
                if is_excluded is None:
                    is_excluded = recorder.excludes(self.signal)
                if is_excluded or not recorder.keep():
                    recorder.leave_out(self.signal)
                    keepers = tuple([each for each in keepers if each is not recorder])
            self.keepers = keepers
            if keepers:
                self.parent.add(self)


class Root:
    """Where a trace was started: what is sent here is one of its roots, and the outer node's."""

    __slots__ = ("outer", "recorder", "recorders")

    def __init__(self, recorder: Recorder, outer: Node | None) -> None:
        self.outer = outer
        self.recorder = recorder
        self.recorders = Recorders((recorder,)).at(0)
        if outer is not None:
            around = outer.recorders.running()
            depth = 0 if type(outer) is Unkept else around.depth
            self.recorders = Recorders((*around, recorder)).at(depth)
            # What one of them redacts, the others must not show either.
            for each in around:
                recorder.capture.secrets.share(each.capture.secrets)

    def add(self, record: DispatchRecord) -> None:
        self.recorder.roots.append(record)
        if self.outer is not None:
            self.outer.add(record)


class Unkept:
    """A dispatch that is not recorded, so that what it runs is not taken for its sender's.

    ``outer`` takes what is sent below; beyond the limit nothing does, and it is ``None``.
    ``signal`` is ``None`` when the tracer failed to record, which was counted as a fault.
    """

    __slots__ = ("is_too_deep", "outer", "recorders", "signal")

    def __init__(
        self,
        recorders: Recorders,
        signal: str | None,
        outer: Node | None,
        *,
        is_too_deep: bool = False,
    ) -> None:
        self.recorders = recorders
        self.is_too_deep = is_too_deep
        self.signal = signal
        self.outer = outer

    def add(self, record: DispatchRecord) -> None:
        if self.outer is not None:
            self.outer.add(record)


Node: TypeAlias = "Root | DispatchRecord | CallRecord | Unkept"
