"""A signal graph: what was seen of every signal over many traces, as plain data.

Made by adding traces, in any order: the same traces give the same graph. Its numbers are integers,
since floats that are added in another order come to another sum; times are nanoseconds. They stop
at ``records.MOST``.

How long calls took and how many queries they ran is counted by the steps of a scale with eight
steps to a doubling, each named by the least number on it: below 16 each number is a step of its
own. So a median of any number of graphs is exact below 16, and right within 7 % from there on.

Nothing here knows Django, rich or how a trace was collected.
"""

from __future__ import annotations

import json
import re
from bisect import insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, get_args

from signal_tracer import plain
from signal_tracer.plain import JSON
from signal_tracer.records import (
    MOST,
    PROJECT,
    Contents,
    Count,
    Dispatch,
    Errand,
    Method,
    Ordinal,
    Owner,
    ReceiverCall,
    Recorded,
    Unheard,
)
from signal_tracer.wording import without_addresses

FORMAT_VERSION = 1
# Of each kind of record, and of names that one record counts: those that come first by the alphabet
# are kept, which are the same in whichever order they come.
MOST_KEYS = 10_000
MOST_NAMES = 100
_LONGEST_NAME = 300
_ADVICE = "Write it again with: pytest --signal-graph=FILE"

# Of signal and sender; of signal, sender and receiver; and those with the signal and the sender
# that it sent, and the on_commit() callback that did it, or "".
DispatchKey: TypeAlias = tuple[str, str]
CallKey: TypeAlias = tuple[str, str, str]
SendingKey: TypeAlias = tuple[str, str, str, str, str, str]


class SignalGraphFormatError(ValueError):
    """Data that is not a signal graph: the message names what is wrong, where, and what to do."""


@dataclass(slots=True)
class SeenDispatches:
    """The dispatches of one signal by one sender."""

    signal: str
    sender: str
    count: Ordinal = 1
    unheard: Count = 0
    """How many of them no receiver was called for."""
    outside: Count = 0
    """How many of the others no receiver call sent."""
    methods: dict[Method, Count] = field(default_factory=dict)
    """Of those that were heard."""
    raised: Count = 0
    rolled_back: Count = 0
    traces: Ordinal = 1
    """In how many traces."""
    example: str = ""
    """The name of one: the first of all by the alphabet."""

    @property
    def key(self) -> DispatchKey:
        return self.signal, self.sender


@dataclass(slots=True)
class SeenCalls:
    """The calls of one receiver by the dispatches of one signal by one sender."""

    signal: str
    sender: str
    receiver: str
    owner: Owner = PROJECT
    is_async: bool = False
    position: Ordinal = 1
    """The first place that it was called at."""
    positions: Count = 0
    """Of all calls, added up."""
    count: Ordinal = 1
    raised: Count = 0
    swallowed: Count = 0
    cancelled: Count = 0
    errors: dict[str, Count] = field(default_factory=dict)
    """By the name of the exception's class, dotted but for Python's own."""
    duration: Count = 0
    """Of all calls together, with what was sent in them, in nanoseconds."""
    own_time: Count = 0
    """Of all calls together, without it, in nanoseconds."""
    durations: dict[str, Count] = field(default_factory=dict)
    """How many calls took so many nanoseconds: by the least of a step, eight to a doubling."""
    queries: Count = 0
    """Of the calls themselves, without what was sent in them."""
    query_counts: dict[str, Count] = field(default_factory=dict)
    """How many calls ran so many queries: by the least of a step, eight to a doubling."""
    writes: dict[str, Count] = field(default_factory=dict)
    """By verb and table: ``INSERT notifications_sms``; by the verb alone where no table is read."""
    bypasses: dict[str, Count] = field(default_factory=dict)
    """``shop.Item.bulk_create()``"""
    callbacks: dict[str, Count] = field(default_factory=dict)
    """What it gave to ``transaction.on_commit()``."""
    errands: dict[str, Count] = field(default_factory=dict)
    """``task shop.tasks.notify``, ``mail``"""
    omitted: Count = 0
    """What the dictionaries above do not name, because there were too many names."""
    traces: Ordinal = 1
    example: str = ""

    @property
    def key(self) -> CallKey:
        return self.signal, self.sender, self.receiver


@dataclass(slots=True)
class SeenSendings:
    """The dispatches of one signal by one sender that the calls of one receiver sent."""

    signal: str
    sender: str
    receiver: str
    sent_signal: str
    sent_sender: str
    on_commit: str = ""
    """The ``transaction.on_commit()`` callback that sent them; empty if none did."""
    positions: Count = 0
    """Of each among all that its call sent, counted from 1, added up."""
    count: Ordinal = 1
    traces: Ordinal = 1
    example: str = ""

    @property
    def key(self) -> SendingKey:
        return (
            *(self.signal, self.sender, self.receiver),
            *(self.sent_signal, self.sent_sender, self.on_commit),
        )


class _Seen(Protocol):
    count: int
    traces: int
    example: str


S = TypeVar("S", bound=_Seen)
K = TypeVar("K", bound=tuple[str, ...])


class _Kept(dict[K, S], Generic[K, S]):
    """Records by their keys: at most ``MOST_KEYS``, those with the smallest."""

    def __init__(self, make: Callable[..., S]) -> None:
        super().__init__()
        self._make = make
        # The keys by the alphabet, from the moment on at which there are enough.
        self._order: list[K] | None = None
        self.omitted = 0

    def at(self, key: K, count: int) -> S | None:
        """The record that ``count`` more are to be noted in; without one they are omitted."""
        found = self.get(key)
        if found is None:
            if len(self) >= MOST_KEYS and not self._makes_room_for(key):
                self.omitted = _total(self.omitted, count)
                return None
            found = self[key] = self._make(*key)
            found.count = found.traces = 0
        found.count = _total(found.count, count)
        return found

    def _makes_room_for(self, key: K) -> bool:
        if self._order is None or len(self._order) != len(self):
            self._order = sorted(self)
        if not self._order or key > self._order[-1]:
            return False
        self.omitted = _total(self.omitted, self.pop(self._order.pop()).count)
        insort(self._order, key)
        return True


class SignalGraph:
    """What was seen of every signal over any number of traces.

    ``dispatches``: by signal and sender. ``calls``: by signal, sender and receiver. ``sendings``:
    by these, and the signal, the sender and the ``on_commit()`` callback ("" without) that a call
    sent. ``traces``: how many were added. ``omitted``: dispatches, calls and sendings that are in
    none of these, because there were too many different ones. ``unrecorded``: dispatches that the
    traces had left out themselves.

    A sender that is an instance counts as its class, and a name never holds an address or a key,
    so that the graph of one machine can be compared with that of another.
    """

    def __init__(self) -> None:
        self.dispatches: dict[DispatchKey, SeenDispatches] = _Kept(SeenDispatches)
        self.calls: dict[CallKey, SeenCalls] = _Kept(SeenCalls)
        self.sendings: dict[SendingKey, SeenSendings] = _Kept(SeenSendings)
        self.traces = 0
        self.unrecorded = 0
        self._omitted = 0
        self._called: dict[DispatchKey, list[SeenCalls]] | None = None
        self._sent: dict[CallKey, list[SeenSendings]] | None = None

    @property
    def omitted(self) -> int:
        return _total(self._omitted, sum(each.omitted for each in self._kinds()))

    @classmethod
    def from_traces(cls, traces: Iterable[Recorded]) -> SignalGraph:
        """The graph of these traces, each of which is needed only for a moment."""
        graph = cls()
        for trace in traces:
            graph.add(trace)
        return graph

    def add(self, trace: Recorded, *more: Recorded) -> None:
        """Add a trace; ``more`` are pieces of the same one, as a test and its set-up are."""
        contents = [each.contents for each in (trace, *more)]
        self._called = self._sent = None
        self.traces = _total(self.traces, 1)
        adding = _Adding(self, _cut(trace.name))  # Read last: it is masked by what is in it.
        for each in contents:
            self.unrecorded = min(self.unrecorded + each.omitted + each.too_deep, MOST)
            adding.add(each)

    def merge(self, other: SignalGraph) -> None:
        """Add all that ``other`` has seen, as if its traces had been added here."""
        self._called = self._sent = None
        self.traces = _total(self.traces, other.traces)
        self.unrecorded = _total(self.unrecorded, other.unrecorded)
        self._omitted = _total(self._omitted, other.omitted)
        kinds: Any = zip(self._kinds(), other._kinds(), strict=True)
        for kept, others in kinds:
            for key, record in [*others.items()]:
                into = kept.at(key, record.count)
                if into is not None:
                    _join(into, record)

    def _kinds(self) -> tuple[Any, Any, Any]:
        return self.dispatches, self.calls, self.sendings

    def calls_of(self, signal: str, sender: str) -> list[SeenCalls]:
        """The receivers that were called for it, in calling order."""
        if self._called is None:
            self._called = {}
            for key, each in self.calls.items():
                self._called.setdefault(key[:2], []).append(each)
        return sorted(self._called.get((signal, sender), ()), key=_in_order)

    def sent_by(self, call: SeenCalls) -> list[SeenSendings]:
        """What the calls of a receiver sent, in the order in which they did."""
        if self._sent is None:
            self._sent = {}
            for key, each in self.sendings.items():
                self._sent.setdefault(key[:3], []).append(each)
        return sorted(self._sent.get(call.key, ()), key=_in_order)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SignalGraph):
            return NotImplemented
        return self._kinds() == other._kinds() and self._counts() == other._counts()

    __hash__ = None  # type: ignore[assignment]  # It grows.

    def _counts(self) -> tuple[int, int, int]:
        return self.traces, self.omitted, self.unrecorded

    def __repr__(self) -> str:
        return f"<SignalGraph of {self.traces:,} traces, {len(self.calls):,} receivers>"

    def to_dict(self) -> JSON:
        """What ``from_dict()`` reads, holding only what JSON holds; in the same order each time."""
        traces, omitted, unrecorded = self._counts()
        lists = ([_tidy(kept[key]) for key in sorted(kept)] for kept in self._kinds())
        return {
            "version": FORMAT_VERSION,
            **plain.write(Written(traces, omitted, unrecorded, *lists)),
        }

    @classmethod
    def from_dict(cls, data: JSON) -> SignalGraph:
        """The graph that ``to_dict()`` described.

        Raises ``SignalGraphFormatError``, a ``ValueError``, for all other data.
        """
        if not isinstance(data, dict) or "version" not in data:
            raise SignalGraphFormatError(
                f"This is not a signal graph: it has no 'version'. {_ADVICE}"
            )
        rest = {**data}
        version = rest.pop("version")
        if type(version) is not int or version != FORMAT_VERSION:
            raise SignalGraphFormatError(
                f"This signal graph has version {plain.spell(version)}, and this signal_tracer "
                f"reads version {FORMAT_VERSION}. {_ADVICE}"
            )
        try:
            written = plain.read(Written, rest)
            for name in ("dispatches", "calls", "sendings"):
                _refuse_what_no_graph_holds(name, getattr(written, name))
        except plain.DamageError as damage:
            raise SignalGraphFormatError(
                f"This signal graph is damaged ({damage}). {_ADVICE}"
            ) from damage
        return written.graph()

    def to_json(self, *, indent: int | None = None) -> str:
        """``to_dict()`` as JSON text."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)


def load(text: str) -> SignalGraph:
    """The graph that ``to_json()`` wrote. Raises ``SignalGraphFormatError`` for anything else."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SignalGraphFormatError(f"This is not JSON ({error}). {_ADVICE}") from error
    return SignalGraph.from_dict(data)


def median_duration(calls: SeenCalls) -> float | None:
    """Seconds that a call took, within 7 %. ``None`` if no time was taken of any."""
    nanoseconds = _median(calls.durations)
    return None if nanoseconds is None else nanoseconds / 1e9


def median_queries(calls: SeenCalls) -> int | None:
    """How many queries a call ran itself, exactly up to 16. ``None`` if those of none are known."""
    return _median(calls.query_counts)


# Adding one trace


class _Adding:
    """One trace is added to a graph, in one piece or in several."""

    def __init__(self, graph: SignalGraph, name: str) -> None:
        self._graph = graph
        self._name = name
        # What the trace was counted in already.
        self._seen: set[tuple[str, ...]] = set()

    def add(self, contents: Contents) -> None:
        for unheard in contents.unheard:
            self._add_unheard(unheard)
        sent = [*_walk(contents)]
        registered = _registered(sent)
        for each in sent:
            self._add_dispatch(each, _sent_by(each, registered), contents)

    def _note(self, record: _Seen, key: tuple[str, ...]) -> None:
        if key not in self._seen:
            self._seen.add(key)
            _add_traces(record, 1, self._name)

    def _at(self, kept: Any, key: tuple[str, ...], count: int = 1) -> Any:
        record = kept.at(key, count)
        if record is not None:
            self._note(record, key)
        return record

    def _add_unheard(self, unheard: Unheard) -> None:
        key = steady_signal(unheard.signal), steady_sender(unheard.sender)
        seen: SeenDispatches | None = self._at(self._graph.dispatches, key, unheard.count)
        if seen is not None:
            seen.unheard = _total(seen.unheard, unheard.count)

    def _add_dispatch(self, sent: _Sent, by: _By | None, contents: Contents) -> None:
        dispatch, key = sent.dispatch, sent.key
        seen: SeenDispatches | None = self._at(self._graph.dispatches, key)
        if seen is not None:
            _count(seen.methods, dispatch.method)
            seen.outside = _total(seen.outside, by is None)
            seen.raised = _total(seen.raised, dispatch.error is not None)
            seen.rolled_back = _total(seen.rolled_back, bool(dispatch.rolled_back))
        if by is not None:
            sending: SeenSendings | None = self._at(
                self._graph.sendings, (*by.key, *key, by.callback)
            )
            if sending is not None:
                sending.positions = _total(sending.positions, by.position)
        for position, call in enumerate(dispatch.receiver_calls, 1):
            self._add_call(key, call, position, contents)
        # Called in a loop of its own by a subclass of Signal: seen, but no more than that.
        for position, name in enumerate(dispatch.unwatched or (), 1):
            call_key = *key, steady_name(name)
            calls: SeenCalls | None = self._at(self._graph.calls, call_key)
            if calls is not None:
                _add_place(calls, position, contents.owner_of(None, name), is_async=False)

    def _add_call(
        self, of: DispatchKey, call: ReceiverCall, position: int, contents: Contents
    ) -> None:
        key = *of, steady_name(call.receiver)
        seen: SeenCalls | None = self._at(self._graph.calls, key)
        if seen is None:
            return
        owner = contents.owner_of(call.defined_at, call.receiver)
        _add_place(seen, position, owner, is_async=call.is_async)
        outcome = call.outcome
        if outcome != "returned":
            seen.raised = _total(seen.raised, outcome == "raised")
            seen.swallowed = _total(seen.swallowed, outcome == "swallowed")
            seen.cancelled = _total(seen.cancelled, outcome == "cancelled")
        if call.error is not None:
            _note(seen, seen.errors, steady_name(call.error.type))
        duration = _nanoseconds(call.duration)
        seen.duration = _total(seen.duration, duration)
        seen.own_time = _total(seen.own_time, _nanoseconds(call.own_time))
        _count(seen.durations, _step(duration))
        queries = min(call.query_count, MOST)
        seen.queries = _total(seen.queries, queries)
        _count(seen.query_counts, _step(queries))
        for query in call.queries:
            if query.is_write:
                _note(seen, seen.writes, written_by(query.sql))
        for bypass in call.bypasses:
            _note(seen, seen.bypasses, steady_name(f"{bypass.model}{bypass.operation}"))
        for callback in call.on_commit:
            _note(seen, seen.callbacks, steady_name(callback.callback))
        for errand in call.errands:
            _note(seen, seen.errands, _spell_errand(errand))


def _add_place(seen: SeenCalls, position: int, owner: Owner | None, *, is_async: bool) -> None:
    if owner is not None:
        seen.owner = _closer(seen.owner, owner)
    seen.is_async |= is_async
    seen.position = min(seen.position, position) if seen.positions else position
    seen.positions = _total(seen.positions, position)


@dataclass(slots=True)
class _Sent:
    """A dispatch of a trace, the receiver call that it was sent in, and its place in there."""

    dispatch: Dispatch
    key: DispatchKey
    within: CallKey | None
    position: int


@dataclass(slots=True)
class _By:
    """The receiver call that sent a dispatch, or that registered the callback which did."""

    key: CallKey
    position: int
    callback: str = ""


# When the callbacks of a name ran, and for whom: (from, until, registered by).
_Registered: TypeAlias = dict[str, list[tuple[float, float, CallKey]]]


def _walk(contents: Contents) -> Iterator[_Sent]:
    waiting: list[tuple[Dispatch, CallKey | None, int]] = [
        (each, None, position) for position, each in enumerate(contents.dispatches, 1)
    ]
    for dispatch, within, position in waiting:  # It grows.
        key = steady_signal(dispatch.signal), steady_sender(dispatch.sender)
        yield _Sent(dispatch, key, within, position)
        for call in dispatch.receiver_calls:
            if call.dispatches:
                call_key = *key, steady_name(call.receiver)
                waiting += [(each, call_key, n) for n, each in enumerate(call.dispatches, 1)]


def _registered(sent: Sequence[_Sent]) -> _Registered:
    found: _Registered = {}
    if all(each.dispatch.on_commit is None for each in sent):
        return found
    for each in sent:
        for call in each.dispatch.receiver_calls:
            for callback in call.on_commit:
                if callback.ran_at is not None:
                    until = callback.ran_at + callback.duration
                    key = *each.key, steady_name(call.receiver)
                    found.setdefault(callback.callback, []).append((callback.ran_at, until, key))
    return found


def _sent_by(sent: _Sent, registered: _Registered) -> _By | None:
    """A callback sends for whoever registered it, wherever it happens to run."""
    callback = sent.dispatch.on_commit
    if callback is None:
        return None if sent.within is None else _By(sent.within, sent.position)
    moment = sent.dispatch.started_at
    # Of several that ran at once, in several threads, the last to begin.
    running = [each for each in registered.get(callback, ()) if each[0] <= moment <= each[1]]
    key = max(running)[2] if running else sent.within
    return None if key is None else _By(key, sent.position, steady_name(callback))


# Numbers


def _total(one: int, other: int) -> int:
    """Their sum, up to a limit, so that it is the same in whichever order many are added."""
    both = one + other
    return both if both < MOST else MOST  # noqa: FURB136  # quicker than min()


def _nanoseconds(seconds: float) -> int:
    return min(round(seconds * 1e9), MOST)


def _least(number: int) -> int:
    """The least number of the step of the scale that ``number`` is on."""
    shift = number.bit_length() - 4
    return number if shift <= 0 else number >> shift << shift


def _step(number: int) -> str:
    return str(_least(number))


def _median(counts: dict[str, int]) -> int | None:
    """The middle of the step that the lower of the middle ones is on."""
    left = (sum(counts.values()) + 1) // 2
    for least in sorted(map(int, counts)):
        left -= counts[str(least)]
        if left <= 0:
            return least + (1 << max(least.bit_length() - 4, 0)) // 2
    return None


def _in_order(seen: SeenCalls | SeenSendings) -> tuple[object, ...]:
    """By the average place. One receiver is called first only because others are muted once."""
    return seen.positions / max(seen.count, 1), seen.key


def _count(counts: dict[Any, int], name: str, number: int = 1) -> None:
    counts[name] = _total(counts.get(name, 0), number)


def _note(seen: SeenCalls, counts: dict[str, int], name: str, number: int = 1) -> None:
    """The same for names of which there may be too many."""
    if name not in counts and len(counts) >= MOST_NAMES:
        last = max(counts)
        if name > last:
            seen.omitted = _total(seen.omitted, number)
            return
        seen.omitted = _total(seen.omitted, counts.pop(last))
    _count(counts, name, number)


def _add_traces(record: _Seen, number: int, example: str) -> None:
    record.example = min(record.example, example) if record.traces else example
    record.traces = _total(record.traces, number)


def _closer(one: Owner, other: Owner) -> Owner:
    """Which to believe of two: what is known of nobody counts as the project's."""
    return min(one, other, key=lambda owner: (owner.kind, owner.name))


# Merging


_NAMED = ("errors", "writes", "bypasses", "callbacks", "errands")
_COUNTED = ("methods", "durations", "query_counts")
# The fields that are plain sums.
_ADDED_UP = {
    cls: [
        each.name
        for each in fields(cls)
        if each.type in ("Count", "Ordinal") and each.name not in ("count", "traces", "position")
    ]
    for cls in (SeenDispatches, SeenCalls, SeenSendings)
}


def _join(into: Any, record: Any) -> None:
    """Add what a record of another graph says; its count is counted already."""
    if type(into) is SeenCalls:
        into.position = min(into.position, record.position) if into.traces else record.position
        into.is_async |= record.is_async
        into.owner = _closer(into.owner, record.owner)
        for name in _NAMED:
            counts = getattr(into, name)
            for each, number in getattr(record, name).items():
                _note(into, counts, each, number)
    for name in _ADDED_UP[type(into)]:
        setattr(into, name, _total(getattr(into, name), getattr(record, name)))
    for name in _COUNTED:
        for each, number in getattr(record, name, {}).items():
            _count(getattr(into, name), each, number)
    _add_traces(into, record.traces, record.example)


# Names that are the same in every run


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"


@lru_cache(maxsize=4_096)
def steady_name(name: str) -> str:
    """The name of a receiver, or of anything else, as a graph has it."""
    return _cut(without_addresses(name))


@lru_cache(maxsize=4_096)
def steady_signal(name: str) -> str:
    """Signals that no module holds are numbered as they are met: all are as one here."""
    return _cut(re.sub(r"^(<unnamed .*) \d+>$", r"\1>", name))


# What stands for an object in a trace: a value of its class, a container and how much it holds, an
# object with more than its class: ``shop.Order(pk=3)``, ``list of 3``, ``<WSGIRequest GET /3/>``.
_OBJECT = re.compile(
    r"""(?P<value>[\w.]+(?:<locals>[\w.]+)*)\(.*\)
    | (?P<container>[\w.]+(?:<locals>[\w.]+)*)\ of\ [\d,]+
    | <(?!lazy\ )(?P<object>[\w.]+(?:<locals>[\w.]+)*)(?:\ (?!of\ (?!length)).*)?>""",
    re.VERBOSE | re.DOTALL,
)
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?")


@lru_cache(maxsize=4_096)
def steady_sender(name: str) -> str:
    """An instance is its class: which one it is differs from run to run."""
    found = _OBJECT.fullmatch(name)
    if found is not None and found.lastgroup is not None:
        return _cut(found[found.lastgroup])
    if _NUMBER.fullmatch(name):
        return "float" if {*".eE"} & {*name} else "int"
    return steady_name(name)


def _spell_errand(errand: Errand) -> str:
    # The ports of test servers are whatever is free.
    target = re.sub(r":\d{5}$", "", errand.target)
    return steady_name(f"{errand.kind} {target}".rstrip())


_COMMENTS = re.compile(r"/\*.*?\*/|--[^\n]*", re.DOTALL)
_NAME = r'((?:[\w$]+|"[^"]+"|`[^`]+`|\[[^\]]+\])(?:\.(?:[\w$]+|"[^"]+"|`[^`]+`|\[[^\]]+\]))*)'
_WRITE = re.compile(
    rf"""(?:(?P<put>INSERT|REPLACE|MERGE)\s+(?:(?:OR\s+)?\w+\s+)?INTO\s+{_NAME}
    | (?P<update>UPDATE)\s+(?:OR\s+\w+\s+)?(?:ONLY\s+)?{_NAME}
    | (?P<delete>DELETE)\s+FROM\s+(?:ONLY\s+)?{_NAME}
    | (?P<truncate>TRUNCATE)\s+(?:TABLE\s+)?(?:ONLY\s+)?{_NAME})""",
    re.VERBOSE | re.IGNORECASE,
)
_QUOTES = re.compile(r'["`\[\]]')
_PART = re.compile(rf"[()]\s*{_WRITE.pattern}", re.VERBOSE | re.IGNORECASE)


@lru_cache(maxsize=1_024)
def written_by(sql: str) -> str:
    """``INSERT shop_order``: the verb and the table, as far as the text says them plainly."""
    text = _COMMENTS.sub(" ", sql).strip()
    found = _WRITE.match(text)
    if found is None and text[:4].upper() == "WITH":
        found = _PART.search(text)
    if found is None:
        return _cut(text.split(maxsplit=1)[0].upper() if text else "")
    verb, table = (each for each in found.groups() if each is not None)
    return _cut(f"{verb.upper()} {_QUOTES.sub('', table)}")


# Reading what was written


@dataclass(slots=True)
class Written:
    """A graph as JSON holds it, beside its version."""

    traces: Count
    """How many were added."""
    omitted: Count
    """Dispatches, calls and sendings left out, because there were too many different ones."""
    unrecorded: Count
    """Dispatches that the traces had left out themselves."""
    dispatches: list[SeenDispatches]
    calls: list[SeenCalls]
    sendings: list[SeenSendings]

    def graph(self) -> SignalGraph:
        graph = SignalGraph()
        graph.traces, graph._omitted, graph.unrecorded = self.traces, self.omitted, self.unrecorded
        lists: Any = zip(graph._kinds(), (self.dispatches, self.calls, self.sendings), strict=True)
        for kept, records in lists:
            for each in records:
                into = kept.at(each.key, each.count)
                if into is not None:
                    _join(into, each)
        return graph


def _tidy(record: Any) -> Any:
    """With its dictionaries in one order, whatever came first."""
    names = [name for name in (*_NAMED, *_COUNTED) if hasattr(record, name)]
    return replace(record, **{name: _sorted(getattr(record, name)) for name in names})


def _sorted(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda each: (len(each[0]) * each[0].isdigit(), each)))


def _refuse_what_no_graph_holds(name: str, records: Sequence[Any]) -> None:
    """Raise ``DamageError`` for keys that come twice, and steps that are on no scale."""
    seen: set[tuple[str, ...]] = set()
    for index, record in enumerate(records):
        if record.key in seen:
            raise plain.DamageError("each once", "the same again").inside(index).inside(name)
        seen.add(record.key)
        for counts, is_right, expected in (
            ("methods", _is_method, f"one of {', '.join(map(repr, get_args(Method)))}"),
            ("durations", _is_step, "the least number of a step"),
            ("query_counts", _is_step, "the least number of a step"),
        ):
            for each in getattr(record, counts, ()):
                if not is_right(each):
                    damage = plain.DamageError(f"{expected} as a key", plain.spell(each))
                    raise damage.inside(counts).inside(index).inside(name)


def _is_method(text: str) -> bool:
    return text in get_args(Method)


def _is_step(text: str) -> bool:
    is_short = text.isascii() and text.isdigit() and len(text) <= len(str(MOST))
    return is_short and _step(int(text)) == text and int(text) <= MOST
