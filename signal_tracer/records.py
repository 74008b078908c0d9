"""The place for the records of a trace: what was sent, what ran, what was skipped, as plain data.

Nothing here knows Django, rich or how a trace was collected. A record holds each text as it was;
``str()`` of one is for a person, and safe to print. Times are seconds as floats,
counted from the start of the trace, unless a name says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal, TypeAlias

from signal_tracer.printable import printable

Outcome = Literal["returned", "raised", "swallowed", "cancelled", "running"]
Method = Literal["send", "send_robust", "asend", "asend_robust"]
# Why a receiver was not called; from "connected_to_parent" on, because of whom it is connected to.
Reason = Literal[
    "not_run",
    "muted",
    "connected_to_parent",
    "connected_to_child",
    "connected_to_proxy",
    "connected_to_concrete",
    "connected_to_class",
    "connected_to_instance",
    "connected_to_model",
]
CallbackOutcome = Literal["waiting", "ran", "raised", "discarded"]
Change = Literal["connect", "disconnect"]


@dataclass(frozen=True, slots=True)
class Summary:
    """What stands for a value that was not kept: ``shop.Order(pk=3)``, ``[redacted]``.

    A string, number, boolean or ``None`` is recorded as it is; anything else, and any string
    that was cut, is recorded as one of these, so that the two cannot be mistaken.
    """

    text: str

    def __str__(self) -> str:
        return printable(self.text)


Value: TypeAlias = "str | int | float | bool | Summary | None"


def show_value(value: Value) -> str:
    """``value`` as a person would read it: strings in quotes, summaries as they are."""
    return value.text if isinstance(value, Summary) else repr(value)


def goes_by(name: str, wanted: str) -> bool:
    """Whether ``wanted`` is ``name``, its last parts, or a pattern that matches it."""
    return name == wanted or name.endswith("." + wanted) or fnmatchcase(name, wanted)


@dataclass(frozen=True, slots=True)
class Location:
    """A line of source: ``file`` as Python gives it, ``line`` from 1, ``function`` qualified."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return printable(f"{self.file}:{self.line}")


@dataclass(frozen=True, slots=True)
class TracebackLine:
    """One step of a short traceback, the outermost first; ``code`` is empty without source."""

    location: Location
    code: str


@dataclass(frozen=True, slots=True)
class Error:
    """An exception: its dotted type, its message (cut at the limit) and a short traceback."""

    type: str
    message: str
    traceback: tuple[TracebackLine, ...] = ()

    def __str__(self) -> str:
        name = self.type.rpartition(".")[2]
        return printable(f"{name}: {self.message}" if self.message else name)


@dataclass(frozen=True, slots=True)
class Request:
    """The HTTP request that a trace belongs to; ``status`` is ``None`` if it never answered."""

    method: str
    path: str
    status: int | None = None


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A live receiver of a dispatch's signal that was not called, and the reason.

    ``reason`` is ``"not_run"`` when an earlier receiver raised and ended the dispatch, and
    ``"muted"`` when it was muted. Otherwise it is connected to another sender than the one that
    sent, ``connected_to``, and a person might expect it to run all the same: a parent or child
    class, a proxy or its concrete model, the class of an instance or an instance of the class,
    and for ``m2m_changed`` a model in place of its ``through``.
    """

    receiver: str
    reason: Reason
    defined_at: Location | None = None
    dispatch_uid: Value = None
    is_async: bool = False
    connected_to: str | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """One execution of a statement: ``sql`` has placeholders, never parameters.

    ``duration`` is the time in the database driver, in seconds. ``batch_size`` is the number of
    parameter sets of an ``executemany()``, and ``None`` for a single execution or where it
    could not be known without running the caller's code.
    """

    sql: str
    alias: str = "default"
    started_at: float = 0.0
    duration: float = 0.0
    is_write: bool = False
    batch_size: int | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A live receiver that a bypass left out, and the signal that it waits for."""

    signal: str
    receiver: str
    defined_at: Location | None = None
    dispatch_uid: Value = None
    is_async: bool = False


@dataclass(slots=True)
class Bypass:
    """A bulk operation that changed rows without sending the signals that receivers wait for.

    ``method`` is what was called (``bulk_create``), ``options`` what changed its meaning
    (``ignore_conflicts``), ``rows`` the number of rows it was given or reported, and ``None``
    when that was not known without a query. ``skipped`` names who did not run because of it.
    """

    method: str
    model: str
    rows: int | None = None
    options: tuple[str, ...] = ()
    sent_from: Location | None = None
    started_at: float = 0.0
    duration: float = 0.0
    skipped: list[Skipped] = field(default_factory=list)

    def __str__(self) -> str:
        """One line: ``shop.Order.bulk_create()  50 rows``."""
        rows = "" if self.rows is None else f"  {self.rows} row{'s' * (self.rows != 1)}"
        return printable(f"{self.model}.{self.method}(){rows}")


@dataclass(slots=True)
class OnCommit:
    """A callback that a receiver call registered with ``transaction.on_commit()``.

    ``outcome`` is ``"waiting"`` while its transaction is open, ``"ran"`` or ``"raised"`` after a
    commit, ``"discarded"`` after a rollback. ``ran_at`` is ``None`` unless it ran.
    """

    callback: str
    alias: str = "default"
    defined_at: Location | None = None
    registered_at: float = 0.0
    outcome: CallbackOutcome = "waiting"
    ran_at: float | None = None
    duration: float = 0.0


@dataclass(frozen=True, slots=True)
class HandledException:
    """An exception that was raised and caught again inside a receiver's own project code."""

    type: str
    message: str
    raised_at: Location
    caught_at: Location


@dataclass(frozen=True, slots=True)
class ConnectionChange:
    """A ``connect()`` or ``disconnect()`` call while the trace ran.

    ``was_connected`` is what ``disconnect()`` returned, and ``None`` for ``connect()``.
    """

    action: Change
    signal: str
    receiver: str
    sender: str = "None"
    dispatch_uid: Value = None
    called_from: Location | None = None
    started_at: float = 0.0
    was_connected: bool | None = None


@dataclass(slots=True)
class ReceiverCall:
    """One receiver run once inside a dispatch.

    ``duration`` is wall time in seconds, for an async receiver with its waiting; ``own_time``
    is ``duration`` less the time in which dispatches nested in it ran. ``outcome`` is
    ``"swallowed"`` when ``send_robust`` caught the exception, ``"raised"`` when it went on to
    the sender, ``"cancelled"`` when the task was cancelled, ``"running"`` when the trace was
    read before the call had ended.

    ``queries`` are its own: those that nested receiver calls ran are theirs. ``omitted_queries``
    counts own ones that were not kept because the trace had too many. ``handled`` holds
    exceptions that its code caught itself, with ``RECORD_HANDLED_EXCEPTIONS``, up to a limit;
    ``omitted_handled`` counts those beyond.
    """

    receiver: str
    defined_at: Location | None = None
    dispatch_uid: Value = None
    is_async: bool = False
    started_at: float = 0.0
    duration: float = 0.0
    own_time: float = 0.0
    outcome: Outcome = "returned"
    response: Value = None
    error: Error | None = None
    dispatches: list[Dispatch] = field(default_factory=list)
    queries: list[Query] = field(default_factory=list)
    omitted_queries: int = 0
    bypasses: list[Bypass] = field(default_factory=list)
    on_commit: list[OnCommit] = field(default_factory=list)
    handled: list[HandledException] = field(default_factory=list)
    omitted_handled: int = 0

    @property
    def query_count(self) -> int:
        """How many queries the call itself ran, without nested dispatches."""
        return len(self.queries) + self.omitted_queries

    @property
    def query_time(self) -> float:
        """Seconds in the queries of the call itself that were kept."""
        return sum(query.duration for query in self.queries)

    def with_nested(self) -> Iterator[ReceiverCall]:
        """The call itself, then every receiver call that is nested in it, at any depth."""
        waiting = [self]
        while waiting:
            call = waiting.pop()
            yield call
            waiting += [
                nested for dispatch in call.dispatches for nested in dispatch.receiver_calls
            ][::-1]

    def __str__(self) -> str:
        """One line: ``shop.receivers.send_receipt  SWALLOWED ValueError: no address``."""
        if self.outcome == "returned":
            return printable(self.receiver)
        return printable(f"{self.receiver}  {self.outcome.upper()} {self.error or ''}".rstrip())


@dataclass(slots=True)
class Dispatch:
    """One call of ``send``, ``send_robust``, ``asend`` or ``asend_robust`` that had receivers.

    ``unwatched`` is ``None`` when Django's own loop ran the receivers. A ``Signal`` subclass
    that loops over them itself cannot be watched: then ``receiver_calls`` is empty and
    ``unwatched`` names the receivers that its result says it called.

    ``in_atomic`` names the database aliases on which it was sent inside ``atomic()``, and
    ``rolled_back`` those of them whose block, or one around it, was rolled back later.
    ``on_commit`` names the ``transaction.on_commit()`` callback that sent it, if one did.
    """

    signal: str
    sender: str = "None"
    method: Method = "send"
    kwargs: dict[str, Value] = field(default_factory=dict)
    sent_from: Location | None = None
    started_at: float = 0.0
    duration: float = 0.0
    receiver_calls: list[ReceiverCall] = field(default_factory=list)
    near_misses: list[NearMiss] = field(default_factory=list)
    error: Error | None = None
    unwatched: list[str] | None = None
    in_atomic: tuple[str, ...] = ()
    rolled_back: tuple[str, ...] = ()
    on_commit: str | None = None

    def __str__(self) -> str:
        """One line: ``shop.signals.paid.send  sender=shop.Order``."""
        return printable(f"{self.signal}.{self.method}  sender={self.sender}")


@dataclass(frozen=True, slots=True)
class Unheard:
    """How many dispatches of one signal and sender no receiver was called for, and why not.

    ``m2m_changed`` counts here too where Django asks before it sends and finds nobody to hear it.
    """

    signal: str
    sender: str
    count: int
    near_misses: tuple[NearMiss, ...] = ()


@dataclass(frozen=True, slots=True)
class Unwatched:
    """How often a ``Signal`` subclass ran receivers in a method of its own that is no send."""

    signal: str
    method: str
    count: int


@dataclass(slots=True)
class Contents:
    """All that a trace recorded, at one moment.

    ``bypasses`` are those outside any receiver call, ``other_queries`` counts the queries there.
    ``omitted_others`` counts bypasses, callbacks, near misses and connection changes not kept.
    """

    dispatches: list[Dispatch] = field(default_factory=list)
    unheard: list[Unheard] = field(default_factory=list)
    unwatched: list[Unwatched] = field(default_factory=list)
    bypasses: list[Bypass] = field(default_factory=list)
    connection_changes: list[ConnectionChange] = field(default_factory=list)
    other_queries: int = 0
    omitted: int = 0
    omitted_others: int = 0
    too_deep: int = 0
    excluded: int = 0
    faults: int = 0
    duration: float = 0.0
