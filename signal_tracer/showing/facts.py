"""Facts: what each kind of record says of itself, once for every output.

A title, marks, facts, and a sentence that explains; and of a whole trace its counts and notices.
The console lays facts out in a line, the panel in a table, Perfetto in the arguments of a slice;
none of them asks what kind a record is of. All words are English templates, which
docs/make_messages.py collects: the panel translates them where it shows them.

Something new to watch needs a line or two here: a ``Fact`` of the record that has it, and where
it should be counted in the head, a field of ``Counts`` and a ``Tally``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from signal_tracer.findings.kinds import Level
from signal_tracer.phrases import At, Count, Names, Phrase, Seconds, Sentence, Sql, Words
from signal_tracer.records import (
    Bypass,
    CacheCalls,
    CallbackOutcome,
    Contents,
    Dispatch,
    Door,
    Errand,
    ErrandKind,
    Error,
    HandledException,
    Location,
    NearMiss,
    OnCommit,
    Outcome,
    Query,
    Reason,
    ReceiverCall,
    Recorded,
    Skipped,
    Task,
    Value,
    show_value,
)
from signal_tracer.wording import format_duration, location_of, plural, sum_of_rows

Kind = Literal[
    "dispatch",
    "call",
    "near_miss",
    "unwatched",
    "bypass",
    "skipped",
    "on_commit",
    "query",
    "package",
]
# A string is the name of a receiver that was called where nobody could watch.
Record: TypeAlias = (
    "Dispatch | ReceiverCall | NearMiss | Bypass | Skipped | OnCommit | Query | InPackage | str"
)
R = TypeVar("R")


# Marks.

# Something is lost or wrong; worth a look; good to know.
Tone = Literal["trouble", "caution", "plain"]
TONES_OF_LEVELS: dict[Level, Tone] = {"error": "trouble", "warning": "caution", "info": "plain"}


@dataclass(frozen=True, slots=True)
class Mark:
    """What a reader must not miss, by word and sign, so that nobody needs to tell colours apart."""

    word: str
    sign: str
    tone: Tone


MARKS = {
    mark.word: mark
    for mark in (
        Mark("RAISED", "✖", "trouble"),
        Mark("SWALLOWED", "◐", "trouble"),
        Mark("CANCELLED", "⊘", "trouble"),
        Mark("ROLLED BACK", "↺", "trouble"),
        Mark("DISCARDED", "↺", "trouble"),
        Mark("NOT RUN", "○", "trouble"),
        Mark("RUNNING", "…", "caution"),
        Mark("HANDLED", "◑", "caution"),
        Mark("SLOW", "▲", "caution"),
        Mark("NEAR MISS", "≈", "caution"),
        Mark("BYPASS", "⤼", "caution"),
        Mark("SKIPPED", "○", "caution"),
        Mark("NOT WATCHED", "?", "caution"),
        Mark("OTHER SENDER", "≠", "plain"),
        Mark("MUTED", "○", "plain"),
        Mark("WAITING", "…", "plain"),
        Mark("ASYNC", "⇉", "plain"),
    )
}


def mark_of(word: str) -> Mark:
    return MARKS.get(word) or Mark(word, "•", "plain")


# Titles and facts.


@dataclass(frozen=True, slots=True)
class Title:
    """The dotted name, by whose last part people call it, and what stands before and after it."""

    name: str
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        return f"{self.before}{self.name}{self.after}"


@dataclass(frozen=True, slots=True)
class Source:
    """A line of source, with the function it stands in."""

    location: Location

    @classmethod
    def of(cls, location: Location | None) -> Source | None:
        return cls(location) if location else None

    def __str__(self) -> str:
        return f"{location_of(self.location)} in {self.location.function}"


@dataclass(frozen=True, slots=True)
class Captured:
    """A value that the traced code sent or returned."""

    value: Value

    def __str__(self) -> str:
        return show_value(self.value)


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a signal was sent with."""

    values: dict[str, Value]

    def spelled(self) -> list[str]:
        return [f"{name}={show_value(value)}" for name, value in self.values.items()]

    def __str__(self) -> str:
        return ", ".join(self.spelled())


@dataclass(frozen=True, slots=True)
class Handled:
    """Exceptions that a receiver raised and caught itself, each with how often.

    Of ``omitted`` more nothing else is known.
    """

    exceptions: dict[HandledException, int]
    omitted: int

    def __str__(self) -> str:
        told = [
            f"{Error(each.type, each.message)}, raised at {location_of(each.raised_at)}, "
            f"caught at {location_of(each.caught_at)}"
            for each in self.exceptions
        ]
        return "; ".join([*told, *([f"{self.omitted} more, not kept"] if self.omitted else [])])


@dataclass(frozen=True, slots=True)
class Queries:
    """Those that receiver calls ran themselves; of ``omitted`` more nothing else is known."""

    queries: tuple[Query, ...]
    omitted: int

    def __str__(self) -> str:
        number = plural(len(self.queries) + self.omitted, "query", "queries")
        return f"{number} {format_duration(sum(query.duration for query in self.queries))}"


# What str() makes of each is English, and not yet safe to print.
Told: TypeAlias = "Words | Source | Captured | Arguments | Error | Handled | Queries"
# Where a fact stands if there is not room for all: beside the title, in a column of its own, in a
# line with others, or nowhere, because the title, another row or its being usual says it.
Where = Literal["beside", "column", "line", "nowhere"]


NOT_RECORDED = Phrase("not recorded")


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that a record says of itself.

    ``label`` is for a table. ``line`` is how it reads among others in a line, a template with
    ``%(value)s``; by default it is the label and the value. A ``value`` of ``None`` is not known:
    a table says so with ``unknown``, a line leaves it out.
    """

    label: str
    value: Told | None
    line: str = ""
    where: Where = "line"
    unknown: Phrase = NOT_RECORDED

    def __str__(self) -> str:
        label = self.label[:1].lower() + self.label[1:]
        return (self.line or f"{label} %(value)s") % {"value": self.value}


@dataclass(frozen=True, slots=True)
class InPackage:
    """What happened in one package, put together where only the project's code is asked for."""

    package: str
    """As it is imported: ``easy_thumbnails``."""
    calls: tuple[ReceiverCall, ...]
    """Of its receivers."""
    dispatches: int
    """In how many of them."""
    bypasses: tuple[Bypass, ...]
    """Its bulk operations, which skipped receivers of packages only."""

    @property
    def started_at(self) -> float:
        starts = [call.started_at for call in self.calls]
        return min(starts + [bypass.started_at for bypass in self.bypasses])

    @property
    def duration(self) -> float:
        """Seconds in its own receivers, without what these set off."""
        return sum(call.own_time for call in self.calls)


class About(Generic[R]):
    """What the records of one kind say of themselves."""

    kind: Kind
    is_timed = False
    """Whether it takes time; its record then has a ``started_at`` and a ``duration``."""

    def title(self, record: R) -> Title:
        raise NotImplementedError

    def marks(self, record: R, slow_after: float) -> Iterator[str]:
        """Words of ``MARKS``, the worst first."""
        return iter(())

    def facts(self, records: Sequence[R], dispatch: Dispatch | None) -> Iterator[Fact]:
        """Those of equal records, which ``dispatch`` called or would have called.

        Numbers are of all together; where values may differ, they are the first one's.
        """
        return iter(())

    def why(self, record: R) -> Words | None:
        """In a few words how it came about, where its marks leave that open."""
        return None

    def sentence(self, record: R) -> Words | None:
        """What it means, and what follows from it; ``None`` where it explains itself."""
        return None


class OfDispatch(About[Dispatch]):
    kind = "dispatch"
    is_timed = True

    def title(self, record: Dispatch) -> Title:
        return Title(record.signal, after=f".{record.method}")

    def marks(self, record: Dispatch, slow_after: float) -> Iterator[str]:
        if record.error:
            was_cancelled = record.error.type.endswith("CancelledError")
            yield "CANCELLED" if was_cancelled else "RAISED"
        if record.rolled_back:
            yield "ROLLED BACK"
        if record.unwatched == []:  # where receivers are known by name, each says so itself
            yield "NOT WATCHED"

    def facts(self, records: Sequence[Dispatch], dispatch: Dispatch | None) -> Iterator[Fact]:
        first = records[0]
        yield Fact("Signal", first.signal, where="nowhere")
        yield Fact("Sender", first.sender, "sender=%(value)s", "beside")
        yield Fact("Sent with", f"{first.method}()", where="nowhere")
        yield Fact("Sent from", Source.of(first.sent_from), where="column")
        if first.on_commit is not None:
            line = "by the on_commit() callback %(value)s"
            yield Fact("Sent by the on_commit() callback", first.on_commit, line)
        if first.in_atomic:
            line = f"inside atomic(){_on(*first.in_atomic)}"
            yield Fact("Inside atomic() on", Names.of(first.in_atomic), line)
        if first.rolled_back:
            is_marked = first.rolled_back == first.in_atomic
            yield Fact(
                "Rolled back on",
                Names.of(first.rolled_back),
                f"rolled back{_on(*first.rolled_back)}",
                "nowhere" if is_marked else "line",
            )
        if first.left_out:
            left_out = Names.of(first.left_out)
            yield Fact("Changed and not saved", left_out, "changed and not saved: %(value)s")
        if first.error:
            # A receiver's exception has its traceback in that receiver's row.
            is_theirs = is_of_a_receiver(first)
            error = Error(first.error.type, first.error.message) if is_theirs else first.error
            yield Fact("Exception", error, where="nowhere" if is_theirs else "line")
        if first.kwargs:
            yield Fact("Keyword arguments", Arguments(first.kwargs))

    def why(self, record: Dispatch) -> Words | None:
        if record.unwatched is None:
            return None
        return Phrase(
            "the signal's own class calls the receivers: their times, errors and nesting are not "
            "known"
        )

    def sentence(self, record: Dispatch) -> Words | None:
        if record.unwatched is not None:
            return NOT_WATCHED
        return ROLLED_BACK if record.rolled_back else None


class OfReceiverCall(About[ReceiverCall]):
    kind = "call"
    is_timed = True

    def title(self, record: ReceiverCall) -> Title:
        return Title(record.receiver)

    def marks(self, record: ReceiverCall, slow_after: float) -> Iterator[str]:
        if record.outcome != "returned":
            yield record.outcome.upper()
        if record.handled or record.omitted_handled:
            yield "HANDLED"
        if record.own_time >= slow_after:
            yield "SLOW"
        if record.is_async:
            yield "ASYNC"

    def facts(self, records: Sequence[ReceiverCall], dispatch: Dispatch | None) -> Iterator[Fact]:
        first = records[0]
        yield from _connection(first)
        if dispatch:
            yield Fact("Sender", dispatch.sender, where="nowhere")
        if first.outcome == "returned":
            line = "the first returned %(value)s" if len(records) > 1 else "returned %(value)s"
            where: Where = "nowhere" if first.response is None else "line"
            yield Fact("Response", Captured(first.response), line, where)
        if first.handled or first.omitted_handled:
            handled = Handled(Counter(first.handled), first.omitted_handled)
            yield Fact("Handled inside", handled)
        if first.error:
            yield Fact("Exception", first.error)
        queries = tuple(query for call in records for query in call.queries)
        omitted = sum(call.omitted_queries for call in records)
        if queries or omitted:
            yield Fact("Queries", Queries(queries, omitted), "%(value)s", "column")
        yield from _asked_of_caches([each for call in records for each in call.cache_calls])
        yield from _errands([each for call in records for each in call.errands])
        elsewhere = _elsewhere(records, dispatch)
        if elsewhere:
            yield Fact(
                "On another database than the row's", Names.of(elsewhere), "queries on %(value)s"
            )
        if dispatch and dispatch.kwargs:
            yield Fact("Keyword arguments", Arguments(dispatch.kwargs), where="nowhere")

    def sentence(self, record: ReceiverCall) -> Words | None:
        return OUTCOMES.get(record.outcome)


OUTCOMES: dict[Outcome, Words] = {
    "swallowed": Phrase(
        "Swallowed: the dispatch caught the exception and went on. Whoever sent the signal knows "
        "of it only by looking through what the dispatch returned."
    ),
    "raised": Phrase(
        "Raised: the exception ended the dispatch and went on to whoever sent the signal."
    ),
    "cancelled": Phrase("Cancelled: the task was cancelled while this receiver ran."),
    "running": Phrase("Running: this receiver had not ended when the trace was read."),
}


class OfNearMiss(About[NearMiss]):
    kind = "near_miss"

    def title(self, record: NearMiss) -> Title:
        return Title(record.receiver)

    def marks(self, record: NearMiss, slow_after: float) -> Iterator[str]:
        fates = {
            "not_run": "NOT RUN",
            "refused": "NOT RUN",
            "muted": "MUTED",
            "connected_to_other": "OTHER SENDER",
        }
        yield fates.get(record.reason, "NEAR MISS")
        if record.is_async:
            yield "ASYNC"

    def facts(self, records: Sequence[NearMiss], dispatch: Dispatch | None) -> Iterator[Fact]:
        first = records[0]
        yield from _connection(first)
        if first.connected_to:
            yield Fact("Connected to", first.connected_to, where="nowhere")

    def why(self, record: NearMiss) -> Words | None:
        if record.reason == "muted":  # as its mark says
            return None
        if record.reason == "not_run":
            return Phrase("an earlier receiver raised")
        if record.reason == "refused":
            return Phrase("async, and a sync send cannot run it in a running event loop")
        if record.reason == "not_connected":
            return Sentence(
                "not connected to %(sender)s, though the source has it",
                {"sender": record.connected_to or Phrase("any sender")},
            )
        sender = record.connected_to or Phrase("another sender")
        return Sentence(REASONS[record.reason].words, {"sender": sender})

    def sentence(self, record: NearMiss) -> Words | None:
        if record.reason == "not_run":
            return Phrase("Not run: an earlier receiver raised, and that ended the dispatch.")
        if record.reason == "refused":
            return Phrase(
                "Not run: it is async, and Django cannot run it under a sync send while an event "
                "loop runs. Await asend() or asend_robust() if the send is yours; else make it a "
                "plain function."
            )
        if record.reason == "muted":
            return Phrase("Muted: it would have been called, but was muted for the time being.")
        if record.reason == "not_connected":
            return Phrase(
                "Near miss: the source connects this receiver, and the process does not have the "
                "connection. manage.py signal_map --missing says why."
            )
        if record.reason == "connected_to_other":
            return Phrase("Other sender: it is connected to this signal, and waits for another.")
        return Sentence(
            "Near miss: the signal was sent and this receiver waits for it, but it is %(why)s. "
            "Django compares senders by identity: connect it to the very sender, or to none.",
            {"why": self.why(record) or ""},
        )


# What a receiver is connected to, seen from the sender that sent.
REASONS: dict[Reason, Phrase] = {
    "connected_to_parent": Phrase("connected to %(sender)s, a parent class of the sender"),
    "connected_to_child": Phrase("connected to %(sender)s, a child class of the sender"),
    "connected_to_proxy": Phrase("connected to %(sender)s, a proxy of the sender"),
    "connected_to_concrete": Phrase("connected to %(sender)s, which the sender is a proxy of"),
    "connected_to_class": Phrase("connected to %(sender)s, the class of the sender"),
    "connected_to_instance": Phrase("connected to %(sender)s, an instance of the sender"),
    "connected_to_model": Phrase("connected to %(sender)s, a model, and not the table between two"),
    "connected_to_other_proxy": Phrase("connected to %(sender)s, another proxy of the same model"),
    "connected_to_real_model": Phrase(
        "connected to %(sender)s, the model itself, for which a migration has a class of its own"
    ),
    "connected_to_stand_in": Phrase(
        "connected to %(sender)s, a class that only a migration works with"
    ),
    "connected_to_namesake": Phrase(
        "connected to another class that is %(sender)s: its module was imported twice"
    ),
    "connected_to_other_object": Phrase("connected to another object that is %(sender)s too"),
    "connected_to_text": Phrase(
        "connected to the string %(sender)s, which this signal does not look up"
    ),
    "connected_to_other": Phrase("connected to %(sender)s"),
}


class OfUnwatched(About[str]):
    kind = "unwatched"

    def title(self, record: str) -> Title:
        return Title(record)

    def marks(self, record: str, slow_after: float) -> Iterator[str]:
        yield "NOT WATCHED"

    def facts(self, records: Sequence[str], dispatch: Dispatch | None) -> Iterator[Fact]:
        yield Fact("Receiver", records[0], where="nowhere")

    def sentence(self, record: str) -> Words | None:
        return NOT_WATCHED


class OfBypass(About[Bypass]):
    kind = "bypass"
    is_timed = True

    def title(self, record: Bypass) -> Title:
        return Title(record.model, after=record.operation)

    def marks(self, record: Bypass, slow_after: float) -> Iterator[str]:
        yield "BYPASS"

    def facts(self, records: Sequence[Bypass], dispatch: Dispatch | None) -> Iterator[Fact]:
        first = records[0]
        number, is_whole = sum_of_rows(records)
        yield Fact("Model", first.model, where="nowhere")
        is_called = first.field is None and first.door != "sql"
        yield Fact("Method", f"{first.method}()" if is_called else first.method, where="nowhere")
        yield Fact(
            "Rows",
            None
            if number is None
            else Count(number, "%(number)s row", "%(number)s rows", not is_whole),
            "%(value)s",
            "beside",
            unknown=Phrase("not known without a query"),
        )
        if first.options:
            yield Fact("Options", ", ".join(first.options), where="nowhere")
        yield Fact("Called from", Source.of(first.sent_from), where="column")
        skipped = Count(len(first.skipped), "%(number)s receiver", "%(number)s receivers")
        yield Fact("Skipped", skipped, where="nowhere")

    def sentence(self, record: Bypass) -> Words | None:
        return DOORS[record.door]


# Why no signals were sent for the rows of a bypass.
DOORS: dict[Door, Phrase] = {
    "bulk": Phrase(
        "Bypass: a bulk operation changes rows without sending the signals of each. The "
        "receivers below wait for those signals and did not run. If they matter here, save "
        "one by one, or call what they do for all rows at once."
    ),
    "on_delete": Phrase(
        "Bypass: a row was deleted, and its on_delete changed the rows that point to it, without "
        "sending the signals of a save. The receivers below wait for those, and did not run."
    ),
    "database": Phrase(
        "Bypass: a row was deleted, and the database itself deleted or changed the rows that "
        "point to it, if there were any. Django knows nothing of them, and sends no signals."
    ),
    "many_to_many": Phrase(
        "Bypass: rows between two models were saved or deleted themselves. m2m_changed is sent "
        "by add(), remove(), set() and clear() alone, and the receivers below wait for it."
    ),
    "soft_delete": Phrase(
        "Bypass: delete() is overridden and only marked the row. Django sends the signals of a "
        "deletion in its own delete() alone, and the receivers below wait for them."
    ),
    "sql": Phrase(
        "Bypass: SQL that was given to a cursor changed rows of this model. Django does not look "
        "into it, and sends no signals."
    ),
}


class OfSkipped(About[Skipped]):
    kind = "skipped"

    def title(self, record: Skipped) -> Title:
        return Title(record.receiver)

    def marks(self, record: Skipped, slow_after: float) -> Iterator[str]:
        yield "SKIPPED"
        if record.is_async:
            yield "ASYNC"

    def facts(self, records: Sequence[Skipped], dispatch: Dispatch | None) -> Iterator[Fact]:
        yield from _connection(records[0])
        yield Fact("Waits for", records[0].signal)

    def sentence(self, record: Skipped) -> Words | None:
        return Phrase("Skipped: this operation sends no signal that it waits for.")


class OfOnCommit(About[OnCommit]):
    kind = "on_commit"

    def title(self, record: OnCommit) -> Title:
        return Title(record.callback, before="on_commit ")

    def marks(self, record: OnCommit, slow_after: float) -> Iterator[str]:
        if record.outcome != "ran":
            yield record.outcome.upper().replace("_", " ")

    def facts(self, records: Sequence[OnCommit], dispatch: Dispatch | None) -> Iterator[Fact]:
        first = records[0]
        yield Fact("Callback", first.callback, where="nowhere")
        yield _defined_at(first.defined_at)
        is_usual = first.alias == "default"
        yield Fact("Database", first.alias, "on %(value)s", "nowhere" if is_usual else "line")
        begun = Sentence("%(time)s after the trace began", {"time": Seconds(first.registered_at)})
        yield Fact("Registered", begun, where="nowhere")
        if first.ran_at is not None:
            yield Fact("Ran", _after_it_was_registered(first), where="nowhere")

    def why(self, record: OnCommit) -> Words | None:
        if record.ran_at is None:
            return FATES[record.outcome][0]
        return _after_it_was_registered(record)

    def sentence(self, record: OnCommit) -> Words | None:
        if _was_run_by_a_test(record):
            return Phrase("The test ran it in place of a commit.")
        return FATES[record.outcome][1]


def _was_run_by_a_test(record: OnCommit) -> bool:
    return record.waits_for_test and record.ran_at is not None


def _after_it_was_registered(record: OnCommit) -> Words:
    waited: Words = Seconds(max((record.ran_at or 0.0) - record.registered_at, 0.0))
    if _was_run_by_a_test(record):
        return Sentence("the test ran it, %(time)s after it was registered", {"time": waited})
    if record.outcome == "raised":
        return Sentence(
            "raised after the commit, %(time)s after it was registered", {"time": waited}
        )
    return Sentence("ran after the commit, %(time)s after it was registered", {"time": waited})


FATES: dict[CallbackOutcome, tuple[Words, Words]] = {
    "waiting": (
        Phrase("its transaction was still open"),
        Phrase("Waiting: its transaction had not ended when the trace did."),
    ),
    "ran": (
        Phrase("ran after the commit"),
        Phrase("It ran after its transaction was committed."),
    ),
    "raised": (
        Phrase("raised after the commit"),
        Phrase("It ran after its transaction was committed, and raised."),
    ),
    "discarded": (
        Phrase("its transaction was rolled back"),
        Phrase("Discarded: its transaction was rolled back, so it will never be called."),
    ),
    "not_run": (
        Phrase("a callback before it raised"),
        Phrase("Its transaction was committed, and a callback before it raised: it was not run."),
    ),
}


class OfQuery(About[Query]):
    kind = "query"
    is_timed = True

    def title(self, record: Query) -> Title:
        return Title(record.sql[:80])

    def facts(self, records: Sequence[Query], dispatch: Dispatch | None) -> Iterator[Fact]:
        first = records[0]
        yield Fact("SQL", Sql(first.sql))
        yield Fact("Database", first.alias)
        if first.is_write:
            yield Fact("Kind", Phrase("write"))
        if first.batch_size is not None:
            sets = Count(first.batch_size, "%(number)s parameter set", "%(number)s parameter sets")
            yield Fact("Parameters", sets)


class OfPackage(About[InPackage]):
    kind = "package"
    is_timed = True

    def title(self, record: InPackage) -> Title:
        return Title(record.package, before="in ")

    def marks(self, record: InPackage, slow_after: float) -> Iterator[str]:
        marks = {
            mark for call in record.calls for mark in ABOUT[ReceiverCall].marks(call, slow_after)
        }
        yield from (mark for mark in ("HANDLED", "SLOW") if mark in marks)

    def facts(self, records: Sequence[InPackage], dispatch: Dispatch | None) -> Iterator[Fact]:
        [package] = records
        yield Fact("Package", package.package, where="nowhere")
        if package.calls:
            told: dict[str, Words] = {
                "calls": Count(
                    len(package.calls), "%(number)s receiver call", "%(number)s receiver calls"
                ),
                "dispatches": Count(
                    package.dispatches, "%(number)s dispatch", "%(number)s dispatches"
                ),
            }
            happened = Sentence("%(calls)s in %(dispatches)s", told)
            yield Fact("Receiver calls", happened, "%(value)s", "beside")
        if package.bypasses:
            number = len(package.bypasses)
            operations = Count(number, "%(number)s bulk operation", "%(number)s bulk operations")
            yield Fact("Bulk operations", operations, "%(value)s", "beside")
        receivers = Names.of(call.receiver for call in package.calls)
        yield Fact("Receivers", receivers if receivers.names else None, where="nowhere")
        queries = tuple(query for call in package.calls for query in call.queries)
        omitted = sum(call.omitted_queries for call in package.calls)
        if queries or omitted:
            yield Fact("Queries", Queries(queries, omitted), "%(value)s", "column")

    def sentence(self, record: InPackage) -> Words | None:
        return Phrase(
            "Only receivers of this package ran there, and nothing went wrong: put together, "
            "because only the project's own code is shown."
        )


ABOUT: dict[type, About[Any]] = {
    Dispatch: OfDispatch(),
    ReceiverCall: OfReceiverCall(),
    NearMiss: OfNearMiss(),
    str: OfUnwatched(),
    Bypass: OfBypass(),
    Skipped: OfSkipped(),
    OnCommit: OfOnCommit(),
    Query: OfQuery(),
    InPackage: OfPackage(),
}

NOT_WATCHED = Phrase(
    "Not watched: this signal's class calls its receivers in code of its own. Which ones were "
    "called is known from what the dispatch returned."
)
ROLLED_BACK = Phrase(
    "Rolled back: what the database was told is undone, but whatever else the receivers did "
    "(mail, cache, other services) is not. transaction.on_commit() waits for the end."
)


def _connection(record: ReceiverCall | NearMiss | Skipped) -> Iterator[Fact]:
    """Who is connected: the receiver, where it is defined, and its uid."""
    yield Fact("Receiver", record.receiver, where="nowhere")
    yield _defined_at(record.defined_at)
    if record.dispatch_uid is not None:
        yield Fact("dispatch_uid", Captured(record.dispatch_uid), "dispatch_uid=%(value)s")


def _defined_at(location: Location | None) -> Fact:
    # In a line without the function, which is what is called so.
    return Fact("Defined at", At(location) if location else None, "%(value)s", "column")


def _on(*aliases: str) -> str:
    """Which databases, unless that goes without saying."""
    return "" if aliases == ("default",) else " on %(value)s"


def _asked_of_caches(calls: Sequence[CacheCalls]) -> Iterator[Fact]:
    """What was asked of each cache; its time apart, because that differs from run to run."""
    for alias in dict.fromkeys(each.alias for each in calls):
        of_it = [each for each in calls if each.alias == alias]
        told: dict[str, Words] = {
            "alias": alias,
            "time": Seconds(sum(each.duration for each in of_it)),
            "gets": Count(sum(each.gets for each in of_it), "%(number)s get", "%(number)s gets"),
            "hits": Count(sum(each.hits for each in of_it), "%(number)s hit", "%(number)s hits"),
            "sets": Count(sum(each.sets for each in of_it), "%(number)s set", "%(number)s sets"),
            "deletes": Count(
                sum(each.deletes for each in of_it), "%(number)s delete", "%(number)s deletes"
            ),
        }
        numbers = Sentence("cache %(alias)s: %(gets)s, %(hits)s, %(sets)s, %(deletes)s", told)
        yield Fact("Cache calls", numbers, "%(value)s", "beside")
        yield Fact("Time in caches", Sentence("%(alias)s: %(time)s", told))


def _errands(errands: Sequence[Errand]) -> Iterator[Fact]:
    """What was started, each with how often; first what has no name of its own."""
    for kind, label in ERRANDS.items():
        did = label.words[:1].lower() + label.words[1:]
        targets = [each.target for each in errands if each.kind == kind]
        named = [target for target in targets if target]
        if unnamed := len(targets) - len(named):
            yield Fact(label.words, _times(unnamed), did if unnamed == 1 else f"{did}, %(value)s")
        if named:
            names = Names.of(named)
            times = _times(len(named))
            again = Sentence("%(targets)s, %(times)s", {"targets": names, "times": times})
            yield Fact(label.words, again if len(named) > 1 else names, f"{did}: %(value)s")


def _times(number: int) -> Count:
    return Count(number, "%(number)s time", "%(number)s times")


# What a receiver call started, before anybody knew whether its transaction would be committed.
ERRANDS: dict[ErrandKind, Phrase] = {
    "thread": Phrase("Started a thread"),
    "task": Phrase("Queued a task"),
    "mail": Phrase("Sent a mail"),
    "network": Phrase("Called a server"),
}


def _elsewhere(calls: Sequence[ReceiverCall], dispatch: Dispatch | None) -> list[str]:
    """The databases of their queries that are not the row's."""
    using = dispatch.kwargs.get("using") if dispatch else None
    if type(using) is not str:
        return []
    return [query.alias for call in calls for query in call.queries if query.alias != using]


def recursion(rounds: int, times: int) -> Fact:
    """That a row stands for as many dispatches within each other, as many ``times``."""
    number = Count(
        rounds,
        "%(number)s round, each within the one before",
        "%(number)s rounds, each within the one before",
    )
    # One recursion has as many rounds as the row has records, which stands beside its name.
    line = "each within the one before" if times == 1 else "%(value)s"
    return Fact("Recursion", number, line, "beside")


def is_of_a_receiver(dispatch: Dispatch) -> bool:
    """Whether what it ended with is the exception of one of its receivers."""
    error = dispatch.error
    errors = [call.error for call in dispatch.receiver_calls]
    return error is not None and any(_is_same(error, each) for each in errors)


def _is_same(error: Error, other: Error | None) -> bool:
    return other is not None and (error.type, error.message) == (other.type, other.message)


# A whole trace.


def facts_of_task(task: Task | None) -> Iterator[Fact]:
    """What a trace of a task says of it, beside its name and how it ended."""
    if task is None:
        return
    if task.queued_by is not None:
        yield Fact("Queued by", str(task.queued_by), "queued by %(value)s")
    if task.attempt > 1:
        yield Fact("Attempt", task.attempt, "attempt %(value)s")


def facts_of_trace(contents: Contents) -> Iterator[Fact]:
    """What a trace says of itself below its counts."""
    if contents.other_queries:
        number = Count(contents.other_queries, "%(number)s query", "%(number)s queries")
        yield Fact("Outside of receivers", number, "%(value)s outside of receivers")


@dataclass(frozen=True, slots=True)
class Counts:
    """How much a trace holds; from ``unheard`` to ``excluded`` it counts dispatches.

    ``not_run`` to ``near_misses`` count receivers that were not called in a dispatch: because
    an earlier one raised, because they were muted, because they are connected to another sender.
    ``discarded`` counts the ``on_commit()`` callbacks that a rollback threw away.
    """

    dispatches: int
    receiver_calls: int
    swallowed: int
    raised: int
    cancelled: int
    running: int
    slow: int
    not_run: int
    unheard: int
    omitted: int
    too_deep: int
    excluded: int
    faults: int
    muted: int = 0
    near_misses: int = 0
    queries: int = 0
    bypasses: int = 0
    rolled_back: int = 0
    handled: int = 0
    discarded: int = 0
    cache_calls: int = 0


def count(trace: Recorded) -> Counts:
    """How much ``trace`` holds, each dispatch and receiver call counted once."""
    return count_of(trace.contents, trace.slow_from)


def count_of(contents: Contents, slow_from: float) -> Counts:
    """The same; calls are slow from ``slow_from`` seconds of own time."""
    dispatches = every_dispatch(contents.dispatches)
    calls = [call for dispatch in dispatches for call in dispatch.receiver_calls]
    outcomes = [call.outcome for call in calls]
    reasons = Counter(miss.reason for dispatch in dispatches for miss in dispatch.near_misses)
    for each in contents.unheard:
        for miss in each.near_misses:
            if miss.reason != "connected_to_other":
                reasons[miss.reason] += each.count
    not_run, muted = reasons["not_run"] + reasons["refused"], reasons["muted"]
    return Counts(
        dispatches=len(dispatches),
        receiver_calls=len(calls),
        swallowed=outcomes.count("swallowed"),
        raised=outcomes.count("raised"),
        cancelled=outcomes.count("cancelled"),
        running=outcomes.count("running"),
        slow=sum(call.own_time >= slow_from for call in calls),
        not_run=not_run,
        unheard=sum(each.count for each in contents.unheard),
        omitted=contents.omitted,
        too_deep=contents.too_deep,
        excluded=contents.excluded,
        faults=contents.faults,
        muted=muted,
        near_misses=reasons.total() - not_run - muted,
        queries=contents.other_queries + sum(call.query_count for call in calls),
        bypasses=len(contents.bypasses) + sum(len(call.bypasses) for call in calls),
        rolled_back=sum(bool(dispatch.rolled_back) for dispatch in dispatches),
        handled=sum(len(call.handled) + call.omitted_handled for call in calls),
        discarded=sum(each.outcome == "discarded" for call in calls for each in call.on_commit),
        cache_calls=sum(
            each.gets + each.sets + each.deletes for call in calls for each in call.cache_calls
        ),
    )


def every_dispatch(dispatches: Iterable[Dispatch]) -> list[Dispatch]:
    """``dispatches`` and all that are nested in them, what is nested after what it is nested in."""
    found = list(dispatches)
    for dispatch in found:  # which grows as it is read
        for call in dispatch.receiver_calls:
            found += call.dispatches
    return found


@dataclass(frozen=True, slots=True)
class Tally:
    """A number in the head: ``name`` is its field of ``Counts``, ``only`` selects its rows."""

    name: str
    count: Count
    only: str = ""
    mark: Mark | None = None

    @property
    def is_brief(self) -> bool:
        """Whether it is said where there is room for the most important only."""
        return self.mark.tone != "plain" if self.mark else self.name != "unheard"


def tallies(numbers: Mapping[str, int]) -> list[Tally]:
    """What the head says of ``numbers``, which go by the names of ``Counts``.

    Beside them stands ``findings``, where they were looked for: the project's errors and warnings.
    """

    def tally(name: str, one: str, many: str, only: str = "", *, mark: str = "") -> Tally:
        only = only or mark.lower().replace(" ", "_")
        return Tally(name, Count(numbers.get(name, 0), one, many), only, MARKS.get(mark))

    found = (
        tally("dispatches", "%(number)s dispatch", "%(number)s dispatches", "dispatch"),
        tally("receiver_calls", "%(number)s receiver call", "%(number)s receiver calls", "call"),
        tally("findings", "%(number)s finding", "%(number)s findings"),
        tally("queries", "%(number)s query", "%(number)s queries", "queries"),
        tally("cache_calls", "%(number)s cache call", "%(number)s cache calls"),
        tally("swallowed", "%(number)s swallowed", "%(number)s swallowed", mark="SWALLOWED"),
        tally("raised", "%(number)s raised", "%(number)s raised", mark="RAISED"),
        tally("cancelled", "%(number)s cancelled", "%(number)s cancelled", mark="CANCELLED"),
        tally("running", "%(number)s still running", "%(number)s still running", mark="RUNNING"),
        tally(
            "handled",
            "%(number)s handled exception",
            "%(number)s handled exceptions",
            mark="HANDLED",
        ),
        tally("slow", "%(number)s slow", "%(number)s slow", mark="SLOW"),
        tally("not_run", "%(number)s not run", "%(number)s not run", mark="NOT RUN"),
        tally("near_misses", "%(number)s near miss", "%(number)s near misses", mark="NEAR MISS"),
        tally("bypasses", "%(number)s bypass", "%(number)s bypasses", mark="BYPASS"),
        tally(
            "rolled_back", "%(number)s rolled back", "%(number)s rolled back", mark="ROLLED BACK"
        ),
        tally(
            "discarded",
            "%(number)s callback discarded",
            "%(number)s callbacks discarded",
            mark="DISCARDED",
        ),
        tally("muted", "%(number)s muted", "%(number)s muted", mark="MUTED"),
        tally("unheard", "%(number)s unheard", "%(number)s unheard"),
    )
    return [each for each in found if each.count.number or each.name in ALWAYS]


ALWAYS = ("dispatches", "receiver_calls")


@dataclass(frozen=True, slots=True)
class Notice:
    """What is not in a trace, and what to do about it."""

    words: Words
    is_alarm: bool = True


def notices(contents: Contents, hidden: int = 0) -> Iterator[Notice]:
    """What the trace left out; ``hidden`` findings are not shown."""
    for each in contents.unwatched:
        yield Notice(
            Sentence(
                "%(method)s ran receivers %(times)s. They are not in this trace: it is a method "
                "of the signal's own class, not one of Django's.",
                {
                    "method": f"{each.signal}.{each.method}",
                    "times": Count(each.count, "%(number)s time", "%(number)s times"),
                },
            )
        )
    if contents.excluded:
        yield Notice(
            Count(
                contents.excluded,
                "%(number)s dispatch was left out by a pattern in "
                'SIGNAL_TRACER["EXCLUDE_SIGNALS"]. Change it to see what it hides.',
                "%(number)s dispatches were left out by patterns in "
                'SIGNAL_TRACER["EXCLUDE_SIGNALS"]. Change them to see what they hide.',
            ),
            is_alarm=False,
        )
    if contents.omitted:
        yield Notice(
            Count(
                contents.omitted,
                "%(number)s dispatch was sent and not kept, because the trace was full. To keep "
                'more, raise SIGNAL_TRACER["MAX_DISPATCHES"]; to keep fewer of no interest, name '
                'their signals in SIGNAL_TRACER["EXCLUDE_SIGNALS"].',
                "%(number)s dispatches were sent and not kept, because the trace was full. To keep "
                'more, raise SIGNAL_TRACER["MAX_DISPATCHES"]; to keep fewer of no interest, name '
                'their signals in SIGNAL_TRACER["EXCLUDE_SIGNALS"].',
            )
        )
    if contents.omitted_details:
        yield Notice(
            Count(
                contents.omitted_details,
                "%(number)s more bypass, callback, near miss, connection change or cache was not "
                "kept, because there were too many.",
                "%(number)s more bypasses, callbacks, near misses, connection changes or caches "
                "were not kept, because there were too many.",
            )
        )
    if contents.too_deep:
        yield Notice(
            Count(
                contents.too_deep,
                "%(number)s dispatch was sent and not kept, being nested more than 100 deep. Does "
                "a receiver send the signal that it receives?",
                "%(number)s dispatches were sent and not kept, being nested more than 100 deep. "
                "Does a receiver send the signal that it receives?",
            )
        )
    if contents.faults:
        yield Notice(
            Count(
                contents.faults,
                "The tracer itself failed %(number)s time, so something may be missing here. The "
                "traced code was not affected. Please report what the logger "
                '"signal_tracer" says about it.',
                "The tracer itself failed %(number)s times, so something may be missing here. The "
                "traced code was not affected. Please report what the logger "
                '"signal_tracer" says about it.',
            )
        )
    if hidden:
        yield Notice(
            Count(
                hidden,
                '%(number)s finding is hidden by SIGNAL_TRACER["IGNORE_FINDINGS"].',
                '%(number)s findings are hidden by SIGNAL_TRACER["IGNORE_FINDINGS"].',
            ),
            is_alarm=False,
        )
