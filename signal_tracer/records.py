"""The records of a trace: what was sent, what ran, what was skipped, as plain data.

Nothing here knows Django, rich or how a trace was collected. A record holds each text as it was;
``str()`` of one is for a person, and safe to print. Times are seconds as floats, counted from the
start of the trace, unless a name says otherwise. ``plain.py`` makes JSON of any of these by its
fields and their hints, and docs/make_schema.py the schema of that; what stands below a field is
its description there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Annotated, Literal, Protocol, TypeAlias

from signal_tracer.printable import printable

Outcome = Literal["returned", "raised", "swallowed", "cancelled", "running"]
Method = Literal["send", "send_robust", "asend", "asend_robust"]
# Why a receiver was not called; from "connected_to_parent" on, because of whom it is connected to.
Reason = Literal[
    "not_run",
    "refused",
    "muted",
    "not_connected",
    "connected_to_parent",
    "connected_to_child",
    "connected_to_proxy",
    "connected_to_concrete",
    "connected_to_class",
    "connected_to_instance",
    "connected_to_model",
    "connected_to_other_proxy",
    "connected_to_real_model",
    "connected_to_stand_in",
    "connected_to_namesake",
    "connected_to_other_object",
    "connected_to_text",
    "connected_to_other",
]
# How rows changed without the signals that receivers wait for; see Bypass.
Door = Literal["bulk", "on_delete", "database", "many_to_many", "soft_delete", "sql"]
CallbackOutcome = Literal["waiting", "ran", "raised", "discarded", "not_run"]
ErrandKind = Literal["thread", "task", "mail", "network"]
Change = Literal["connect", "disconnect"]
Owning = Literal["project", "package", "django"]

# Dispatches nested deeper are not kept: Python and JSON both stop near 1,000 levels of anything.
DEEPEST = 100


@dataclass(frozen=True, slots=True)
class Limits:
    """What a number of a record lies between, and what such a number is called."""

    name: str
    least: int
    most: int


# Integers that every reader of JSON holds exactly, and 300 years: nothing that is added up or
# spelled from a trace that was read can become infinite, or too long for Python to spell.
MOST = 2**53 - 1
Seconds: TypeAlias = Annotated[float, Limits("seconds", 0, 10_000_000_000)]
Count: TypeAlias = Annotated[int, Limits("count", 0, MOST)]
Share: TypeAlias = Annotated[float, Limits("a share", 0, 1)]
# Of a thing that is there at least once, and what is counted from 1: lines, positions.
Ordinal: TypeAlias = Annotated[int, Limits("ordinal", 1, MOST)]


@dataclass(frozen=True, slots=True)
class Summary:
    """What stands for a value that was not kept: ``shop.Order(pk=3)``, ``[redacted]``.

    A string, number, boolean or ``None`` is recorded as it is; anything else, and any string
    that was cut, is recorded as one of these, so that the two cannot be mistaken.
    """

    text: str

    def __str__(self) -> str:
        return printable(self.text)


Value: TypeAlias = str | int | float | bool | Summary | None


def show_value(value: Value) -> str:
    """``value`` as a person would read it: strings in quotes, summaries as they are."""
    return value.text if isinstance(value, Summary) else repr(value)


def goes_by(name: str, wanted: str) -> bool:
    """Whether ``wanted`` is ``name``, its last parts, or a pattern that matches it."""
    return name == wanted or name.endswith("." + wanted) or fnmatchcase(name, wanted)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose code something is."""

    kind: Owning
    name: str = ""
    """Of the package, as it is imported: ``easy_thumbnails``. Empty for the project."""


PROJECT = Owner("project")
DJANGO = Owner("django", "django")


def is_djangos(receiver: str) -> bool:
    """Whether it is one of Django's own, which nobody who reads a trace could change."""
    return receiver.startswith("django.")


@dataclass(frozen=True, slots=True)
class Location:
    """A line of source."""

    file: str
    """As Python gives it."""
    line: Ordinal
    function: str
    """The qualified name."""

    def __str__(self) -> str:
        return printable(f"{self.file}:{self.line}")


@dataclass(frozen=True, slots=True)
class TracebackLine:
    """One step of a short traceback."""

    location: Location
    code: str
    """Empty without source."""


@dataclass(frozen=True, slots=True)
class Error:
    """An exception."""

    type: str
    """The dotted name of its class."""
    message: str
    """Cut at the limit."""
    traceback: tuple[TracebackLine, ...] = ()
    """The outermost line first."""

    def __str__(self) -> str:
        name = self.type.rpartition(".")[2]
        return printable(f"{name}: {self.message}" if self.message else name)


@dataclass(frozen=True, slots=True)
class Request:
    """The HTTP request that a trace belongs to."""

    method: str
    path: str
    status: int | None = None
    """``None`` if no response was seen."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The trace in which a task was queued."""

    name: str
    started_at: datetime
    """An ISO 8601 moment with its offset from UTC."""
    id: str
    """The ``id`` of that trace."""
    request: Request | None = None
    """The HTTP request that it began with: of that trace, or of what had queued that task."""

    def __str__(self) -> str:
        request = self.request
        asked = "" if request is None else f"{request.method} {request.path}"
        if not asked or asked == self.name:
            return printable(self.name)
        return printable(f"{self.name}, for {asked}")


@dataclass(frozen=True, slots=True)
class Task:
    """The task that a trace belongs to."""

    name: str
    """Dotted, as its worker calls it."""
    id: str | None = None
    """What its worker calls this run of it, retries included; ``None`` if it does not say."""
    attempt: Ordinal = 1
    """1 for the first, 2 for the first retry."""
    state: str | None = None
    """How it ended, in its worker's words (``SUCCESS``, ``RETRY``); ``None`` if it did not."""
    queued_by: Origin | None = None
    """``None`` if nothing was traced where it was queued."""


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A live receiver of the signal that was not called, and the reason."""

    receiver: str
    reason: Reason
    """``not_run`` when an earlier receiver raised and ended the dispatch, ``refused`` when it is
    async and Django refused to run it under a sync send in a running event loop, ``muted`` when it
    was muted, ``not_connected`` when the project's source connects it and the process does not have
    the connection (known only after a system check or signal_map has compared them). Otherwise it
    is connected to another sender than the one that sent, and a person might expect it to run all
    the same: a parent or child class, a proxy or its concrete model, the class of an instance or an
    instance of the class, and for ``m2m_changed`` a model in place of its ``through``; another
    proxy of the same model; the model itself where a migration's stand-in for it sent, or the
    reverse; a class of the same name from the same file, which was imported twice; another object
    of the same row or app; a string that names the sender, for a signal that does not look strings
    up. Or, of a dispatch that nobody heard, any other."""
    defined_at: Location | None = None
    dispatch_uid: Value = None
    is_async: bool = False
    connected_to: str | None = None
    """The sender that it is connected to, if that is the reason."""


@dataclass(frozen=True, slots=True)
class Query:
    """One execution of a statement."""

    sql: str
    """With placeholders, never parameters."""
    alias: str = "default"
    started_at: Seconds = 0.0
    duration: Seconds = 0.0
    """In the database driver."""
    is_write: bool = False
    batch_size: Count | None = None
    """Parameter sets of an ``executemany()``; ``None`` for a single execution, or where it could
    not be known without running the caller's code."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A live receiver that a bypass left out, and the signal that it waits for."""

    signal: str
    receiver: str
    defined_at: Location | None = None
    dispatch_uid: Value = None
    is_async: bool = False
    hears_any_sender: bool = False
    """Whether it waits for every model, and not for this one."""


@dataclass(slots=True)
class Bypass:
    """What changed rows without sending the signals that receivers wait for."""

    method: str
    """What was called: ``bulk_create``. What a deletion did to other rows goes by its rule:
    ``SET_NULL``, ``DB_CASCADE``; what SQL did by its verb."""
    model: str
    rows: Count | None = None
    """How many it was given or reported; ``None`` if that was not known without a query."""
    options: tuple[str, ...] = ()
    """What changed its meaning: ``ignore_conflicts``."""
    sent_from: Location | None = None
    """The nearest line of the project, else the nearest outside Django."""
    started_at: Seconds = 0.0
    duration: Seconds = 0.0
    skipped: list[Skipped] = field(default_factory=list)
    """The live receivers that did not run because of it."""
    through: Location | None = None
    """The nearest line outside Django, where that is an installed package's and another one."""
    door: Door = "bulk"
    """A ``bulk`` operation; ``on_delete``, which set a field because the row that it points to was
    deleted; the ``database``, which did what was left to it when that row was deleted; rows of a
    ``many_to_many`` relation that were saved or deleted themselves, or with another object; a
    ``soft_delete``, a ``delete()`` that only marked the row; ``sql`` of one's own."""
    field: str | None = None
    """The foreign key that a deletion followed."""
    origin: str | None = None
    """The model whose rows were deleted, if that was another one."""

    def __str__(self) -> str:
        """One line: ``shop.Order.bulk_create()  50 rows``."""
        rows = "" if self.rows is None else f"  {self.rows} row{'s' * (self.rows != 1)}"
        return printable(f"{self.model}{self._done_with()}{rows}")

    @property
    def operation(self) -> str:
        """What was done with the model, as it is read behind its name."""
        return self._done_with(", ".join(f"{each}=True" for each in self.options))

    def _done_with(self, options: str = "") -> str:
        if self.field is not None:
            return f".{self.field}  {self.method}"
        if self.door == "sql":
            return f"  {self.method} in SQL"
        return f".{self.method}({options})" + (f"  by deleting {self.origin}" * bool(self.origin))


@dataclass(frozen=True, slots=True)
class Listening:
    """A receiver because of which something was done in another way."""

    receiver: str
    defined_at: Location | None = None


@dataclass(frozen=True, slots=True)
class SlowDeletion:
    """Rows that Django loaded to delete them, because receivers of every model hear of each.

    It would have deleted them with one statement otherwise.
    """

    model: str
    rows: Count
    receivers: tuple[Listening, ...] = ()
    sent_from: Location | None = None
    """The nearest line of the project, else the nearest outside Django."""


@dataclass(slots=True)
class OnCommit:
    """A callback that a receiver call registered with ``transaction.on_commit()``."""

    callback: str
    alias: str = "default"
    defined_at: Location | None = None
    registered_at: Seconds = 0.0
    outcome: CallbackOutcome = "waiting"
    """``waiting`` while its transaction is open, ``ran`` or ``raised`` after a commit or run by a
    test, ``discarded`` after a rollback, ``not_run`` where one before it raised after the commit.
    """
    ran_at: Seconds | None = None
    """``None`` unless it ran."""
    duration: Seconds = 0.0
    waits_for_test: bool = False
    """Whether it waits for the block that Django's ``TestCase`` puts around a test, and never
    commits; if it ran, the test did that, by ``captureOnCommitCallbacks(execute=True)``."""
    was_logged: bool = False
    """Whether Django caught and logged what it raised (``robust=True``), and went on."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What a receiver call started that no rollback takes back, and that may not wait for it."""

    kind: ErrandKind
    """A thread or process was started, a task was queued, a mail was sent, a server was called."""
    target: str = ""
    """What runs in the thread, the task, the server, the mail's own class: a name, never an address
    or an argument. Empty where there is none."""
    sent_from: Location | None = None
    """The nearest line of the project, else the nearest outside Django; of a thread always that."""
    started_at: Seconds = 0.0


@dataclass(frozen=True, slots=True)
class HandledException:
    """An exception that was raised and caught again inside a receiver's own project code."""

    type: str
    message: str
    raised_at: Location
    caught_at: Location


@dataclass(frozen=True, slots=True)
class CacheCalls:
    """What a receiver call asked of one cache. Each call counts once, for one key or many."""

    alias: str = "default"
    """The class of the cache, where it is none of ``CACHES``."""
    gets: Count = 0
    """``get()``, ``get_many()``, ``get_or_set()``, ``has_key()`` and ``in``."""
    hits: Count = 0
    """Those of them that found something: anything but the default that they were given."""
    sets: Count = 0
    """``set()``, ``set_many()``, ``add()``, ``touch()``, ``incr()``, ``incr_version()`` and their
    opposites, and a ``get_or_set()`` that had to."""
    deletes: Count = 0
    """``delete()``, ``delete_many()`` and ``clear()``."""
    duration: Seconds = 0.0
    """Of all of them together."""


@dataclass(frozen=True, slots=True)
class ConnectionChange:
    """A ``connect()`` or ``disconnect()`` call while the trace ran."""

    action: Change
    signal: str
    receiver: str
    sender: str = "None"
    dispatch_uid: Value = None
    called_from: Location | None = None
    """The nearest line of the project, else the nearest outside Django."""
    started_at: Seconds = 0.0
    was_connected: bool | None = None
    """What ``disconnect()`` returned; ``None`` for ``connect()``."""
    held_by: str | None = None
    """The receiver that was connected so already, so that ``connect()`` did nothing: the same one,
    or another that has its ``dispatch_uid``."""
    through: Location | None = None
    """The nearest line outside Django, where that is an installed package's and another one."""
    twins: Count = 0
    """How many receivers of the same code were connected so already when ``connect()`` added it."""
    connected_as: str | None = None
    """How the same receiver is connected, where ``disconnect()`` found nothing: ``sender=...``."""

    @property
    def did_nothing(self) -> bool:
        """Whether everything is connected as it was before."""
        return self.held_by is not None or self.was_connected is False


@dataclass(slots=True)
class ReceiverCall:
    """One receiver run once inside a dispatch."""

    receiver: str
    defined_at: Location | None = None
    dispatch_uid: Value = None
    is_async: bool = False
    started_at: Seconds = 0.0
    duration: Seconds = 0.0
    """Wall time, for an async receiver with its waiting."""
    own_time: Seconds = 0.0
    """The duration less the time in which dispatches nested in it ran."""
    outcome: Outcome = "returned"
    """``swallowed`` when ``send_robust`` caught the exception, ``raised`` when it went on to the
    sender, ``cancelled`` when the task was cancelled, ``running`` when the trace was read before
    the call had ended."""
    response: Value = None
    error: Error | None = None
    dispatches: list[Dispatch] = field(default_factory=list)
    """The dispatches that were sent while this call ran, at most 100 within each other."""
    queries: list[Query] = field(default_factory=list)
    """Those that the call itself ran; what nested receiver calls ran is theirs."""
    omitted_queries: Count = 0
    """Queries of the call itself that were not kept, because the trace had too many."""
    bypasses: list[Bypass] = field(default_factory=list)
    on_commit: list[OnCommit] = field(default_factory=list)
    """The ``transaction.on_commit()`` callbacks that it registered."""
    handled: list[HandledException] = field(default_factory=list)
    """Exceptions that its own code raised and caught again, with ``RECORD_HANDLED_EXCEPTIONS``,
    up to a limit."""
    omitted_handled: Count = 0
    """Exceptions that it caught and that were not kept."""
    cache_calls: list[CacheCalls] = field(default_factory=list)
    """What the call itself asked of each cache, with ``RECORD_CACHE_CALLS``."""
    errands: list[Errand] = field(default_factory=list)
    """Threads, tasks, mails and calls of other servers that the call itself started."""

    @property
    def query_count(self) -> int:
        """How many queries the call itself ran, without nested dispatches."""
        return len(self.queries) + self.omitted_queries

    @property
    def query_time(self) -> float:
        """Seconds in the queries of the call itself that were kept."""
        return sum(query.duration for query in self.queries)

    def __str__(self) -> str:
        """One line: ``shop.receivers.send_receipt  SWALLOWED ValueError: no address``."""
        if self.outcome == "returned":
            return printable(self.receiver)
        return printable(f"{self.receiver}  {self.outcome.upper()} {self.error or ''}".rstrip())


@dataclass(slots=True)
class Dispatch:
    """One call of ``send``, ``send_robust``, ``asend`` or ``asend_robust`` that had receivers."""

    signal: str
    sender: str = "None"
    method: Method = "send"
    kwargs: dict[str, Value] = field(default_factory=dict)
    sent_from: Location | None = None
    started_at: Seconds = 0.0
    duration: Seconds = 0.0
    receiver_calls: list[ReceiverCall] = field(default_factory=list)
    near_misses: list[NearMiss] = field(default_factory=list)
    error: Error | None = None
    """The exception with which the dispatch itself ended."""
    unwatched: list[str] | None = None
    """``None`` when Django's own loop ran the receivers. A ``Signal`` subclass that loops over
    them itself cannot be watched: then there are no receiver calls, and this names the receivers
    that its result says it called."""
    in_atomic: tuple[str, ...] = ()
    """The database aliases on which it was sent inside ``atomic()``."""
    rolled_back: tuple[str, ...] = ()
    """Those of them whose block, or one around it, was rolled back later."""
    on_commit: str | None = None
    """The ``transaction.on_commit()`` callback that sent it; ``None`` if none did."""
    was_trial: bool = False
    """Whether it was rolled back by a package's own block that no exception left: on purpose."""
    is_undecided: bool = False
    """Whether a transaction that it was sent in was still open when the trace was read."""
    left_out: tuple[str, ...] = ()
    """Fields that receivers of ``pre_save`` changed, and that ``update_fields`` does not name."""
    was_deferred: bool = False
    """Whether they are left out because ``only()`` or ``defer()`` had: nobody named the others."""
    called: str | None = None
    """Of a signal of Django's models, what the line of ``sent_from`` calls, as its source has it:
    ``order.save``, ``Order.objects.update_or_create``; ``post_save.send`` if it is sent by hand."""

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
    count: Ordinal
    near_misses: tuple[NearMiss, ...] = ()
    sent_from: Location | None = None
    """The line that sent the first of them."""


@dataclass(frozen=True, slots=True)
class Unwatched:
    """How often a ``Signal`` subclass ran receivers in a method of its own that is no send."""

    signal: str
    method: str
    count: Ordinal


@dataclass(slots=True)
class Contents:
    """All that a trace recorded, at one moment."""

    duration: Seconds = 0.0
    waited: Seconds = 0.0
    """What of that the thread waited for a processor, as far as the operating system says."""
    dispatches: list[Dispatch] = field(default_factory=list)
    """The dispatches that no receiver call sent, in the order they were sent."""
    unheard: list[Unheard] = field(default_factory=list)
    """Dispatches that no receiver was called for, counted per signal and sender."""
    unwatched: list[Unwatched] = field(default_factory=list)
    """Receivers run by a method of a ``Signal`` subclass that is no send."""
    bypasses: list[Bypass] = field(default_factory=list)
    """Bulk operations outside any receiver call."""
    connection_changes: list[ConnectionChange] = field(default_factory=list)
    """``connect()`` and ``disconnect()`` calls while the trace ran."""
    slow_deletions: list[SlowDeletion] = field(default_factory=list)
    """Deletions row by row because somebody listens to every model, from 10 rows on."""
    other_queries: Count = 0
    """Queries that ran outside the receiver calls of this trace."""
    omitted: Count = 0
    """Dispatches not kept because ``MAX_DISPATCHES`` was reached."""
    omitted_details: Count = 0
    """Bypasses, callbacks, near misses, connection changes and caches not kept because there were
    too many."""
    too_deep: Count = 0
    """Dispatches not kept because they were nested more than 100 deep."""
    excluded: Count = 0
    """Dispatches left out by ``EXCLUDE_SIGNALS``."""
    faults: Count = 0
    """How often the tracer itself failed to record something."""
    owners: dict[str, Owner] = field(default_factory=dict)
    """Whose each file is that a location names; one that is not in it is the project's."""

    def owner_of(self, location: Location | None, name: str = "") -> Owner | None:
        """Whose a line is; without one, whose the code of this name. ``None`` if unknown."""
        if is_djangos(name):
            return DJANGO
        if location is not None:
            return self.owners.get(location.file, PROJECT)
        package = name.partition(".")[0]
        return next((each for each in self.owners.values() if each.name == package), None)


@dataclass(frozen=True, slots=True)
class Heading:
    """What a trace says of itself, beside what it recorded."""

    name: str
    """What was traced."""
    started_at: datetime
    """An ISO 8601 moment with its offset from UTC."""
    slow_after: Seconds
    """The own time from which a receiver call counted as slow."""
    slow_share: Share = 0.0
    """The share of the whole trace that it had to be as well."""
    ignore_findings: tuple[str, ...] = ()
    """Findings that are not shown: slugs, or ``slug:dotted.name``."""
    request: Request | None = None
    """The HTTP request that was traced; ``None`` outside of one."""
    task: Task | None = None
    """The task that was traced; ``None`` outside of one."""
    id: str = ""
    """One of its own, by which the tasks that were queued in it name it."""


class Recorded(Protocol):
    """What findings, rows and outlines need of a ``Trace``, which stands on them."""

    slow_after: float
    slow_share: float
    ignore_findings: tuple[str, ...]
    started_at: datetime

    @property
    def slow_from(self) -> float: ...

    @property
    def name(self) -> str: ...

    @property
    def request(self) -> Request | None: ...

    @property
    def task(self) -> Task | None: ...

    @property
    def contents(self) -> Contents: ...

    def frozen(self) -> Recorded:
        """A trace of what this one holds at this moment."""
        ...
