"""The nodes: what running code belongs to, and what it sends is recorded under.

* ``Root``: a trace was started here, and no receiver call runs inside it;
* ``DispatchRecord``: a dispatch began, and its receivers have not;
* ``CallRecord``: a receiver call runs;
* ``Unkept``: a dispatch runs that is not recorded: excluded, or beyond the limit;
* ``Within``: Django's send runs because the signal's own class called it.

Records are as small as they can be; ``reading`` makes the plain data of a ``Trace`` from them.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from contextvars import ContextVar
from types import CodeType
from typing import Any, TypeAlias

from signal_tracer.collecting import clock
from signal_tracer.collecting.patching import is_hidden_file
from signal_tracer.collecting.raw import Activity
from signal_tracer.collecting.recorder import Recorder, Recorders
from signal_tracer.collecting.routes import NO_INFOS, MissInfo, ReceiverInfo, Route, forget_routes
from signal_tracer.collecting.savepoints import Here
from signal_tracer.describing.errors import CapturedError
from signal_tracer.describing.names import is_a
from signal_tracer.records import Method, Outcome


class Failure:
    """How a receiver call ended other than by returning."""

    __slots__ = ("error", "outcome")

    def __init__(self, outcome: Outcome, error: CapturedError | None) -> None:
        self.outcome = outcome
        self.error = error


def capture_error(error: BaseException, recorders: Recorders) -> CapturedError | None:
    """``None`` after the trace has ended."""
    recorder = recorders.innermost
    return None if recorder is None else CapturedError(error, recorder.capture, is_hidden_file)


class CallRecord:
    """One receiver call. ``started`` is 0 before it runs, ``stopped`` until it has ended.

    ``outcome`` is what was captured of what it returned, or a ``Failure``.
    """

    __slots__ = ("activity", "info", "outcome", "recorders", "started", "stopped")

    # No dispatch, whose id it would be.
    signal_id = 0

    def __init__(self, info: ReceiverInfo, recorders: Recorders, started: int) -> None:
        self.info = info
        self.recorders = recorders
        self.started = started
        self.stopped = 0
        self.outcome: object = None
        self.activity: Activity | None = None

    def fail(self, error: BaseException, outcome: Outcome | None = None) -> None:
        """The call ended with ``error``, now unless its end was seen before."""
        if not self.stopped:
            self.stopped = clock.now()
        if outcome is None:
            is_cancelled = is_a(error, asyncio.CancelledError) or is_a(error, GeneratorExit)
            outcome = "cancelled" if is_cancelled else "raised"
        self.outcome = Failure(outcome, capture_error(error, self.recorders))


class Rarely:
    """What most dispatches have nothing of."""

    __slots__ = (
        "before",
        "ended",
        "error",
        "here",
        "left_out",
        "muted",
        "near_misses",
        "not_run",
        "stand_ins",
        "unwatched",
        "was_deferred",
    )

    def __init__(self) -> None:
        # While it is open: who is to be told when it is no more, each for a trace of its own.
        self.ended: tuple[Callable[[DispatchRecord], None], ...] = ()
        self.error: CapturedError | None = None
        self.here: Here | None = None
        self.muted: list[ReceiverInfo] | None = None
        self.near_misses: list[MissInfo] | None = None
        self.not_run: list[ReceiverInfo] | None = None
        # While it is open: what Django calls instead of its asynchronous receivers.
        self.stand_ins: list[Any] | None = None
        self.unwatched: list[str] | None = None
        # While it is open: the fields of a row that is about to be saved in part.
        self.before: Any = None
        # Of those: what was changed and is not saved.
        self.left_out: tuple[str, ...] = ()
        # And whether that is for want of having been loaded.
        self.was_deferred = False


_NOTHING = Rarely()


class DispatchRecord:
    """One dispatch. It is linked into its traces once a receiver is called for it."""

    __slots__ = (
        "_rare",
        "calls",
        "has_asked",
        "in_django",
        "infos",
        "instruction",
        "is_kept",
        "method",
        "names",
        "parent",
        "recorders",
        "route",
        "sent_by",
        "signal_id",
        "started",
        "stopped",
        "values",
    )

    def __init__(
        self,
        parent: Node,
        recorders: Recorders,
        route: Route,
        signal_id: int,
        method: Method,
        kwargs: tuple[tuple[str, ...], tuple[object, ...]],
        sent_by: CodeType | None,
        instruction: int,
        in_django: bool,
    ) -> None:
        self.recorders = recorders
        self.method = method
        self.names, self.values = kwargs
        self.sent_by = sent_by
        self.instruction = instruction
        self.calls: list[CallRecord] = []
        # Whether a trace keeps it: None until it is linked.
        self.is_kept: bool | None = None
        self._rare: Rarely | None = None
        self.route = route
        # While it is open: where it was sent, which signal it is about, and its receivers.
        self.parent: Node | None = parent
        self.signal_id = signal_id
        self.infos = NO_INFOS
        # Whether somebody has asked for the receivers.
        self.has_asked = False
        # Whether Django's own loop runs the receivers now, not one of a subclass.
        self.in_django = in_django
        self.stopped = 0
        self.started = clock.now()

    @property
    def rare(self) -> Rarely:
        """To read."""
        return self._rare or _NOTHING

    def rarely(self) -> Rarely:
        """To write."""
        if self._rare is None:
            self._rare = Rarely()
        return self._rare

    def link(self) -> bool | None:
        """Keep the dispatch in each trace that has room, and count it in those that have not.

        Whether a trace keeps it.
        """
        parent, single = self.parent, self.recorders.single
        if self.is_kept is not None or parent is None:
            return self.is_kept
        is_call = type(parent) is CallRecord
        if (
            single is not None
            and (is_call or type(parent) is Root)
            and next(single.room, None) is not None
        ):
            # A trace alone was asked before the dispatch was opened if it wants it.
            single.dispatches += (self, parent if is_call else None)
            self.is_kept = True
            return True
        everybody = keepers = self.recorders.all
        for recorder in everybody:
            # A trace alone was asked before the dispatch was opened.
            is_wanted = len(everybody) == 1 or not recorder.excludes(self.route.signal)
            if is_wanted and next(recorder.room, None) is not None:
                recorder.dispatches.extend((self, _call_around(parent, recorder)))
            else:
                recorder.has_room = recorder.has_room and not is_wanted
                recorder.leave_out(self.route.signal)
                keepers = tuple([each for each in keepers if each is not recorder])
        self.is_kept = bool(keepers)
        if keepers is not everybody and keepers:
            self.recorders = _OfSome(self.recorders, keepers, parent)
        return self.is_kept

    def close(self) -> None:
        self.stopped = clock.now()
        if self.is_kept is None:
            self.link()
        self.forget()

    def forget(self) -> None:
        """What is known of a dispatch only while it is open."""
        self.signal_id = 0
        self.infos = NO_INFOS
        self.parent = None
        if self._rare is not None:
            self.let_go()

    def let_go(self) -> None:
        """Of what stood for its receivers, which a record must not keep alive."""
        rare = self.rarely()
        stand_ins, rare.stand_ins = rare.stand_ins, None
        for each in stand_ins or ():
            each.close()
        ended, rare.ended = rare.ended, ()
        for tell in ended:
            tell(self)


class _OfSome(Recorders):
    """Of a dispatch that one of its traces does not keep: for that one it is not there."""

    __slots__ = ("around", "keepers")

    def __init__(self, like: Recorders, keepers: tuple[Recorder, ...], around: Node) -> None:
        super().__init__(like.all, like.depth, like.unheard)
        self.single = None
        # Not the recorders themselves, which this may outlive.
        self.keepers = tuple([each.alone for each in keepers])
        self.around = around


def _call_around(node: Node | None, recorder: Recorder) -> CallRecord | None:
    """The innermost receiver call that this trace knows; ``None`` for what is one of its roots.

    What a signal's own class sends between two receivers stands beside that dispatch, not below.
    """
    while node is not None:
        if type(node) is CallRecord:
            around = node.recorders
            if type(around) is not _OfSome or any(
                each is recorder.alone for each in around.keepers
            ):
                return node
            node = around.around
        elif type(node) is DispatchRecord:
            node = node.parent
        elif type(node) is Root and node.recorder is recorder:
            return None
        else:
            node = node.outer  # type: ignore[union-attr]  # the others have one
    return None


class Root:
    """Where a trace was started: what is sent here is one of its roots, and the outer node's."""

    __slots__ = ("outer", "recorders", "trace")

    signal_id = 0

    def __init__(self, recorder: Recorder, outer: Node | None) -> None:
        self.outer = outer
        self.trace = recorder.alone
        self.recorders = recorder.alone
        if outer is not None and outer.recorders.all:
            is_deep = type(outer) is not Unkept
            self.recorders = outer.recorders.and_also(recorder, is_deep=is_deep)

    @property
    def recorder(self) -> Recorder | None:
        """The trace's; ``None`` once it has ended."""
        return self.trace.innermost


class Unkept:
    """A dispatch that is not recorded, so that what it runs is not taken for its sender's.

    ``outer`` takes what is sent below; beyond the limit nothing does, and it is ``None``.
    ``signal`` is ``None`` when the tracer failed to record, which was counted as a fault.
    """

    __slots__ = (
        "has_asked",
        "is_muted",
        "is_too_deep",
        "outer",
        "recorders",
        "signal",
        "signal_id",
    )

    def __init__(
        self,
        recorders: Recorders,
        signal: str | None,
        outer: Node | None,
        signal_id: int = 0,
        *,
        is_too_deep: bool = False,
    ) -> None:
        self.recorders = recorders
        self.is_too_deep = is_too_deep
        self.signal = signal
        self.outer = outer
        # While it runs.
        self.signal_id = signal_id
        self.has_asked = False
        # Whether some receiver was muted: then it was not unheard.
        self.is_muted = False


class Within:
    """A subclass's own send has called Django's: that is one dispatch, whose record is open."""

    __slots__ = ("_was_in_django", "first", "outer", "recorders", "signal_id")

    def __init__(self, record: Any) -> None:
        record = record.outer if type(record) is Within else record
        self.outer: DispatchRecord = record
        self.recorders = record.recorders
        self.signal_id = record.signal_id
        # Of the receiver calls: those before are not Django's.
        self.first = len(record.calls)
        self._was_in_django = record.in_django
        record.in_django = True

    @property
    def has_asked(self) -> bool:
        return self.outer.has_asked

    def leave(self) -> None:
        self.outer.in_django = self._was_in_django


Node: TypeAlias = "Root | DispatchRecord | CallRecord | Unkept | Within"


# What the running code belongs to

logger = logging.getLogger("signal_tracer")

current: ContextVar[Node | None] = ContextVar("signal_tracer.current", default=None)

# Of the traces of the whole process (all_threads=True), for code whose context has none of its
# own; None without such a trace.
everywhere: Root | None = None

# Whoever mutes or counts receivers now, and loops that are not Django's: while there are any, the
# receivers of a dispatch are handed over with care.
special: set[object] = set()

# Of traces that keep what is sent alive, which tests ask for.
witnesses: tuple[Any, ...] = ()


def watch_everywhere(recorder: Recorder) -> None:
    global everywhere
    everywhere = Root(recorder, everywhere)
    forget_routes()  # They have counted for others alone.


def leave_everywhere(recorder: Recorder) -> None:
    global everywhere
    others = [] if everywhere is None else list(everywhere.recorders)
    everywhere = None
    for each in others:
        if each is not recorder:
            everywhere = Root(each, everywhere)


def node_with_everywhere(node: Node | None) -> Node | None:
    """``node``, with the traces of the whole process that were started elsewhere."""
    if node is None or everywhere is None:
        return everywhere if node is None else node
    for recorder in everywhere.recorders:
        if recorder not in node.recorders:
            node = Root(recorder, node)
    return node


def activities_at(node: Node | None) -> list[Activity]:
    """Where to note what the running code does: of the innermost receiver call, or the trace's.

    More than one where a receiver call started a trace of its own.
    """
    found: list[Activity] = []
    while node is not None:
        if type(node) is CallRecord:
            if node.activity is None:
                node.activity = Activity()
            found.append(node.activity)
            break
        if type(node) is Root:
            if node.recorder is not None:
                found.append(node.recorder.activity)
            node = node.outer
        elif type(node) is DispatchRecord:
            node = node.parent  # Between two receivers, in code of the signal's own class.
        else:
            outer: Node | None = node.outer  # type: ignore[union-attr]  # the others have one
            if outer is None:  # Below a dispatch that was not kept.
                found += [each.activity for each in node.recorders]
            node = outer
    return found


def innermost_call(node: Node | None) -> CallRecord | None:
    """The receiver call that runs the code; ``None`` outside, and below what is not recorded."""
    while node is not None and type(node) is not CallRecord:
        if type(node) is Root or type(node) is Within:
            node = node.outer
        elif (
            type(node) is DispatchRecord
            and node.is_kept is not False
            and node.rare.unwatched is None
        ):
            node = node.parent  # Between two receivers, in code of the signal's own class.
        else:
            return None
    return node


def nearest_running(node: Node | None) -> Node | None:
    """``node`` without the traces around it that have ended, so that they can be forgotten."""
    while type(node) is Root and node.recorder is None:
        node = node.outer
    return node if node is not None and node.recorders.all else None


def report_fault(node: Node | None, doing: str) -> None:
    """Say that the tracer itself failed, once a kind, and count it; to be called in ``except``."""
    if node is None or not node.recorders.all:
        node = everywhere
    for recorder in () if node is None else node.recorders.all:
        recorder.faults += 1
    if doing not in _reported:
        _reported.add(doing)
        try:
            logger.exception(
                "signal_tracer failed %s; the traced code went on undisturbed. "
                "Further failures of this kind are only counted in Trace.faults.",
                doing,
            )
        except RecursionError:
            _reported.discard(doing)  # No room to say it so near the limit.


_reported: set[str] = set()


class fenced:  # noqa: N801  # used as `@fenced(...)` and `with fenced(...):`, like a function
    """What is ours in the midst of the traced code may fail, and nobody else notices.

    A function that fails returns ``None``; a ``with`` block that fails ends. ``doing`` is what it
    was about to do; ``node`` where, if not at the current one. In what each dispatch or query
    runs the same stands written out, because a function around another one is a call more.
    """

    __slots__ = ("doing", "node")

    def __init__(self, doing: str, node: Node | None = None) -> None:
        self.doing = doing
        self.node = node

    def __call__(self, function: Any) -> Any:
        fence = self

        @functools.wraps(function)
        def within_fence(*args: Any, **kwargs: Any) -> Any:
            try:
                return function(*args, **kwargs)
            except Exception:
                # Near the recursion limit there may be no room to say so.
                try:  # noqa: SIM105  # two calls less than contextlib.suppress()
                    report_fault(fence.node or current.get(), fence.doing)
                except RecursionError:
                    pass
                return None

        return within_fence

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> bool:
        if kind is None or not issubclass(kind, Exception):
            return False
        report_fault(self.node or current.get(), self.doing)
        return True
