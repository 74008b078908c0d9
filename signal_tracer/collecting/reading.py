"""The records of a trace become its plain data."""

from __future__ import annotations

import functools
import linecache
from collections.abc import Iterable
from types import CodeType
from typing import Any

from signal_tracer.collecting import clock
from signal_tracer.collecting.nodes import CallRecord, DispatchRecord, Failure
from signal_tracer.collecting.raw import Activity
from signal_tracer.collecting.recorder import Recorder
from signal_tracer.collecting.routes import MissInfo, ReceiverInfo, near_misses_of_unheard
from signal_tracer.collecting.savepoints import Savepoint
from signal_tracer.describing.absent import absent_for
from signal_tracer.describing.errors import CapturedError
from signal_tracer.describing.frames import called_by, locate
from signal_tracer.describing.ownership import owners_of
from signal_tracer.describing.secrets import redact_shapes
from signal_tracer.describing.values import render
from signal_tracer.describing.veiling import veil
from signal_tracer.records import (
    Contents,
    Dispatch,
    Error,
    Location,
    NearMiss,
    Outcome,
    Reason,
    ReceiverCall,
    Summary,
    TracebackLine,
    Unheard,
    Unwatched,
    Value,
)

# Of one dispatch.
_MOST_NEAR_MISSES = 20
_OF_MODELS = "django.db.models.signals."


def _called(record: DispatchRecord) -> str | None:
    """Of those that Django sends on somebody's behalf."""
    if record.sent_by is None or not record.route.signal.startswith(_OF_MODELS):
        return None
    return called_by(record.sent_by, record.instruction)


def read(recorder: Recorder) -> tuple[Contents, bool]:
    """What was recorded so far, and whether that is final: the trace and its transactions ended."""
    is_final = not recorder.is_running
    reading = Reading(recorder)
    near_misses = near_misses_of_unheard(recorder)
    contents = Contents(
        dispatches=reading.dispatches(None),
        unheard=[
            Unheard(
                *names,
                counter.count,
                (
                    *reading.near_misses(near_misses.get(names, [])),
                    *absent_for(*names),
                ),
                reading.location(counter.sent_by, counter.instruction),
            )
            for names, counter in sorted(
                recorder.unheard(), key=lambda each: (-each[1].count, each[0])
            )
        ],
        unwatched=[Unwatched(*each) for each in recorder.unwatched()],
        other_queries=max(recorder.query_count - reading.query_count, 0),
        omitted=recorder.omitted,
        too_deep=recorder.too_deep,
        excluded=recorder.excluded_dispatches(),
        faults=recorder.faults,
        waited=recorder.waited / 1e9,
        duration=((recorder.stopped or clock.now()) - recorder.started) / 1e9,
        **reading.noted(recorder.activity),
    )
    contents.omitted_details = recorder.omitted_details + reading.omitted_near_misses
    # Last, because a secret may be known by what came after the text that quotes it.
    veil(contents, recorder.capture.secrets)
    contents.owners = owners_of(contents)
    return contents, is_final and reading.is_settled


def read_dispatch(recorder: Recorder, record: DispatchRecord, number: int) -> Dispatch:
    """The one that is linked there, with what is nested in it, while the trace goes on."""
    contents = Contents(dispatches=[Reading(recorder, number).dispatch(record)])
    veil(contents, recorder.capture.secrets)
    return contents.dispatches[0]


def conceal(recorder: Recorder, text: str) -> str:
    """``text``, which belongs to the trace, without what is a secret in it or elsewhere in it."""
    secrets = recorder.capture.secrets
    return secrets.mask(secrets.redact_shapes(text))


def conceal_name(recorder: Recorder, name: str) -> str:
    """The same for what may be the name of code."""
    return recorder.capture.secrets.mask_name(name)


class Reading:
    """Makes the plain data of one trace from its records; watchers read what they noted by it.

    ``until``: when the trace ended, or now. Another trace may go on, and note more. ``first``:
    where in the recorder's dispatches to begin.
    """

    def __init__(self, recorder: Recorder, first: int = 0) -> None:
        self.config = recorder.config
        self.until = recorder.stopped or clock.now()
        self.redact_shapes = recorder.capture.secrets.redact_shapes
        # The same, of texts that come back often.
        self.redact_once = functools.cache(self.redact_shapes)
        self._started = recorder.started
        self.omitted_near_misses = 0
        # By the id of the receiver call that sent them, which its dispatch keeps alive.
        self._sent_in: dict[int, list[DispatchRecord]] = {}
        links = list(recorder.dispatches[first:])
        known = {id(call) for record in links[::2] for call in record.calls}
        for record, call in zip(links[::2], links[1::2], strict=True):
            # Calls in a loop that turned out to be another tool's are not shown.
            sender = id(call if id(call) in known else None)
            self._sent_in.setdefault(sender, []).append(record)
        # Whether each transaction that a dispatch was sent in has been committed or rolled back.
        self.is_settled = True
        # Of the receiver calls that were read: the others ran outside of them.
        self.query_count = 0

    def dispatches(self, call: CallRecord | None) -> list[Dispatch]:
        """Those that the receiver call sent, or with ``None`` those outside of any."""
        return [self.dispatch(each) for each in self._sent_in.get(id(call), ())]

    def dispatch(self, record: DispatchRecord) -> Dispatch:
        rare = record.rare
        savepoints = () if rare.here is None else rare.here.savepoints
        is_undecided = not all(savepoint.is_settled() for savepoint in savepoints)
        if is_undecided:
            self.is_settled = False
        # An async receiver is called first and started by the event loop later, or never.
        calls = [call for call in list(record.calls) if call.started]
        not_run = [call.info for call in record.calls if record.stopped and not call.started]
        not_run += rare.not_run or ()
        error = None if rare.error is None else self._error(rare.error)
        was_refused = _was_refused(record, error)
        return Dispatch(
            signal=record.route.signal,
            sender=record.route.sender,
            method=record.method,
            kwargs={
                name: self.value(value)
                for name, value in zip(record.names, record.values, strict=True)
            },
            sent_from=self.location(record.sent_by, record.instruction),
            started_at=self.since_start(record.started),
            duration=self.seconds(record.started, record.stopped),
            receiver_calls=[self._call(call) for call in calls],
            near_misses=[
                *(
                    self._near_miss(info, "refused" if was_refused and info.is_async else "not_run")
                    for info in not_run
                ),
                *(self._near_miss(info, "muted") for info in rare.muted or ()),
                *self.near_misses(rare.near_misses or record.infos[2]),
            ],
            error=error,
            unwatched=rare.unwatched,
            in_atomic=_aliases(savepoints),
            rolled_back=_aliases(savepoint for savepoint in savepoints if savepoint.was_undone()),
            on_commit=None if rare.here is None else rare.here.callback,
            was_trial=any(
                undone.is_trial for each in savepoints if (undone := each.undone_with()) is not None
            ),
            is_undecided=is_undecided,
            left_out=rare.left_out,
            was_deferred=rare.was_deferred,
            called=_called(record),
        )

    def near_misses(self, found: list[MissInfo]) -> list[NearMiss]:
        """As many as a person would read; the rest is counted."""
        self.omitted_near_misses += len(found[_MOST_NEAR_MISSES:])
        return [
            self._near_miss(each.info, each.reason, each.connected_to)
            for each in found[:_MOST_NEAR_MISSES]
        ]

    def _near_miss(
        self, info: ReceiverInfo, reason: Reason, connected_to: str | None = None
    ) -> NearMiss:
        uid = self.value(info.dispatch_uid)
        return NearMiss(info.name, reason, info.defined_at, uid, info.is_async, connected_to)

    def _call(self, record: CallRecord) -> ReceiverCall:
        nested = self.dispatches(record)
        outcome: Outcome = "returned" if record.stopped else "running"
        failure = record.outcome if isinstance(record.outcome, Failure) else None
        if failure is not None:
            outcome = failure.outcome
        started_at = self.since_start(record.started)
        duration = self.seconds(record.started, record.stopped)
        call = ReceiverCall(
            receiver=record.info.name,
            defined_at=record.info.defined_at,
            dispatch_uid=self.value(record.info.dispatch_uid),
            is_async=record.info.is_async,
            started_at=started_at,
            duration=duration,
            own_time=max(duration - _time_covered(nested, started_at, duration), 0.0),
            outcome=outcome,
            response=self.value(None if failure else record.outcome),
            error=self._error(failure.error) if failure and failure.error else None,
            dispatches=nested,
            **self.noted(record.activity),
        )
        self.query_count += call.query_count
        return call

    def noted(self, activity: Activity | None) -> dict[str, Any]:
        """What each watcher has noted there, by the name of the field that it is for."""
        fields: dict[str, Any] = {}
        for each in () if activity is None else list(activity.values()):
            fields.update(each.read(self))
        return fields

    def location(self, code: CodeType | None, instruction: int) -> Location | None:
        return None if code is None else locate(code, instruction)

    def _error(self, captured: CapturedError) -> Error:
        error = captured.render(_read_line)
        # Of code nothing is remembered: what stands there in quotes is often a name.
        lines = (
            TracebackLine(each.location, redact_shapes(each.code, lambda _: None))
            for each in error.traceback
        )
        return Error(error.type, self.redact_shapes(error.message), tuple(lines))

    def value(self, captured: object) -> Value:
        value = render(captured)
        if isinstance(value, str):
            redacted = self.redact_shapes(value)
            return value if redacted == value else Summary(repr(redacted))
        if isinstance(value, Summary):
            return Summary(self.redact_shapes(value.text))
        return value

    def since_start(self, moment: int) -> float:
        # What began before the trace did, such as a bulk operation, is there from the start.
        return max(moment - self._started, 0) / 1e9

    def seconds(self, started: int, stopped: int) -> float:
        return max((stopped or self.until) - started, 0) / 1e9


def _was_refused(record: DispatchRecord, error: Error | None) -> bool:
    """Whether Django refused to run async receivers: a sync send waits for them in a loop of its
    own, which it cannot start where one is running. Otherwise a receiver raised."""
    return (
        error is not None
        and record.method in ("send", "send_robust")
        and error.message.startswith("You cannot use AsyncToSync in the same thread")
        and not any(isinstance(call.outcome, Failure) for call in record.calls)
    )


def _aliases(savepoints: Iterable[Savepoint]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(savepoint.alias for savepoint in savepoints))


def _time_covered(dispatches: list[Dispatch], start: float, duration: float) -> float:
    """Seconds of the ``duration`` from ``start`` in which at least one of the dispatches ran.

    They may overlap, when the receiver sent them from several tasks, and outlast it.
    """
    covered = 0.0
    reached, end = start, start + duration
    for dispatch in sorted(dispatches, key=lambda each: each.started_at):
        stop = min(dispatch.started_at + dispatch.duration, end)
        if stop > reached:
            covered += stop - max(dispatch.started_at, reached)
            reached = stop
    return covered


def _read_line(file: str, line: int) -> str:
    return linecache.getline(file, line).strip()
