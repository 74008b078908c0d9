"""The place that knows which trace and receiver call the running code belongs to.

A *node* is what the context variable ``current`` holds while a trace runs, and what the next
dispatch is recorded under:

* ``Root``: a trace was started here, and no receiver call runs inside it;
* ``DispatchRecord``: a dispatch began, and its receivers have not;
* ``CallRecord``: a receiver call runs;
* ``Unkept``: a dispatch runs that is not recorded: excluded, or beyond the limit.

Records are as small as they can be; ``Recorder.read`` makes the plain data of a ``Trace``.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from fnmatch import fnmatchcase
from time import perf_counter_ns
from types import CodeType, FrameType
from typing import Any, TypeAlias

from signal_tracer.collecting.capture import Capture, CapturedError, name_of_sender
from signal_tracer.collecting.naming import (
    class_name,
    find_sender_frame,
    is_a,
    is_machinery,
    name_of_signal,
    signal_name,
)
from signal_tracer.conf import Config
from signal_tracer.trace import (
    Location,
    Method,
    Outcome,
    Reason,
    Value,
)

logger = logging.getLogger("signal_tracer")

now: Callable[[], int] = perf_counter_ns


class ReceiverInfo:
    """What is known of one connected receiver; shared by all its calls."""

    __slots__ = (
        "counted_by",
        "defined_at",
        "dispatch_uid",
        "hears_any_sender",
        "is_async",
        "name",
    )

    def __init__(
        self, name: str, defined_at: Location | None, dispatch_uid: Value, is_async: bool
    ) -> None:
        self.name = name
        self.defined_at = defined_at
        self.dispatch_uid = dispatch_uid
        self.is_async = is_async
        self.hears_any_sender = False
        # The signal coverage that knows already that it ran.
        self.counted_by: object = None


class MissInfo:
    """A receiver that was not called, though a person might expect it; shared by dispatches.

    ``identity`` is that of the receiver, ``reference`` its connection's weak reference, if any.
    """

    __slots__ = ("connected_to", "identity", "info", "reason", "reference")

    def __init__(
        self, info: ReceiverInfo, reason: Reason, connected_to: str, identity: Any, reference: Any
    ) -> None:
        self.info = info
        self.reason = reason
        self.connected_to = connected_to
        self.identity = identity
        self.reference = reference

    def is_live(self) -> bool:
        return self.reference is None or self.reference() is not None


# Of the synchronous and the asynchronous receivers of a dispatch, and of those that were near.
Infos: TypeAlias = "tuple[list[ReceiverInfo], list[ReceiverInfo], list[MissInfo]]"
NO_INFOS: Infos = ([], [], [])


class Failure:
    """How a receiver call ended other than by returning."""

    __slots__ = ("error", "outcome")

    def __init__(self, outcome: Outcome, error: CapturedError | None) -> None:
        self.outcome = outcome
        self.error = error


class Recorders(tuple["Recorder", ...]):
    """The traces that are to see what is sent at a node, and how many dispatches deep it is."""

    depth: int = 0
    below: Recorders | None = None
    # Those of the trace, for the hot path; empty for several traces, which count one by one.
    unheard_counters: dict[tuple[int, int], Counter]

    def go_below(self) -> Recorders:
        """The same, one dispatch deeper; kept as ``below``."""
        self.below = self.at(self.depth + 1)
        return self.below

    def at(self, depth: int) -> Recorders:
        found = Recorders(self)
        found.depth = depth
        found.unheard_counters = self[0].unheard_counters if len(self) == 1 else {}
        return found

    def running(self) -> Recorders:
        """Those that have not ended."""
        for each in self:
            if not each.is_running:
                break
        else:
            return self
        return Recorders(each for each in self if each.is_running).at(self.depth)


class Activity:
    """What a receiver call did besides sending signals; a trace has one for all outside of them.

    ``queries`` are kept up to a limit, and the rest counted in ``omitted_queries``; outside of
    receiver calls all of them are only counted.
    """

    __slots__ = (
        "bypasses",
        "callbacks",
        "handled",
        "omitted_handled",
        "omitted_queries",
        "queries",
    )

    def __init__(self) -> None:
        self.queries: list[Any] = []
        self.omitted_queries = 0
        self.bypasses: list[Any] = []
        self.callbacks: list[Any] = []
        self.handled: list[Any] = []
        self.omitted_handled = 0


# Receivers can nest deeper than Python and JSON can follow: both stop near 1,000 levels.
DEEPEST = 100


class CallRecord:
    """One receiver call. ``started`` is 0 before it runs, ``stopped`` until it has ended."""

    __slots__ = (
        "activity",
        "dispatches",
        "failure",
        "info",
        "recorders",
        "response",
        "started",
        "stopped",
    )

    def __init__(self, info: ReceiverInfo, recorders: Recorders, started: int) -> None:
        self.info = info
        self.recorders = recorders
        self.started = started
        self.stopped = 0
        self.response: object = None
        self.failure: Failure | None = None
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
            self.stopped = now()
        if outcome is None:
            is_cancelled = is_a(error, asyncio.CancelledError) or is_a(error, GeneratorExit)
            outcome = "cancelled" if is_cancelled else "raised"
        self.failure = Failure(outcome, capture_error(error, self.recorders))


class Span:
    """A stretch of work in a database that is undone together.

    ``sid`` is its savepoint, ``None`` from the ``BEGIN`` on; ``depth`` the number of atomic blocks
    around it. It lives as long as the dispatches that were sent in it, and only grows by a flag.
    """

    __slots__ = ("alias", "depth", "is_rolled_back", "parent", "sid")

    def __init__(self, alias: str, parent: Span | None, sid: str | None, depth: int) -> None:
        self.alias = alias
        self.parent = parent
        self.sid = sid
        self.depth = depth
        self.is_rolled_back = False

    def was_undone(self) -> bool:
        span: Span | None = self
        while span is not None:
            if span.is_rolled_back:
                return True
            span = span.parent
        return False


class Here:
    """Where a dispatch is sent: in which spans, and by which ``on_commit()`` callback.

    The callback sends what it sends at ``node``; all below that is sent at ``below``.
    """

    __slots__ = ("below", "callback", "node", "spans")

    def __init__(
        self,
        spans: tuple[Span, ...],
        callback: str | None = None,
        node: Node | None = None,
        below: Here | None = None,
    ) -> None:
        self.spans = spans
        self.callback = callback
        self.node = node
        self.below = below

    def of(self, node: Node) -> Here | None:
        """The same for a dispatch that is sent at ``node``."""
        if self.callback is None or node is self.node:
            return self
        # A trace that began inside the callback, or one of the whole process.
        return self if type(node) is Root and node.outer is self.node else self.below


class _Place(threading.local):
    """What the dispatches of one thread are to remember; ``transactions`` keeps it up to date."""

    def __init__(self) -> None:
        self.here: Here | None = None
        # The open spans of each connection, by its id.
        self.stacks: dict[int, Any] = {}
        # The on_commit() callback that runs, and the node at which it does.
        self.callback: str | None = None
        self.node: Node | None = None
        self.running: object = None


place = _Place()


def leave_places() -> None:
    """Forget the transactions of all threads."""
    global place
    place = _Place()


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
        self.started = now()
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
            secrets = recorder.capture.secrets
            for each in around:
                secrets.add_all(each.capture.secrets)
                each.capture.secrets = secrets

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

current: ContextVar[Node | None] = ContextVar("signal_tracer.current", default=None)


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
            if node.recorder.is_running:
                found.append(node.recorder.activity)
            node = node.outer
        elif type(node) is DispatchRecord:
            node = node.parent  # Between two receivers, in code of the signal's own class.
        elif type(node) is Unkept:
            if node.outer is None:  # Below a dispatch that was not kept.
                found += [each.activity for each in node.recorders if each.is_running]
            node = node.outer
    return found


def innermost_call(node: Node | None) -> CallRecord | None:
    """The receiver call that runs the code; ``None`` outside, and below what is not recorded."""
    while node is not None and type(node) is not CallRecord:
        if type(node) is Root:
            node = node.outer
        elif type(node) is DispatchRecord and node.keepers != () and node.unwatched is None:
            node = node.parent  # Between two receivers, in code of the signal's own class.
        else:
            return None
    return node


# Traces of the whole process (all_threads=True), for code whose context has none of its own.
everywhere: tuple[Recorder, ...] = ()


# Of traces that keep what is sent alive, which tests ask for.
witnesses: tuple[Any, ...] = ()


def watch_everywhere(recorder: Recorder) -> None:
    global everywhere
    everywhere = (*everywhere, recorder)


def leave_everywhere(recorder: Recorder) -> None:
    global everywhere
    everywhere = tuple(each for each in everywhere if each is not recorder)


def node_with_everywhere(node: Node | None) -> Node | None:
    """``node``, with the traces of the whole process that were started elsewhere."""
    for recorder in everywhere:
        if node is None or recorder not in node.recorders:
            node = Root(recorder, node)
    return node


def nearest_running(node: Node | None) -> Node | None:
    """``node`` without the traces around it that have ended, so that they can be forgotten."""
    while type(node) is Root and not node.recorder.is_running:
        node = node.outer
    if node is None or any(recorder.is_running for recorder in node.recorders):
        return node
    return None


# The text of a query, and whether it writes; shared by all that ran it.
Statement: TypeAlias = tuple[str, bool]

# A trace keeps this many times as many queries as dispatches.
QUERIES_PER_DISPATCH = 5


class Counter:
    """How many unheard dispatches one signal and sender had."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Recorder:
    """What one trace collects while it runs.

    Counts are plain integers: CPython switches threads between two bytecodes of ``x.n += 1``
    only at calls and jumps, of which there are none.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.capture = Capture(config.max_value_length)
        self.is_running = True
        self.is_witnessed = False
        self.started = now()
        self.stopped = 0
        self.roots: list[DispatchRecord] = []
        self.changes: list[Any] = []  # Of connections.
        self.activity = Activity()  # Outside of any receiver call.
        self.has_room = True
        self._numbers = itertools.count()
        self.omitted = 0
        self._other_numbers = itertools.count()
        self.omitted_others = 0
        self.too_deep = 0
        self.excluded = 0
        self.faults = 0
        self.unheard_counters: dict[tuple[int, int], Counter] = {}
        self._watched: dict[tuple[int, int], tuple[object, object]] = {}
        self._unheard_by_name: dict[tuple[str, str], Counter] = {}
        # Weak references to the signal and to the sender's class, and whether that was sent.
        self.unheard_senders: dict[tuple[str, str], tuple[Any, Any, bool]] = {}
        self.near_misses_of_unheard: dict[tuple[str, str], list[MissInfo]] | None = None
        self._unwatched: dict[tuple[str, str], int] = {}
        self.excluded_names: dict[str, bool] = {}
        # All of them, wherever they ran, and of how many more there is room for what they were.
        self.takes_queries = config.record_queries
        self.query_count = 0
        self.room_for_queries = QUERIES_PER_DISPATCH * config.max_dispatches
        self.statements: dict[str, Statement] = {}

    def excludes(self, signal: str) -> bool:
        found = self.excluded_names.get(signal)
        if found is None:
            found = any(fnmatchcase(signal, each) for each in self.config.exclude_signals)
            self.excluded_names[signal] = found
        return found

    def keep(self) -> bool:
        """Whether there is room for one more dispatch, which is then taken."""
        # Of two threads, each gets a number of its own.
        if self.has_room and next(self._numbers) < self.config.max_dispatches:
            return True
        self.has_room = False
        return False

    def keep_other(self) -> bool:
        """Whether there is room for one more record that is no dispatch; if not, count it."""
        if next(self._other_numbers) < self.config.max_dispatches:
            return True
        self.omitted_others += 1
        return False

    def leave_out(self, signal: str) -> None:
        """Count a dispatch that is not kept, unless the trace has ended."""
        if self.is_running:
            if self.excludes(signal):
                self.excluded += 1
            else:
                self.omitted += 1

    def count_unheard(self, signal: Any, sender: Any) -> None:
        counter = self.unheard_counters.get((id(signal), id(sender)))
        if counter is None:
            counter = self._counter_of(signal, sender)
        counter.count += 1

    def _counter_of(self, signal: Any, sender: Any) -> Counter:
        """A counter under the names; found by identity next time, for as long as both live."""
        names = name_of_signal(signal), name_of_sender(sender)
        if self.excludes(names[0]):
            names = names[0], ""
        elif (
            names not in self._unheard_by_name
            and len(self._unheard_by_name) >= self.config.max_dispatches
        ):
            # Bounded, whatever is sent, from whatever sender.
            names = names[0], "other senders"
            if len(self._unheard_by_name) >= 2 * self.config.max_dispatches:
                names = "other signals", "other senders"
        counter = self._unheard_by_name.get(names)
        if counter is None:
            counter = self._unheard_by_name.setdefault(names, Counter())
            is_class = is_a(sender, type)
            own = sender if is_class else type(sender)
            self.unheard_senders[names] = weakref.ref(signal), weakref.ref(own), is_class
        # One that is found here next time is counted, and its arguments are not looked at.
        if is_a(sender, type) and not self.is_witnessed:
            key = id(signal), id(sender)

            def forget(_: object) -> None:
                self.unheard_counters.pop(key, None)
                self._watched.pop(key, None)

            self.unheard_counters[key] = counter
            self._watched[key] = weakref.ref(signal, forget), weakref.ref(sender, forget)
        return counter

    def count_unwatched(self, signal: str, method: str) -> None:
        key = signal, method
        self._unwatched[key] = self._unwatched.get(key, 0) + 1

    def stop(self) -> None:
        self.is_running = False
        self.has_room = False
        self.takes_queries = False
        self.stopped = now()
        self.unheard_counters.clear()  # The hot path looks here first, and must find nothing now.

    def unheard(self) -> list[tuple[str, str, int]]:
        """Signal, sender and count, without those that are excluded."""
        return [
            (*names, counter.count)
            for names, counter in list(self._unheard_by_name.items())
            if not self.excludes(names[0])
        ]

    def excluded_dispatches(self) -> int:
        """How many were left out by pattern, heard or not."""
        return self.excluded + sum(
            counter.count
            for names, counter in list(self._unheard_by_name.items())
            if self.excludes(names[0])
        )

    def unwatched(self) -> list[tuple[str, str, int]]:
        return [(*names, count) for names, count in list(self._unwatched.items())]


def capture_error(error: BaseException, recorders: Recorders) -> CapturedError:
    return CapturedError(error, recorders[-1].capture, is_hidden_file)


# Files whose frames a short traceback leaves out: Django's loop and ours around a receiver.
_hidden_files: set[str] = {__file__}


def hide_file(filename: str) -> None:
    _hidden_files.add(filename)


def is_hidden_file(filename: str) -> bool:
    return filename in _hidden_files


def open_dispatch(
    node: Node,
    signal: Any,
    sender: object,
    method: Method,
    named: dict[str, object],
    caller: FrameType,
) -> DispatchRecord | Unkept:
    """Begin to record a dispatch that at least one running trace is to see."""
    recorders = node.recorders.running() if len(node.recorders) > 1 else node.recorders
    recorder = recorders[-1]
    site: FrameType | None = caller
    if is_machinery.get(caller.f_code.co_filename) is not False:
        site = find_sender_frame(caller)
    name = signal_name.known.get(id(signal)) or name_of_signal(signal, site)
    if not recorder.has_room or recorder.excluded_names.get(name) is not False:
        wanting = [each for each in recorders if not each.excludes(name)]
        if not wanting:
            return Unkept(recorders, name, node)
        for each in wanting:
            if each.has_room:
                break
        else:
            return Unkept(recorders, name, None)
    if recorders.depth >= DEEPEST:
        return Unkept(recorders, name, None, is_too_deep=True)
    kwargs = recorder.capture.kwargs(named)
    if not recorder.config.record_locations:
        site = None
    record = DispatchRecord(
        node,
        recorders.below or recorders.go_below(),
        name,
        id(signal),
        class_name.known.get(id(sender)) or name_of_sender(sender),
        method,
        kwargs,
        None if site is None else site.f_code,
        0 if site is None else site.f_lasti,
    )
    here = place.here
    if here is not None:
        record.here = here.of(node)
    return record


def close_unkept(unkept: Unkept, *, was_heard: bool, signal: Any, sender: object) -> None:
    """Count a dispatch that was not recorded."""
    if unkept.signal is None:
        return
    if unkept.is_too_deep:
        for recorder in unkept.recorders:
            recorder.too_deep += 1
    elif was_heard:
        for recorder in unkept.recorders:
            recorder.leave_out(unkept.signal)
    else:
        count_unheard(unkept, signal, sender)


def close_dispatch(record: DispatchRecord) -> None:
    """Note that a dispatch ended, after at least one receiver was called for it."""
    record.stopped = now()
    if record.keepers is None:
        record.link()
    record.near_misses = record.infos[2]
    record.infos = NO_INFOS
    record.parent = None


def close_failed_dispatch(record: DispatchRecord, error: BaseException) -> None:
    """Note that a dispatch ended by raising, and which receivers consequently never ran."""
    for call in record.calls:
        if call.started and not call.stopped and not call.info.is_async:
            call.fail(error)
    record.error = capture_error(error, record.recorders)
    synchronous = sum(1 for call in record.calls if not call.info.is_async)
    asynchronous = len(record.calls) - synchronous
    record.not_run = [*record.infos[0][synchronous:], *record.infos[1][asynchronous:]]
    close_dispatch(record)


def count_unheard(node: Node, signal: Any, sender: object) -> None:
    for recorder in node.recorders:
        if recorder.is_running:
            recorder.count_unheard(signal, sender)


def report_fault(node: Node | None, doing: str) -> None:
    """Say that the tracer itself failed, once a kind, and count it; to be called in ``except``."""
    for recorder in everywhere if node is None else node.recorders:
        recorder.faults += 1
    if doing not in _reported:
        _reported.add(doing)
        logger.exception(
            "signal_tracer failed %s; the traced code went on undisturbed. "
            "Further failures of this kind are only counted in Trace.faults.",
            doing,
        )


_reported: set[str] = set()
