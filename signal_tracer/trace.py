"""The place for a trace as plain data: what was recorded, the questions it answers, its JSON.

Nothing here knows Django, rich or how a trace was collected. Times are seconds as floats,
counted from the start of the trace, unless a name says otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, Literal, TypeAlias, cast

FORMAT_VERSION = 1

Outcome = Literal["returned", "raised", "swallowed", "cancelled", "running"]
Reason = Literal["not_run"]
Method = Literal["send", "send_robust", "asend", "asend_robust"]
Role = Literal["signal", "sender", "receiver"]

JSON: TypeAlias = "dict[str, Any]"


class TraceFormatError(ValueError):
    """Data that is not a trace: the message names what is wrong, where, and what to do."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What stands for a value that was not kept: ``shop.Order(pk=3)``, ``[redacted]``.

    A string, number, boolean or ``None`` is recorded as it is; anything else, and any string
    that was cut, is recorded as one of these, so that the two cannot be mistaken.
    """

    text: str

    def __str__(self) -> str:
        return self.text


Value: TypeAlias = "str | int | float | bool | Summary | None"


def show_value(value: Value) -> str:
    """``value`` as a person would read it: strings in quotes, summaries as they are."""
    return value.text if isinstance(value, Summary) else repr(value)


@dataclass(frozen=True, slots=True)
class Location:
    """A line of source: ``file`` as Python gives it, ``line`` from 1, ``function`` qualified."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


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
        return f"{name}: {self.message}" if self.message else name


@dataclass(frozen=True, slots=True)
class Request:
    """The HTTP request that a trace belongs to; ``status`` is ``None`` if it never answered."""

    method: str
    path: str
    status: int | None = None


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A live receiver of a dispatch's signal that was not called, and the reason.

    ``reason`` is ``"not_run"`` when an earlier receiver raised and ended the dispatch.
    """

    receiver: str
    reason: Reason
    defined_at: Location | None = None
    dispatch_uid: Value = None
    is_async: bool = False


@dataclass(slots=True)
class ReceiverCall:
    """One receiver run once inside a dispatch.

    ``duration`` is wall time in seconds, for an async receiver with its waiting; ``own_time``
    is ``duration`` less the time in which dispatches nested in it ran. ``outcome`` is
    ``"swallowed"`` when ``send_robust`` caught the exception, ``"raised"`` when it went on to
    the sender, ``"cancelled"`` when the task was cancelled, ``"running"`` when the trace was
    read before the call had ended.
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

    def __str__(self) -> str:
        """One line: ``shop.receivers.send_receipt  SWALLOWED ValueError: no address``."""
        if self.outcome == "returned":
            return self.receiver
        return f"{self.receiver}  {self.outcome.upper()} {self.error or ''}".rstrip()


@dataclass(slots=True)
class Dispatch:
    """One call of ``send``, ``send_robust``, ``asend`` or ``asend_robust`` that had receivers.

    ``unwatched`` is ``None`` when Django's own loop ran the receivers. A ``Signal`` subclass
    that loops over them itself cannot be watched: then ``receiver_calls`` is empty and
    ``unwatched`` names the receivers that its result says it called.
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

    def __str__(self) -> str:
        """One line: ``shop.signals.paid.send  sender=shop.Order``."""
        return f"{self.signal}.{self.method}  sender={self.sender}"


@dataclass(frozen=True, slots=True)
class Unheard:
    """How many dispatches of one signal and sender no receiver was called for."""

    signal: str
    sender: str
    count: int


@dataclass(frozen=True, slots=True)
class Unwatched:
    """How often a ``Signal`` subclass ran receivers in a method of its own that is no send."""

    signal: str
    method: str
    count: int


@dataclass(slots=True)
class Contents:
    """All that a trace recorded, at one moment."""

    dispatches: list[Dispatch] = field(default_factory=list)
    unheard: list[Unheard] = field(default_factory=list)
    unwatched: list[Unwatched] = field(default_factory=list)
    omitted: int = 0
    too_deep: int = 0
    excluded: int = 0
    faults: int = 0
    duration: float = 0.0


class Trace:
    """All that was recorded between a start and an end.

    ``name``: what was traced. ``started_at``: an aware ``datetime``. ``duration``: seconds.
    ``dispatches``: the roots, in the order they were sent. ``unheard``: counts of dispatches
    without receivers. ``omitted``: dispatches not kept because ``MAX_DISPATCHES`` was reached.
    ``too_deep``: dispatches not kept because they were nested more than 100 deep.
    ``excluded``: dispatches left out by ``EXCLUDE_SIGNALS``. ``unwatched``: receivers run by
    methods that cannot be watched. ``faults``: how often the tracer itself failed to record.
    ``request``: the HTTP request, if any.

    A trace may be read while it runs, and then holds what was recorded so far.
    """

    __slots__ = ("_contents", "_name_of", "_read", "name", "request", "slow_after", "started_at")

    def __init__(
        self,
        name: str,
        *,
        started_at: datetime,
        request: Request | None = None,
        slow_after: float = 0.01,
        contents: Contents | None = None,
        read: Callable[[], tuple[Contents, bool]] | None = None,
        name_of: Callable[[Role, object], str] | None = None,
    ) -> None:
        """``read`` returns what a running trace holds, and whether that is final."""
        self.name = name
        self.started_at = started_at
        self.request = request
        self.slow_after = slow_after
        self._contents = contents or Contents()
        self._read = read
        self._name_of = name_of

    @property
    def contents(self) -> Contents:
        if self._read is not None:
            self._contents, is_final = self._read()
            if is_final:
                self._read = None
        return self._contents

    @property
    def duration(self) -> float:
        return self.contents.duration

    @property
    def dispatches(self) -> list[Dispatch]:
        return self.contents.dispatches

    @property
    def unheard(self) -> list[Unheard]:
        return self.contents.unheard

    @property
    def unwatched(self) -> list[Unwatched]:
        return self.contents.unwatched

    @property
    def omitted(self) -> int:
        return self.contents.omitted

    @property
    def too_deep(self) -> int:
        return self.contents.too_deep

    @property
    def excluded(self) -> int:
        return self.contents.excluded

    @property
    def faults(self) -> int:
        return self.contents.faults

    def walk(self) -> Iterator[Dispatch]:
        """Every dispatch, each before those nested in it."""
        waiting = list(reversed(self.dispatches))
        while waiting:
            dispatch = waiting.pop()
            yield dispatch
            for call in reversed(dispatch.receiver_calls):
                waiting.extend(reversed(call.dispatches))

    def find(
        self,
        *,
        signal: object = None,
        sender: object = None,
        receiver: object = None,
    ) -> list[Dispatch]:
        """The dispatches of ``signal``, from ``sender``, that called ``receiver``.

        Each is a name (``"shop.signals.paid"``, its last parts as in ``"paid"``, or a pattern
        as in ``"shop.*"``) or the object itself. Raises ``TypeError`` for an object when the
        trace was read from JSON and can know names only.
        """
        return [
            dispatch
            for dispatch in self.walk()
            if (signal is None or self._goes_by("signal", signal, dispatch.signal))
            and (sender is None or self._goes_by("sender", sender, dispatch.sender))
            and (
                receiver is None
                or any(
                    self._goes_by("receiver", receiver, name)
                    for name in [
                        *(call.receiver for call in dispatch.receiver_calls),
                        *(dispatch.unwatched or ()),
                    ]
                )
            )
        ]

    def _goes_by(self, role: Role, wanted: object, name: str) -> bool:
        if not issubclass(type(wanted), str):  # isinstance() would set up a lazy object.
            if self._name_of is None:
                raise TypeError(
                    f"This trace was read from JSON and knows names only: find({role}=...) "
                    f"takes a name such as {name!r}, not an object."
                )
            return name == self._name_of(role, wanted)
        text = str.__str__(cast("str", wanted))
        return name == text or name.endswith("." + text) or fnmatchcase(name, text)

    def receiver_calls(self) -> list[ReceiverCall]:
        """Every receiver call, in the order of ``walk()``."""
        return [call for dispatch in self.walk() for call in dispatch.receiver_calls]

    def swallowed(self) -> list[ReceiverCall]:
        """The receiver calls whose exception ``send_robust`` or ``asend_robust`` caught."""
        return [call for call in self.receiver_calls() if call.outcome == "swallowed"]

    def is_slow(self, call: ReceiverCall) -> bool:
        """Whether the call's own time reached the limit that was set when the trace started."""
        return call.own_time >= self.slow_after

    def __str__(self) -> str:
        """The outline: one line a dispatch or receiver call, two spaces a level."""
        lines: list[str] = []
        for dispatch in self.dispatches:
            _outline(dispatch, 0, lines)
        return "\n".join(lines) or "no dispatches"

    def __repr__(self) -> str:
        return f"<Trace {self.name!r}>"

    def to_dict(self) -> JSON:
        """What ``from_dict()`` reads, holding only what JSON holds; see docs/trace.schema.json."""
        contents = self.contents
        request = self.request
        return {
            "version": FORMAT_VERSION,
            "name": self.name,
            "started_at": self.started_at.isoformat(),
            "duration": contents.duration,
            "slow_after": self.slow_after,
            "request": request
            and {"method": request.method, "path": request.path, "status": request.status},
            "dispatches": [_dispatch_to_dict(dispatch) for dispatch in contents.dispatches],
            "unheard": [
                {"signal": each.signal, "sender": each.sender, "count": each.count}
                for each in contents.unheard
            ],
            "unwatched": [
                {"signal": each.signal, "method": each.method, "count": each.count}
                for each in contents.unwatched
            ],
            "omitted": contents.omitted,
            "too_deep": contents.too_deep,
            "excluded": contents.excluded,
            "faults": contents.faults,
        }

    @classmethod
    def from_dict(cls, data: JSON) -> Trace:
        """The trace that ``to_dict()`` described. Raises ``TraceFormatError`` for other data."""
        if not isinstance(data, dict) or "version" not in data:
            raise TraceFormatError(
                "This is not a trace: it has no 'version'. Give what Trace.to_dict() returned."
            )
        if data["version"] != FORMAT_VERSION:
            raise TraceFormatError(
                f"This trace has version {data['version']!r}, and this signal_tracer reads "
                f"version {FORMAT_VERSION}. Read it with the release that wrote it."
            )
        try:
            return cls(
                data["name"],
                started_at=datetime.fromisoformat(data["started_at"]),
                request=Request(**data["request"]) if data["request"] else None,
                slow_after=data["slow_after"],
                contents=Contents(
                    dispatches=[_dispatch_from_dict(each) for each in data["dispatches"]],
                    unheard=[Unheard(**each) for each in data["unheard"]],
                    unwatched=[Unwatched(**each) for each in data["unwatched"]],
                    omitted=data["omitted"],
                    too_deep=data["too_deep"],
                    excluded=data["excluded"],
                    faults=data["faults"],
                    duration=data["duration"],
                ),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise TraceFormatError(
                f"This trace is damaged ({type(error).__name__}: {error}). "
                "Compare it with docs/trace.schema.json, or record it again."
            ) from error

    def to_json(self, *, indent: int | None = None) -> str:
        """``to_dict()`` as JSON text."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)


def _outline(dispatch: Dispatch, depth: int, lines: list[str]) -> None:
    lines.append(f"{'  ' * depth}{dispatch}")
    for call in dispatch.receiver_calls:
        lines.append(f"{'  ' * (depth + 1)}{call}")
        for nested in call.dispatches:
            _outline(nested, depth + 2, lines)
    for miss in dispatch.near_misses:
        lines.append(
            f"{'  ' * (depth + 1)}{miss.receiver}  {miss.reason.replace('_', ' ').upper()}"
        )
    for receiver in dispatch.unwatched or ():
        lines.append(f"{'  ' * (depth + 1)}{receiver}  NOT WATCHED")


def _value_to_json(value: Value) -> object:
    return {"summary": value.text} if isinstance(value, Summary) else value


def _value_from_json(data: object) -> Value:
    if isinstance(data, dict):
        return Summary(data["summary"])
    return cast("Value", data)


def _location_to_dict(location: Location | None) -> JSON | None:
    if location is None:
        return None
    return {"file": location.file, "line": location.line, "function": location.function}


def _location_from_dict(data: JSON | None) -> Location | None:
    return Location(**data) if data else None


def _error_to_dict(error: Error | None) -> JSON | None:
    if error is None:
        return None
    return {
        "type": error.type,
        "message": error.message,
        "traceback": [
            {"location": _location_to_dict(line.location), "code": line.code}
            for line in error.traceback
        ],
    }


def _error_from_dict(data: JSON | None) -> Error | None:
    if data is None:
        return None
    return Error(
        data["type"],
        data["message"],
        tuple(
            TracebackLine(Location(**line["location"]), line["code"]) for line in data["traceback"]
        ),
    )


def _dispatch_to_dict(dispatch: Dispatch) -> JSON:
    return {
        "signal": dispatch.signal,
        "sender": dispatch.sender,
        "method": dispatch.method,
        "kwargs": {name: _value_to_json(value) for name, value in dispatch.kwargs.items()},
        "sent_from": _location_to_dict(dispatch.sent_from),
        "started_at": dispatch.started_at,
        "duration": dispatch.duration,
        "receiver_calls": [_call_to_dict(call) for call in dispatch.receiver_calls],
        "near_misses": [
            {
                "receiver": miss.receiver,
                "reason": miss.reason,
                "defined_at": _location_to_dict(miss.defined_at),
                "dispatch_uid": _value_to_json(miss.dispatch_uid),
                "is_async": miss.is_async,
            }
            for miss in dispatch.near_misses
        ],
        "error": _error_to_dict(dispatch.error),
        "unwatched": dispatch.unwatched,
    }


def _dispatch_from_dict(data: JSON) -> Dispatch:
    return Dispatch(
        signal=data["signal"],
        sender=data["sender"],
        method=data["method"],
        kwargs={name: _value_from_json(value) for name, value in data["kwargs"].items()},
        sent_from=_location_from_dict(data["sent_from"]),
        started_at=data["started_at"],
        duration=data["duration"],
        receiver_calls=[_call_from_dict(call) for call in data["receiver_calls"]],
        near_misses=[
            NearMiss(
                receiver=miss["receiver"],
                reason=miss["reason"],
                defined_at=_location_from_dict(miss["defined_at"]),
                dispatch_uid=_value_from_json(miss["dispatch_uid"]),
                is_async=miss["is_async"],
            )
            for miss in data["near_misses"]
        ],
        error=_error_from_dict(data["error"]),
        unwatched=data["unwatched"],
    )


def _call_to_dict(call: ReceiverCall) -> JSON:
    return {
        "receiver": call.receiver,
        "defined_at": _location_to_dict(call.defined_at),
        "dispatch_uid": _value_to_json(call.dispatch_uid),
        "is_async": call.is_async,
        "started_at": call.started_at,
        "duration": call.duration,
        "own_time": call.own_time,
        "outcome": call.outcome,
        "response": _value_to_json(call.response),
        "error": _error_to_dict(call.error),
        "dispatches": [_dispatch_to_dict(dispatch) for dispatch in call.dispatches],
    }


def _call_from_dict(data: JSON) -> ReceiverCall:
    return ReceiverCall(
        receiver=data["receiver"],
        defined_at=_location_from_dict(data["defined_at"]),
        dispatch_uid=_value_from_json(data["dispatch_uid"]),
        is_async=data["is_async"],
        started_at=data["started_at"],
        duration=data["duration"],
        own_time=data["own_time"],
        outcome=data["outcome"],
        response=_value_from_json(data["response"]),
        error=_error_from_dict(data["error"]),
        dispatches=[_dispatch_from_dict(dispatch) for dispatch in data["dispatches"]],
    )
