"""A trace: the records of what happened, and the questions people ask of them.

Nothing here knows Django, rich or how a trace was collected.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal, cast

from signal_tracer import plain
from signal_tracer.findings import Finding, over_trace, slow_from
from signal_tracer.plain import JSON
from signal_tracer.records import (
    DEEPEST,
    Bypass,
    ConnectionChange,
    Contents,
    Dispatch,
    Heading,
    ReceiverCall,
    Request,
    Task,
    Unheard,
    Unwatched,
    goes_by,
)
from signal_tracer.showing.outline import outline, text

FORMAT_VERSION = 5

Role = Literal["signal", "sender", "receiver"]


class TraceFormatError(ValueError):
    """Data that is not a trace: the message names what is wrong, where, and what to do."""


class Trace:
    """All that was recorded between a start and an end.

    ``name``: what was traced. ``started_at``: an aware ``datetime``. ``duration``: seconds.
    ``dispatches``: the roots, in the order they were sent. ``unheard``: counts of dispatches
    without receivers. ``omitted``: dispatches not kept because ``MAX_DISPATCHES`` was reached.
    ``omitted_details``: bypasses, callbacks, near misses, connection changes and caches not kept
    because there were too many.
    ``too_deep``: dispatches not kept because they were nested more than 100 deep.
    ``excluded``: dispatches left out by ``EXCLUDE_SIGNALS``. ``unwatched``: receivers run by
    methods that cannot be watched. ``faults``: how often the tracer itself failed to record.
    ``request``: the HTTP request, if any; ``task``: the task, if any; ``id``: by which the tasks
    that were queued in this trace name it. ``bypasses``: bulk operations outside any receiver
    call; those of a receiver are in its ``ReceiverCall``. ``connection_changes``: ``connect()``
    and ``disconnect()`` calls. ``ignore_findings``: slugs, or ``"slug:dotted.name"``.

    A trace may be read while it runs, and then holds what was recorded so far.
    """

    __slots__ = (
        "_conceal",
        "_contents",
        "_name",
        "_name_of",
        "_read",
        "_request",
        "_task",
        "id",
        "ignore_findings",
        "slow_after",
        "slow_share",
        "started_at",
    )

    def __init__(
        self,
        name: str,
        *,
        started_at: datetime,
        request: Request | None = None,
        task: Task | None = None,
        trace_id: str = "",
        slow_after: float = 0.01,
        slow_share: float = 0.0,
        ignore_findings: tuple[str, ...] = (),
        contents: Contents | None = None,
        read: Callable[[], tuple[Contents, bool]] | None = None,
        name_of: Callable[[Role, object], str] | None = None,
        conceal: Callable[[str], str] | None = None,
    ) -> None:
        """``read`` returns what a running trace holds, and whether that is final.

        ``conceal`` masks what the trace has redacted, for as long as there is something to read.
        """
        self._name = name
        self.started_at = started_at
        self._request = request
        self._task = task
        self.id = trace_id
        self.slow_after = slow_after
        self.slow_share = slow_share
        self.ignore_findings = ignore_findings
        self._contents = contents or Contents()
        self._read = read
        self._name_of = name_of
        self._conceal = conceal

    @property
    def contents(self) -> Contents:
        if self._read is not None:
            self._contents, is_final = self._read()
            if is_final:
                self._read = None
                self._name, self._request = self._name_concealed(), self._request_concealed()
                self._task = self._task_concealed()
                self._conceal = None  # It holds the secrets.
        return self._contents

    @property
    def name(self) -> str:
        self._learn_secrets()
        return self._name_concealed()

    @name.setter
    def name(self, name: str) -> None:
        self._name = name

    @property
    def request(self) -> Request | None:
        self._learn_secrets()
        return self._request_concealed()

    @request.setter
    def request(self, request: Request | None) -> None:
        self._request = request

    def note_status(self, status: int) -> None:
        """The trace's request, if it has one, was answered so."""
        if self._request is not None:
            self._request = Request(self._request.method, self._request.path, status)

    @property
    def task(self) -> Task | None:
        self._learn_secrets()
        return self._task_concealed()

    def note_state(self, state: str) -> None:
        """The trace's task, if it has one, ended so, in its worker's words."""
        if self._task is not None:
            self._task = replace(self._task, state=state)

    def _learn_secrets(self) -> None:
        if self._conceal is not None:
            self.contents  # noqa: B018  # to be read: what is in it may stand in the name as well

    def _name_concealed(self) -> str:
        return self._name if self._conceal is None else self._conceal(self._name)

    def _request_concealed(self) -> Request | None:
        return self._request if self._conceal is None else _concealed(self._request, self._conceal)

    def _task_concealed(self) -> Task | None:
        task, conceal = self._task, self._conceal
        if task is None or conceal is None:
            return task
        origin = task.queued_by
        if origin is not None:
            request = _concealed(origin.request, conceal)
            origin = replace(origin, name=conceal(origin.name), request=request)
        return replace(
            task, name=conceal(task.name), id=task.id and conceal(task.id), queued_by=origin
        )

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
    def bypasses(self) -> list[Bypass]:
        return self.contents.bypasses

    @property
    def connection_changes(self) -> list[ConnectionChange]:
        return self.contents.connection_changes

    @property
    def omitted(self) -> int:
        return self.contents.omitted

    @property
    def omitted_details(self) -> int:
        return self.contents.omitted_details

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
        return goes_by(name, str.__str__(cast("str", wanted)))

    def receiver_calls(self) -> list[ReceiverCall]:
        """Every receiver call, in the order of ``walk()``."""
        return [call for dispatch in self.walk() for call in dispatch.receiver_calls]

    def swallowed(self) -> list[ReceiverCall]:
        """The receiver calls whose exception ``send_robust`` or ``asend_robust`` caught."""
        return [call for call in self.receiver_calls() if call.outcome == "swallowed"]

    def all_bypasses(self) -> list[Bypass]:
        """Every bypass, those of receiver calls included, in the order in which they began."""
        contents = self.contents
        found = [*contents.bypasses]
        for call in self.receiver_calls():
            found += call.bypasses
        return sorted(found, key=lambda bypass: bypass.started_at)

    def query_count(self) -> int:
        """How many queries ran while the trace did, in receiver calls and outside of them."""
        contents = self.contents
        return contents.other_queries + sum(call.query_count for call in self.receiver_calls())

    def findings(self) -> list[Finding]:
        """What is worth a person's attention, the worst first, without what is ignored."""
        return over_trace(self).shown

    def is_slow(self, call: ReceiverCall) -> bool:
        """Whether the call's own time reached the limit of this trace."""
        return call.own_time >= self.slow_from

    @property
    def slow_from(self) -> float:
        """The own time from which a receiver call is slow: ``slow_after`` or, without a limit of
        somebody's own, more in a trace that was long or had to wait for a processor."""
        # What was read last: to read a running trace anew for each call would take its time.
        return slow_from(self._contents, self.slow_after, self.slow_share)

    def __str__(self) -> str:
        """All a person asks for: times, counts, rows with their lines and arguments, findings."""
        return text(self)

    def outline(
        self, *, project_only: bool = False, stable: bool = False, kwargs: bool = False
    ) -> str:
        """One line a dispatch, receiver call or bypass, two spaces a level; to be compared.

        It holds no times and no lines of code. ``project_only``: what only packages heard is in
        one line a package. ``kwargs``: below each dispatch stands what it was sent with.

        ``stable``: the same text for the same behaviour in every process and on every machine, to
        be kept in a snapshot. Keys become the order of appearance (``shop.Order #1``), and so do
        UUIDs; moments, addresses, temporary files, messages of exceptions and cache calls are left
        out; what the trace did not keep is said at the end. Its last line ends as all others do:
        one more is one line of difference.
        """
        lines = outline(self, project_only=project_only, stable=stable, kwargs=kwargs)
        text = "\n".join(lines) or "no dispatches"
        return f"{text}\n" if stable else text

    def frozen(self) -> Trace:
        """A trace of what this one holds at this moment, however long it goes on.

        A running trace gives other records at each reading: what is shown is to be read once.
        """
        return Trace(
            self.name,
            started_at=self.started_at,
            request=self.request,
            task=self.task,
            trace_id=self.id,
            slow_after=self.slow_after,
            slow_share=self.slow_share,
            ignore_findings=self.ignore_findings,
            contents=self.contents,
        )

    def __repr__(self) -> str:
        return f"<Trace {self._name_concealed()!r}>"

    def to_dict(self) -> JSON:
        """What ``from_dict()`` reads, holding only what JSON holds; see docs/trace.schema.json."""
        contents = self.contents  # First: its secrets are masked in the rest.
        heading = Heading(
            self.name,
            self.started_at,
            self.slow_after,
            self.slow_share,
            self.ignore_findings,
            self.request,
            self.task,
            self.id,
        )
        return {
            "version": FORMAT_VERSION,
            **plain.write(heading),
            **plain.write(contents),
        }

    @classmethod
    def from_dict(cls, data: JSON) -> Trace:
        """The trace that ``to_dict()`` described.

        Raises ``TraceFormatError``, a ``ValueError``, for all other data. What it returns can be
        shown, exported and written again, whoever wrote the data.
        """
        if not isinstance(data, dict) or "version" not in data:
            raise TraceFormatError(
                "This is not a trace: it has no 'version'. Give what Trace.to_dict() returned."
            )
        rest = {**data}
        version = rest.pop("version")
        if type(version) is not int or version != FORMAT_VERSION:
            raise TraceFormatError(
                f"This trace has version {plain.spell(version)}, and this signal_tracer reads "
                f"version {FORMAT_VERSION}. Read it with the release that wrote it."
            )
        start = {name: rest.pop(name) for name in plain.shapes_of(Heading) if name in rest}
        try:
            _refuse_too_deep(rest.get("dispatches"))
            heading, contents = plain.read(Heading, start), plain.read(Contents, rest)
        except plain.DamageError as damage:
            raise TraceFormatError(
                f"This trace is damaged ({damage}). "
                "Compare it with docs/trace.schema.json, or record it again."
            ) from damage
        except RecursionError as error:  # the caller's: the trace itself is not too deep
            raise TraceFormatError(
                "This trace cannot be read here: the running code is nested too deep already. "
                "Read it nearer to where the program starts."
            ) from error
        return cls(
            heading.name,
            started_at=heading.started_at,
            request=heading.request,
            task=heading.task,
            trace_id=heading.id,
            slow_after=heading.slow_after,
            slow_share=heading.slow_share,
            ignore_findings=heading.ignore_findings,
            contents=contents,
        )

    def to_json(self, *, indent: int | None = None) -> str:
        """``to_dict()`` as JSON text."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)


def _concealed(request: Request | None, conceal: Callable[[str], str]) -> Request | None:
    return None if request is None else replace(request, path=conceal(request.path))


def _refuse_too_deep(dispatches: Any) -> None:
    """Raise ``DamageError`` for dispatches nested deeper than any that are recorded.

    Before they are read, because each reader calls the next. Damage of other kinds is theirs.
    """
    waiting = [(each, index, 1) for index, each in _numbered(dispatches)]
    while waiting:
        dispatch, root, depth = waiting.pop()
        if depth > DEEPEST:
            expected = f"at most {DEEPEST} dispatches within each other"
            raise plain.DamageError(expected, "more").inside(root).inside("dispatches")
        for _, call in _numbered(_of(dispatch, "receiver_calls")):
            for _, nested in _numbered(_of(call, "dispatches")):
                waiting.append((nested, root, depth + 1))


def _numbered(data: Any) -> Iterator[tuple[int, Any]]:
    return enumerate(data if isinstance(data, list) else ())


def _of(data: Any, name: str) -> Any:
    return data.get(name) if isinstance(data, dict) else None
